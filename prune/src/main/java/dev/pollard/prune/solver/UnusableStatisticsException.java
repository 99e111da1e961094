package dev.pollard.prune.solver;

/// What was gathered of a layer's inputs cannot be computed with: it is not finite, or singular
/// beyond what damping mends.
public final class UnusableStatisticsException extends ArithmeticException {
    private static final long serialVersionUID = 1L;

    public UnusableStatisticsException(String message) {
        super(message);
    }
}
