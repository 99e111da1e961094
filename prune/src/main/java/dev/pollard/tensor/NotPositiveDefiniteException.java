package dev.pollard.tensor;

/// A matrix handed to a Cholesky factorisation has a leading minor that is not positive.
public final class NotPositiveDefiniteException extends ArithmeticException {
    private static final long serialVersionUID = 1L;

    /// @param order order of the first leading minor that is not positive, 1-based
    public NotPositiveDefiniteException(long order) {
        super("matrix is not positive definite: leading minor of order %d".formatted(order));
    }
}
