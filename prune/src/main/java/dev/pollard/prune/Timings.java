package dev.pollard.prune;

/// Wall-clock seconds of the phases of a pruning run.
///
/// @param load reading and dequantising blocks and embeddings
/// @param capture forward passes that gather statistics
/// @param gradients forward and backward passes over the text of domains
/// @param prune the methods themselves, with their checks
/// @param propagate forward passes through what was pruned
/// @param commit writing finished blocks
public record Timings(
        double load,
        double capture,
        double gradients,
        double prune,
        double propagate,
        double commit) {
    /// Both taken together.
    public Timings plus(Timings other) {
        return new Timings(
                load + other.load,
                capture + other.capture,
                gradients + other.gradients,
                prune + other.prune,
                propagate + other.propagate,
                commit + other.commit);
    }

    public double total() {
        return load + capture + gradients + prune + propagate + commit;
    }
}
