package dev.pollard.prune.method;

import dev.pollard.prune.LayerContext;
import dev.pollard.prune.Sparsity;

/// What every method asks of a layer before it starts.
final class Admission {
    private Admission() {}

    /// @throws IllegalArgumentException if the weight is no matrix, holds NaN or infinity, or does
    ///     not divide into the groups of an N:M pattern
    static void check(LayerContext layer, Sparsity sparsity) {
        var weight = layer.weight();
        if (weight.rank() != 2 || weight.elements() == 0) {
            throw new IllegalArgumentException(
                    "%s: a weight is a matrix, not %s".formatted(layer.name(), weight));
        }
        if (!sparsity.fits(weight.size(1))) {
            throw new IllegalArgumentException(
                    "%s: pattern %s does not divide its %d columns"
                            .formatted(layer.name(), sparsity, weight.size(1)));
        }
        if (!weight.isFinite()) {
            throw new IllegalArgumentException(
                    "%s: weights hold NaN or infinity".formatted(layer.name()));
        }
    }

    /// @throws IllegalArgumentException if a statistic is not of the layer's width
    static void checkWidth(LayerContext layer, long width) {
        if (width != layer.weight().size(1)) {
            throw new IllegalArgumentException(
                    "%s: statistics of %d inputs for a weight of %d columns"
                            .formatted(layer.name(), width, layer.weight().size(1)));
        }
    }
}
