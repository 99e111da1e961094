package dev.pollard.format;

import java.io.IOException;
import java.nio.file.Path;

/// A file that breaks its own format: names the file, the byte offset where reading stopped, and
/// what was wrong there.
public final class MalformedFileException extends IOException {
    private static final long serialVersionUID = 1L;

    private final transient Path file;
    private final long offset;

    /// @param file the file that was read
    /// @param offset byte offset from the start of the file, 0-based
    /// @param reason what is wrong, in one phrase
    public MalformedFileException(Path file, long offset, String reason) {
        super("%s: %s (at byte %d)".formatted(file, reason, offset));
        this.file = file;
        this.offset = offset;
    }

    /// As above, with what the parser underneath threw.
    public MalformedFileException(Path file, long offset, String reason, Throwable cause) {
        this(file, offset, reason);
        initCause(cause);
    }

    public Path file() {
        return file;
    }

    /// Byte offset from the start of the file.
    public long offset() {
        return offset;
    }
}
