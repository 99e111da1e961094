package dev.pollard.eval;

/// Counts the steps of all workers.
final class Steps {
    private final Perplexity.Progress progress;
    private final long total;
    private long done;

    Steps(Perplexity.Progress progress, long total) {
        this.progress = progress;
        this.total = total;
    }

    synchronized void advance(long steps) {
        done += steps;
        progress.at(done, total);
    }
}
