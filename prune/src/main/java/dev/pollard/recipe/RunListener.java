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

    /// A perplexity is being measured.
    ///
    /// @param what `dense` or `pruned`, and the task
    void evaluating(String what, long done, long total);

    /// Something the user should know; it is in the record too.
    void warn(String message);
}
