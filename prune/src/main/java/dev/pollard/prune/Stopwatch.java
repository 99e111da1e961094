package dev.pollard.prune;

/// Adds up where the time of a run goes; used by the driver's thread only.
final class Stopwatch {
    enum Phase {
        LOAD,
        CAPTURE,
        GRADIENTS,
        PRUNE,
        PROPAGATE,
        COMMIT
    }

    /// Work that may fail the way files do.
    @FunctionalInterface
    interface Work<T, E extends Exception> {
        T run() throws E;
    }

    private final long[] nanos = new long[Phase.values().length];

    <T, E extends Exception> T time(Phase phase, Work<T, E> work) throws E {
        long start = System.nanoTime();
        try {
            return work.run();
        } finally {
            nanos[phase.ordinal()] += System.nanoTime() - start;
        }
    }

    Timings timings() {
        return new Timings(
                seconds(Phase.LOAD),
                seconds(Phase.CAPTURE),
                seconds(Phase.GRADIENTS),
                seconds(Phase.PRUNE),
                seconds(Phase.PROPAGATE),
                seconds(Phase.COMMIT));
    }

    private double seconds(Phase phase) {
        return nanos[phase.ordinal()] / 1e9;
    }
}
