package dev.pollard.recipe;

import dev.pollard.prune.RunEvent;

/// Watches a run. Methods are called by one thread at a time.
public interface RunListener {
    /// A step begins: `reading calibration text`.
    void step(String what);

    /// The driver has news.
    void pruning(RunEvent event);

    /// The driver has news of the control.
    default void control(RunEvent event) {}

    /// A step of a training is done.
    ///
    /// @param step steps done of `steps`
    /// @param loss mean of the step's samples, in nats per token
    default void training(long step, long steps, double loss, double tokensPerSecond) {}

    /// A perplexity is being measured.
    ///
    /// @param what `dense` or `pruned`, and the task
    void evaluating(String what, long done, long total);

    /// Something the user should know; it is in the record too.
    void warn(String message);
}
