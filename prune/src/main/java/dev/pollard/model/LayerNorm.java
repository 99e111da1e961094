package dev.pollard.model;

import dev.pollard.tensor.Tensor;

/// Layer normalisation (Ba et al., arXiv 1607.06450) over the last axis.
///
/// @param weight `[width]`
/// @param bias `[width]`
record LayerNorm(Tensor weight, Tensor bias, double epsilon) {
    /// `[…, width]` → the same shape.
    Tensor apply(Tensor x) {
        return x.layerNorm(weight, bias, epsilon);
    }
}
