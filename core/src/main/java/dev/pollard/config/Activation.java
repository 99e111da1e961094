package dev.pollard.config;

import dev.pollard.format.MalformedFileException;

/// The nonlinearity of a feed-forward layer.
public enum Activation {
    RELU,
    /// `x · sigmoid(x)`.
    SILU,
    /// `½ x (1 + erf(x/√2))`.
    GELU,
    /// GELU with tanh in place of erf.
    GELU_TANH;

    static Activation read(Keys keys, Activation fallback, String... names)
            throws MalformedFileException {
        var name = keys.text(names);
        if (name.isEmpty()) {
            return fallback;
        }
        return switch (name.get()) {
            case "relu" -> RELU;
            case "silu", "swish" -> SILU;
            case "gelu" -> GELU;
            case "gelu_new", "gelu_pytorch_tanh", "gelu_fast" -> GELU_TANH;
            default ->
                    throw keys.wrong(
                            names[0],
                            "'%s' is not supported; supported: relu, silu, gelu, gelu_new, gelu_pytorch_tanh"
                                    .formatted(name.get()));
        };
    }
}
