package dev.pollard.prune;

import dev.pollard.stats.Tokens;
import java.util.List;
import java.util.stream.IntStream;

/// A pass over the decoder blocks in order; in every block the steps run one after the other.
///
/// @param capture how often the inputs of a block's layers are captured
/// @param flow what the inputs of the next block are made with
/// @param tokens how much each counts in the statistics
/// @param start with which weights it begins
/// @param part of which text the statistics are
public record Sweep(
        List<LayerPruner> steps,
        Capture capture,
        Flow flow,
        Tokens tokens,
        Start start,
        Texts.Part part)
        implements Pass {
    /// With which weights a sweep begins.
    public enum Start {
        /// Those that the pass before left.
        AS_LEFT,
        /// Those of the dense model, whatever passes before did.
        DENSE,
        /// Those at which gradients were taken, see [Findings#tuned].
        TUNED
    }

    /// How often the inputs of a block's layers are captured.
    public enum Capture {
        /// Before every step: it sees what the step before left of the block.
        EVERY_STEP,
        /// Once, with the block as it enters the sweep: all steps share the statistics.
        ONCE
    }

    /// Through which weights the activations go on to the next block.
    public enum Flow {
        /// Those the sweep leaves.
        LEFT,
        /// Those that entered the sweep: every block sees the model as the pass before left it.
        ENTERED
    }

    /// @throws IllegalArgumentException if there is no step
    public Sweep {
        steps = List.copyOf(steps);
        if (steps.isEmpty()) {
            throw new IllegalArgumentException("a sweep needs a step");
        }
    }

    /// The steps, by index, in groups that share what is captured of the inputs.
    public List<List<Integer>> stages() {
        var all = IntStream.range(0, steps.size()).boxed().toList();
        return switch (capture) {
            case ONCE -> List.of(all);
            case EVERY_STEP -> all.stream().map(List::of).toList();
        };
    }

    /// Goes on from the pass before, on calibration text.
    public Sweep(List<LayerPruner> steps, Capture capture, Flow flow, Tokens tokens) {
        this(steps, capture, flow, tokens, Start.AS_LEFT, Texts.Part.CALIBRATION);
    }

    public Sweep(LayerPruner step) {
        this(List.of(step));
    }

    public Sweep(List<LayerPruner> steps) {
        this(steps, Capture.EVERY_STEP, Flow.LEFT, Tokens.PLAIN);
    }
}
