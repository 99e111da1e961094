package dev.pollard.model;

/// The dtype in which linear layers multiply; everything else is float32.
public enum Compute {
    FLOAT32,
    /// Inputs and weights of linear layers rounded to bfloat16, sums in float32: about twice as
    /// fast on a CPU with bf16 instructions. Attention, norms and Grams stay float32.
    BFLOAT16
}
