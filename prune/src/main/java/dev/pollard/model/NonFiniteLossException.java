package dev.pollard.model;

/// A loss is NaN or infinite: the model is broken, and a mean would hide where.
public final class NonFiniteLossException extends ArithmeticException {
    private static final long serialVersionUID = 1L;

    /// @param what has that loss: `evaluation window 3`
    public NonFiniteLossException(String what, double loss) {
        this("the loss of %s is %s".formatted(what, loss));
    }

    /// @param when that was: `step 12`
    public NonFiniteLossException(String when, NonFiniteLossException loss) {
        this(when + ": " + loss.getMessage());
        initCause(loss);
    }

    /// @param message of something else that is not finite
    public NonFiniteLossException(String message) {
        super(message);
    }
}
