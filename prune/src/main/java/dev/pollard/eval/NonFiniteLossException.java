package dev.pollard.eval;

/// The loss of a window is NaN or infinite: the model is broken, and a mean would hide where.
public final class NonFiniteLossException extends ArithmeticException {
    private static final long serialVersionUID = 1L;

    /// @param window 0-based
    public NonFiniteLossException(int window, double loss) {
        super("the loss of evaluation window %d is %s".formatted(window, loss));
    }
}
