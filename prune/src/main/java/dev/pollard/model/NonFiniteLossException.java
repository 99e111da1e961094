package dev.pollard.model;

/// A loss is NaN or infinite: the model is broken, and a mean would hide where.
public final class NonFiniteLossException extends ArithmeticException {
    private static final long serialVersionUID = 1L;

    /// @param what has that loss: `evaluation window 3`
    public NonFiniteLossException(String what, double loss) {
        super("the loss of %s is %s".formatted(what, loss));
    }
}
