package dev.pollard.model;

import dev.pollard.tensor.Tensor;

/// Listens to what enters the linear layers of a block while it runs.
///
/// Layers that read the same activations (q, k and v; gate and up) are given the same tensor
/// object, one after the other.
@FunctionalInterface
public interface Tap {
    /// Called before `layer` computes.
    ///
    /// @param x its input `[time, in]`, float32
    /// @return whether anybody will read the output; if not, the layer answers zeros at no cost
    boolean input(Linear layer, Tensor x);

    /// Just run.
    Tap NONE = (_, _) -> true;
}
