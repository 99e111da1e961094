package dev.pollard.prune;

import java.util.List;

/// A pass over the decoder blocks in order; in every block the steps run one after the other, and
/// before each the inputs of the block's layers are captured anew.
public record Sweep(List<LayerPruner> steps) implements Pass {
    /// @throws IllegalArgumentException if there is no step
    public Sweep {
        steps = List.copyOf(steps);
        if (steps.isEmpty()) {
            throw new IllegalArgumentException("a sweep needs a step");
        }
    }

    public Sweep(LayerPruner step) {
        this(List.of(step));
    }
}
