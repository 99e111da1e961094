package dev.pollard.model;

import dev.pollard.tensor.Tensor;

/// Root-mean-square normalisation (Zhang and Sennrich, arXiv 1910.07467) over the last axis.
///
/// @param weight `[width]`
record RmsNorm(Tensor weight, double epsilon) {
    /// `[…, width]` → the same shape.
    Tensor apply(Tensor x) {
        return x.rmsNorm(weight, epsilon);
    }
}
