package dev.pollard.model;

import dev.pollard.config.Activation;
import dev.pollard.tensor.Tensor;

/// The activations of a configuration as tensor operations.
final class Nonlinearity {
    private Nonlinearity() {}

    static Tensor apply(Activation activation, Tensor x) {
        return switch (activation) {
            case RELU -> x.relu();
            case SILU -> x.silu();
            case GELU -> x.gelu();
            case GELU_TANH -> x.geluTanh();
        };
    }

    /// `activation(gate) ∘ up`.
    static Tensor gated(Activation activation, Tensor gate, Tensor up) {
        return activation == Activation.SILU ? gate.siluTimes(up) : apply(activation, gate).mul(up);
    }
}
