package dev.pollard.model;

import dev.pollard.tensor.Engine;

/// The dtype in which forward passes multiply; sums are float32, and so is everything else.
public enum Compute {
    FLOAT32,
    /// Operands of products (linear layers, attention, Grams of what was seen) are rounded to
    /// bfloat16: several times as fast on CPUs that have instructions for it. Norms, softmax,
    /// residual sums and the methods themselves stay float32.
    BFLOAT16;

    /// Puts the products of this process into this dtype until it is closed.
    public Engine.Bf16Products products() {
        return Engine.bf16Products(this == BFLOAT16);
    }
}
