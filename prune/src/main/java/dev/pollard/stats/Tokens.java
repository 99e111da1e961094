package dev.pollard.stats;

import dev.pollard.tensor.Tensor;

/// How much a token counts in what is gathered of a layer's inputs.
public enum Tokens {
    /// By the square of its length: the sums are those of the outputs' squared error.
    PLAIN,
    /// All alike: every input row is divided by its root mean square first. Some layers read few
    /// rows that are very much longer than the others, and plain sums know little else.
    EVEN;

    /// The rows `x [rows, in]` as they are summed up.
    Tensor weighted(Tensor x) {
        return switch (this) {
            case PLAIN -> x;
            case EVEN -> x.mul(inverseLength(x));
        };
    }

    /// The rows of `dense` by the lengths of those of `x`, so that a difference stays one.
    Tensor weighted(Tensor dense, Tensor x) {
        return switch (this) {
            case PLAIN -> dense;
            case EVEN -> dense.mul(inverseLength(x));
        };
    }

    private static Tensor inverseLength(Tensor x) {
        Tensor length = x.square().sum(1).unsqueeze(1).div((double) x.size(1)).sqrt(); // [rows, 1]
        return Tensor.full(1, length.shape()).div(length.add_(LEAST));
    }

    private static final double LEAST = 1e-6; // a row of zeros stays one
}
