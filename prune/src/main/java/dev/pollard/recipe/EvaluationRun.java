package dev.pollard.recipe;

import dev.pollard.data.Evaluation;
import dev.pollard.data.Source;
import dev.pollard.data.TokenWindows;
import dev.pollard.eval.Perplexity;
import dev.pollard.eval.PerplexityResult;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/// Measures one model on texts.
public final class EvaluationRun {
    private static final String PERPLEXITY = "perplexity:";
    private static final int DEFAULT_LENGTH = 2048;

    private EvaluationRun() {}

    /// @param tokens in the whole text
    /// @param bos where a BOS token stands
    public record Measured(PerplexityResult perplexity, long tokens, String bos) {}

    /// Measures `model` on every task, in order.
    ///
    /// @param tasks `perplexity:[rows:]FILE[:field]`
    /// @param length tokens of a window; `min(2048, context)` if empty
    /// @param limit number of windows; all if empty
    /// @throws IllegalArgumentException if a task is unknown, or a length longer than the context
    /// @throws IOException if a file is missing or malformed
    public static Map<String, Measured> measure(
            Path path,
            List<String> tasks,
            OptionalInt length,
            OptionalInt limit,
            Compute compute,
            int threads,
            RunListener listener)
            throws IOException {
        var sources = sources(tasks);
        var results = new LinkedHashMap<String, Measured>();
        listener.step("reading " + path);
        try (var model = Model.open(path);
                var workers = new Workers(threads)) {
            int tokens = length("--length", length, model.config().contextLength());
            var texts = new LinkedHashMap<String, TokenWindows>();
            for (var task : sources.entrySet()) {
                listener.step("reading " + task.getKey());
                texts.put(task.getKey(), read(model, task.getValue(), tokens, limit));
            }
            var perplexity = new Perplexity(compute, workers);
            for (var task : texts.entrySet()) {
                var origin = task.getValue().origins().getFirst();
                var result =
                        perplexity.measure(
                                model.decoder(),
                                task.getValue(),
                                (done, total) -> listener.evaluating(task.getKey(), done, total));
                results.put(
                        task.getKey(),
                        new Measured(result, origin.tokens(), origin.bos().toString()));
            }
        }
        return results;
    }

    static TokenWindows read(Model model, Source source, int length, OptionalInt limit)
            throws IOException {
        return new Evaluation(source, length, limit)
                .read(model.tokenizer(), model.config().vocabularySize());
    }

    /// The texts by task, in order.
    ///
    /// @throws IllegalArgumentException if a task is unknown
    /// @throws NoSuchFileException if a file is missing
    static Map<String, Source> sources(List<String> tasks) throws NoSuchFileException {
        var sources = new LinkedHashMap<String, Source>();
        for (String task : tasks) {
            if (!task.startsWith(PERPLEXITY)) {
                throw new IllegalArgumentException(
                        "unknown task '%s': give perplexity:[rows:]FILE[:field]".formatted(task));
            }
            var source = Source.parse(task.substring(PERPLEXITY.length()));
            checkReadable(source);
            sources.put(task, source);
        }
        return sources;
    }

    static void checkReadable(Source source) throws NoSuchFileException {
        if (!Files.isReadable(source.file())) {
            throw new NoSuchFileException(source.file().toString());
        }
    }

    /// Tokens of a window: what was asked for, or the default.
    ///
    /// @throws IllegalArgumentException if it is longer than the context of the model
    static int length(String option, OptionalInt asked, int context) {
        if (asked.isPresent() && asked.getAsInt() > context) {
            throw new IllegalArgumentException(
                    "%s %d is longer than the context of the model, %d"
                            .formatted(option, asked.getAsInt(), context));
        }
        return asked.orElse(Math.min(DEFAULT_LENGTH, context));
    }
}
