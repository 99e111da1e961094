package dev.pollard.prune;

import java.util.Arrays;

/// What every result of a method must hold, whoever wrote the method.
final class Invariants {
    private Invariants() {}

    /// @throws InvariantException naming the layer and the promise that was broken
    static void check(LayerContext layer, LayerResult result, Sparsity sparsity) {
        var weight = result.weight();
        if (!Arrays.equals(weight.shape(), layer.weight().shape())) {
            throw new InvariantException(
                    layer.name(), "shape is %s, was %s".formatted(weight, layer.weight()));
        }
        if (!weight.isFinite()) {
            throw new InvariantException(layer.name(), "a weight is not finite");
        }
        if (!result.mask().matches(sparsity)) {
            throw new InvariantException(
                    layer.name(),
                    "mask of sparsity %.6f does not have the pattern %s"
                            .formatted(result.mask().sparsity(), sparsity));
        }
        if (!result.mask().covers(weight)) {
            throw new InvariantException(layer.name(), "a weight under the mask is not zero");
        }
    }
}
