package dev.pollard.model;

/// A weight is too large for the dtype in which it is to be saved.
public final class OverflowException extends ArithmeticException {
    private static final long serialVersionUID = 1L;

    OverflowException(String tensor, float value, String dtype) {
        super("%s holds %s, too large for %s".formatted(tensor, value, dtype));
    }
}
