package dev.pollard.cli;

import dev.pollard.hub.HubException;
import dev.pollard.recipe.VerificationException;
import dev.pollard.recipe.WillNotFitException;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.FileSystemException;
import java.util.Locale;

/// What the process tells the shell.
enum ExitCode {
    /// All done.
    DONE(0, "done"),
    /// The work began and could not be finished.
    FAILED(1, "the run failed"),
    /// An option, an argument or a setting is wrong.
    USAGE(2, "wrong option, argument or setting"),
    /// A model or a text is missing, unreadable or malformed.
    BAD_INPUT(3, "missing, unreadable or malformed input"),
    /// Memory or disk will not suffice, found out before the work.
    WILL_NOT_FIT(4, "will not fit in memory or on disk (told before the work begins)"),
    /// What was written is not what was meant.
    VERIFICATION_FAILED(5, "the output failed its verification"),
    /// The result is worse than the caller allowed.
    QUALITY_GATE(6, "the result missed the quality asked for"),
    /// Ctrl-C.
    INTERRUPTED(130, "interrupted");

    private final int code;
    private final String meaning;

    ExitCode(int code, String meaning) {
        this.code = code;
        this.meaning = meaning;
    }

    int code() {
        return code;
    }

    /// For the help page.
    String meaning() {
        return meaning;
    }

    /// The one place where failures become exit codes.
    static ExitCode of(Throwable failure) {
        return switch (failure) {
            case Failure known -> known.exitCode();
            case WillNotFitException _ -> WILL_NOT_FIT;
            case VerificationException _ -> VERIFICATION_FAILED;
            case HubException hub ->
                    switch (hub.reason()) {
                        case REFUSED -> BAD_INPUT;
                        case UNREACHABLE, BUSY -> FAILED;
                        case WRONG_BYTES -> VERIFICATION_FAILED;
                        case NO_ROOM -> WILL_NOT_FIT;
                    };
            case IllegalArgumentException _ -> USAGE;
            case UncheckedIOException unchecked -> of(unchecked.getCause());
            case FileSystemException full when isNoSpace(full) -> FAILED;
            case FileSystemException _, EOFException _, CharacterCodingException _ -> BAD_INPUT;
            case IOException io -> isNoSpace(io) ? FAILED : BAD_INPUT;
            default -> FAILED;
        };
    }

    private static boolean isNoSpace(IOException failure) {
        String message = String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT);
        return message.contains("no space left")
                || message.contains("quota exceeded")
                || message.contains("file too large"); // ulimit -f
    }
}
