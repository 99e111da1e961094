package dev.pollard.recipe;

/// What was written is not what was meant to be written.
public final class VerificationException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public VerificationException(String message) {
        super(message);
    }
}
