package dev.pollard.stats;

/// A statistic of what enters a linear layer; the driver gathers only those a method asks for.
public enum Statistic {
    /// Mean of the squares of every input channel, `[in]`.
    INPUT_MEAN_SQUARE,
    /// `XᵀX / tokens`, `[in, in]`; contains the mean squares as its diagonal.
    GRAM,
    /// `X_denseᵀ X / tokens`, `[in, in]`: inputs of the dense model against those of the pruned
    /// one.
    CROSS_GRAM,
    /// `X_denseᵀ X_dense / tokens`, `[in, in]`: inputs of the dense model alone.
    DENSE_GRAM,
    /// The statistics asked for, once more, of the sequences held out: every eighth.
    HELD_OUT
}
