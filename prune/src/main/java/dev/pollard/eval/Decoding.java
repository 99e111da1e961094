package dev.pollard.eval;

/// How the next token is chosen.
///
/// @param temperature divides the logits; 0: always the most probable token
/// @param topP the choice is among the most probable tokens that together reach this probability
///     (nucleus sampling, Holtzman et al., arXiv 1904.09751); 1: among all
/// @param seed of what is drawn; the same seed writes the same text
public record Decoding(double temperature, double topP, long seed) {
    /// The most probable token.
    public static final Decoding GREEDY = new Decoding(0, 1, 0);

    /// @throws IllegalArgumentException if the temperature is negative or not finite, or topP is
    ///     not in (0, 1]
    public Decoding {
        if (!(temperature >= 0) || Double.isInfinite(temperature)) {
            throw new IllegalArgumentException(
                    "a temperature of %s: give 0 or more".formatted(temperature));
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new IllegalArgumentException(
                    "a top-p of %s: give more than 0, at most 1".formatted(topP));
        }
    }

    boolean greedy() {
        return temperature == 0;
    }
}
