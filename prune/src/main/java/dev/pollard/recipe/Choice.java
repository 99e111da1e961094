package dev.pollard.recipe;

import dev.pollard.data.TokenWindows;
import dev.pollard.eval.Perplexity;
import dev.pollard.model.Decoder;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.prune.BlockStore;
import dev.pollard.prune.StoredDecoder;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.IntFunction;

/// Which of the models that the passes of a method left is the result: the one with the least loss
/// on text that the method was not fitted to, the earliest of equals.
///
/// @param pass that holds it
/// @param losses mean negative log-likelihood of the candidates in nats per token, by pass;
///     infinite if it was not finite
record Choice(int pass, SequencedMap<Integer, Double> losses) {
    /// @param model the dense one
    /// @param candidates passes, all blocks of which are in the store
    /// @param progress of the measurement of each
    static Choice of(
            Decoder model,
            BlockStore store,
            List<Integer> candidates,
            TokenWindows heldOut,
            Perplexity perplexity,
            IntFunction<Perplexity.Progress> progress) {
        var losses = new LinkedHashMap<Integer, Double>();
        for (int pass : candidates) {
            var decoder = new StoredDecoder(model, store, pass);
            try {
                var result = perplexity.measure(decoder, heldOut, progress.apply(pass));
                losses.put(pass, result.meanLoss());
            } catch (NonFiniteLossException _) {
                losses.put(pass, Double.POSITIVE_INFINITY);
            }
        }
        return new Choice(Collections.min(candidates, Comparator.comparing(losses::get)), losses);
    }
}
