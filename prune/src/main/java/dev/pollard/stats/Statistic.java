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
    /// The inputs themselves, `[tokens, in]`, of the tokens to fit to: as much memory as all
    /// calibration tokens take, so for small models.
    INPUTS,
    /// The inputs of the dense model, `[tokens, in]`, of the tokens to fit to.
    DENSE_INPUTS,
    /// The statistics asked for, once more, of the sequences held out: every eighth. Inputs
    /// themselves are kept of the others only.
    HELD_OUT
}
