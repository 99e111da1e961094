package dev.pollard.prune;

/// A method broke its promise: wrong shape, a value that is not finite, a weight under the mask
/// that is not zero, or a pattern that was not met.
public final class InvariantException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public InvariantException(String layer, String broken) {
        super(layer + ": " + broken);
    }
}
