package dev.pollard.eval;

import java.util.List;
import java.util.OptionalDouble;

/// A perplexity and all that is needed to compare it with another.
///
/// @param perplexity exp of `meanLoss`
/// @param meanLoss mean negative log-likelihood of the tokens predicted, in nats
/// @param standardError of `perplexity`, from the spread of the windows (delta method); empty for a
///     single window
/// @param windows evaluated
/// @param windowsAvailable that the source gives without a limit
/// @param tokens ids in the windows evaluated
/// @param predicted tokens that were predicted
/// @param length ids per window
/// @param sha256 of the ids evaluated, [dev.pollard.data.TokenWindows#sha256]
/// @param seconds that the measurement took
/// @param losses mean negative log-likelihood of every window, in order
public record PerplexityResult(
        double perplexity,
        double meanLoss,
        OptionalDouble standardError,
        int windows,
        long windowsAvailable,
        long tokens,
        long predicted,
        int length,
        String sha256,
        double seconds,
        List<Double> losses) {
    public PerplexityResult {
        losses = List.copyOf(losses);
    }
}
