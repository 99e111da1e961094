package dev.pollard.model;

/// The dtype in which forward passes multiply; sums are float32, and so is everything else.
public enum Compute {
    FLOAT32,
    /// Operands of products (linear layers, attention, Grams of what was seen) are rounded to
    /// bfloat16: several times as fast on CPUs with AMX, about twice with AVX512_BF16. Norms,
    /// softmax, residual sums and the methods themselves stay float32, but for solver steps whose
    /// rounding the next step undoes. What leaves a linear layer is rounded to bfloat16 as well.
    BFLOAT16
}
