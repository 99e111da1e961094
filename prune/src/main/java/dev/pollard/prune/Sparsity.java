package dev.pollard.prune;

/// How much of a matrix is removed, and in which pattern.
public sealed interface Sparsity {
    /// A fraction of the weights, anywhere.
    ///
    /// @param ratio fraction removed, in `[0, 1)`
    record Unstructured(double ratio) implements Sparsity {
        /// @throws IllegalArgumentException if the ratio is outside `[0, 1)`
        public Unstructured {
            if (!(ratio >= 0 && ratio < 1)) {
                throw new IllegalArgumentException("sparsity must be in [0, 1): " + ratio);
            }
        }

        @Override
        public String toString() {
            return String.valueOf(ratio);
        }
    }

    /// At most `keep` weights of every `of` consecutive inputs of a row: N:M with N kept.
    record SemiStructured(int keep, int of) implements Sparsity {
        /// @throws IllegalArgumentException unless `0 < keep < of`
        public SemiStructured {
            if (keep < 1 || keep >= of) {
                throw new IllegalArgumentException(
                        "need 0 < N < M in N:M: %d:%d".formatted(keep, of));
            }
        }

        @Override
        public String toString() {
            return keep + ":" + of;
        }
    }

    /// The fraction of the weights that is removed.
    default double fraction() {
        return switch (this) {
            case Unstructured(double ratio) -> ratio;
            case SemiStructured(int keep, int of) -> 1 - (double) keep / of;
        };
    }

    /// Whether a matrix of `columns` inputs can have this pattern: N:M needs whole groups.
    ///
    /// The reference codes prune a ragged last group whole; we refuse it.
    default boolean fits(long columns) {
        return switch (this) {
            case Unstructured _ -> true;
            case SemiStructured(_, int of) -> columns % of == 0;
        };
    }

    /// Reads `0.5` or `2:4`.
    ///
    /// @throws IllegalArgumentException if the text is neither
    static Sparsity parse(String text) {
        try {
            int colon = text.indexOf(':');
            return colon < 0
                    ? new Unstructured(Double.parseDouble(text))
                    : new SemiStructured(
                            Integer.parseInt(text.substring(0, colon)),
                            Integer.parseInt(text.substring(colon + 1)));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "not a sparsity (0.5) or a pattern (2:4): '" + text + "'", e);
        }
    }
}
