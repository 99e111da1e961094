package dev.pollard.recipe;

/// A run would need more memory or disk than there is; told before the work begins.
public final class WillNotFitException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public WillNotFitException(String message) {
        super(message);
    }
}
