package dev.pollard.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.function.LongSupplier;

/// Tries again what may succeed the next time, with pauses that double, or as long as the server
/// asks for.
///
/// @param pause waits; tests need not
/// @param listener is told of every further attempt
record Patience(Pause pause, PullListener listener) {
    /// Attempts without any headway before giving up; the pauses between are 1, 2, 4 and 8 seconds.
    static final int ATTEMPTS = 5;

    /// The Hub counts requests over five minutes; who asks for more patience than that gets none.
    static final Duration LONGEST_PAUSE = Duration.ofMinutes(6);

    @FunctionalInterface
    interface Pause {
        void take(Duration time) throws InterruptedException;
    }

    @FunctionalInterface
    interface Attempt<T> {
        T make() throws IOException;
    }

    /// @param reached how far the work has come; an attempt that brings it beyond all before does
    ///     not count against the number of attempts
    /// @throws HubException if it did not work in the end
    <T> T persist(String what, LongSupplier reached, Attempt<T> attempt) throws IOException {
        long furthest = reached.getAsLong();
        for (int failed = 1; ; failed++) {
            try {
                return attempt.make();
            } catch (TransientException e) {
                if (reached.getAsLong() > furthest) {
                    furthest = reached.getAsLong();
                    failed = 1;
                }
                Duration wait = e.pause().orElse(Duration.ofSeconds(1L << (failed - 1)));
                if (failed >= ATTEMPTS || wait.compareTo(LONGEST_PAUSE) > 0) {
                    throw givenUp(what, e, wait, failed);
                }
                listener.note(
                        "%s: %s; again in %d s".formatted(what, e.getMessage(), wait.toSeconds()));
                sleep(wait);
            }
        }
    }

    private static HubException givenUp(
            String what, TransientException e, Duration wait, int attempts) {
        String end =
                wait.compareTo(LONGEST_PAUSE) > 0
                        ? "try again in %d minutes".formatted(wait.toMinutes() + 1)
                        : "gave up after %d attempts; the same command goes on".formatted(attempts);
        return new HubException(
                HubException.Reason.UNREACHABLE,
                "%s: %s; %s".formatted(what, e.getMessage(), end),
                e);
    }

    private void sleep(Duration time) throws InterruptedIOException {
        try {
            pause.take(time);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
    }
}
