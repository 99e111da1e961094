package dev.pollard.prune;

import java.util.Arrays;

/// What every result of a method must hold, whoever wrote the method.
final class Invariants {
    private Invariants() {}

    /// @param last whether this is the method's last word on the layer: a step before that may make
    ///     it dense again, and says so by a full mask
    /// @throws InvariantException naming the layer and the promise that was broken
    static void check(LayerContext layer, LayerResult result, Sparsity sparsity, boolean last) {
        var weight = result.weight();
        var mask = result.mask();
        if (!Arrays.equals(weight.shape(), layer.weight().shape())) {
            throw new InvariantException(
                    layer.name(), "shape is %s, was %s".formatted(weight, layer.weight()));
        }
        if (!weight.isFinite()) {
            throw new InvariantException(layer.name(), "a weight is not finite");
        }
        if (mask.rows() != weight.size(0) || mask.columns() != weight.size(1)) {
            throw new InvariantException(layer.name(), "%s is not of %s".formatted(mask, weight));
        }
        boolean dense = mask.pruned() == 0 && !last;
        if (!dense && !mask.matches(sparsity)) {
            throw new InvariantException(
                    layer.name(),
                    "mask of sparsity %.6f does not have the pattern %s"
                            .formatted(mask.sparsity(), sparsity));
        }
        if (!mask.covers(weight)) {
            throw new InvariantException(layer.name(), "a weight under the mask is not zero");
        }
    }
}
