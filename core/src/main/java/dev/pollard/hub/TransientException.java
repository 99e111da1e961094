package dev.pollard.hub;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/// A failure that may be gone when one tries again.
final class TransientException extends IOException {
    private static final long serialVersionUID = 1L;

    private final transient Optional<Duration> pause;

    /// @param pause how long the server wants to be left alone, if it says so
    TransientException(String message, Optional<Duration> pause) {
        super(message);
        this.pause = pause;
    }

    TransientException(String message, Throwable cause) {
        super(message, cause);
        this.pause = Optional.empty();
    }

    Optional<Duration> pause() {
        return pause;
    }
}
