package dev.pollard.recipe;

import dev.pollard.eval.Decoding;
import dev.pollard.eval.Generator;
import dev.pollard.eval.Perplexity;
import dev.pollard.format.MalformedFileException;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/// What the dense and the pruned model write after the same prompts, so that a reader of the record
/// sees what a perplexity means. A run does not fail for want of them.
final class Samples {
    private static final int TOKENS = 40;
    private static final double MOST_SECONDS = 30;

    private static final List<String> PROMPTS =
            List.of(
                    "The old lighthouse keeper opened the door and saw",
                    "To make a simple vegetable soup, first",
                    "The main difference between a lake and a river is");

    private Samples() {}

    /// @param facts one for each prompt; none if they were skipped
    /// @param note why they were skipped; empty if not
    record Written(List<RunRecord.SampleFacts> facts, String note) {
        private static Written skipped(String why) {
            return new Written(List.of(), "no samples were written: " + why);
        }
    }

    /// Lets both models write, greedily.
    ///
    /// @param memoryBytes that the blocks of a model may take
    static Written write(
            Model dense, Model pruned, Compute compute, Workers workers, long memoryBytes)
            throws IOException {
        try {
            return tryToWrite(dense, pruned, compute, workers, memoryBytes);
        } catch (TooSlow _) {
            return Written.skipped("they would take more than %.0f s".formatted(MOST_SECONDS));
        } catch (MalformedFileException // of a tokenizer that nothing else needed
                | IllegalArgumentException // it does not go with the model
                | NonFiniteLossException e) {
            return Written.skipped(e.getMessage());
        }
    }

    private static Written tryToWrite(
            Model dense, Model pruned, Compute compute, Workers workers, long memoryBytes)
            throws IOException {
        if (dense.tokenizer().isEmpty()) {
            return Written.skipped("the model has no tokenizer");
        }
        if (dense.config().contextLength() <= TOKENS) {
            return Written.skipped("the model's context is too short");
        }
        var watch = new Watch();
        var before = texts(dense, dense, compute, workers, memoryBytes, watch);
        var after = texts(pruned, dense, compute, workers, memoryBytes, watch);
        var facts = new ArrayList<RunRecord.SampleFacts>();
        for (int i = 0; i < PROMPTS.size(); i++) {
            facts.add(new RunRecord.SampleFacts(PROMPTS.get(i), before.get(i), after.get(i)));
        }
        return new Written(facts, "");
    }

    /// What follows the prompts.
    private static List<String> texts(
            Model model,
            Model dense,
            Compute compute,
            Workers workers,
            long memoryBytes,
            Watch watch)
            throws IOException {
        var generator =
                new Generator(
                        model.decoder(),
                        dense.tokenizer().orElseThrow(),
                        compute,
                        workers,
                        memoryBytes);
        var texts = generator.write(PROMPTS, TOKENS, Decoding.GREEDY, watch);
        var continuations = new ArrayList<String>();
        for (int i = 0; i < texts.size(); i++) {
            continuations.add(texts.get(i).substring(PROMPTS.get(i).length()));
        }
        return continuations;
    }

    /// Ends the writing when it takes too long.
    private static final class Watch implements Perplexity.Progress {
        private final long start = System.nanoTime();

        @Override
        public void at(long done, long total) {
            if ((System.nanoTime() - start) / 1e9 > MOST_SECONDS) {
                throw new TooSlow();
            }
        }
    }

    private static final class TooSlow extends RuntimeException {
        private static final long serialVersionUID = 1L;

        TooSlow() {
            super("too slow", null, false, false);
        }
    }
}
