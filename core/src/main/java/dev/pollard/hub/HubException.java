package dev.pollard.hub;

import java.io.IOException;

/// Why a model could not be had of the Hub; the message is one line for the user.
public final class HubException extends IOException {
    private static final long serialVersionUID = 1L;

    /// What kind of obstacle it is.
    public enum Reason {
        /// The Hub has no such model, or does not give it to this user.
        REFUSED,
        /// No connection, or one that broke too often.
        UNREACHABLE,
        /// What came is not what the Hub announced.
        WRONG_BYTES,
        /// The disk is too small.
        NO_ROOM,
        /// Another process pulls the same model.
        BUSY
    }

    private final Reason reason;

    HubException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    HubException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
