package dev.pollard.prune;

import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Tensor;

/// All that a method may know of the layer it prunes.
///
/// @param name the checkpoint's name of the module
/// @param weight as it is now, `[out, in]` float32; never changed
/// @param dense as it was loaded, `[out, in]` float32
/// @param stats what was gathered of its inputs
/// @param seed for methods that draw
public record LayerContext(String name, Tensor weight, Tensor dense, LayerStats stats, long seed) {
    /// The same layer with another weight to start from.
    LayerContext withWeight(Tensor other) {
        return new LayerContext(name, other, dense, stats, seed);
    }
}
