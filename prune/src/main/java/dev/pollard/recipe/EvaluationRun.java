package dev.pollard.recipe;

import dev.pollard.data.Evaluation;
import dev.pollard.data.Source;
import dev.pollard.data.TokenWindows;
import dev.pollard.eval.Comparison;
import dev.pollard.eval.Measure;
import dev.pollard.eval.Metric;
import dev.pollard.eval.ModelScorer;
import dev.pollard.eval.Perplexity;
import dev.pollard.eval.Questions;
import dev.pollard.eval.ResultCache;
import dev.pollard.eval.Scored;
import dev.pollard.eval.Tasks;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.Model;
import dev.pollard.tensor.Workers;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// Measures models on the same texts and questions, so that they can be compared item by item.
///
/// [#prepare] reads all questions and finds what is wrong with them; [#read] cuts the texts into
/// windows by the tokenizer of a model; [#measure] does the work.
public final class EvaluationRun {
    private static final int DEFAULT_LENGTH = 2048;
    private static final double COLLAPSED = 10;

    private final Recipe.Evaluation asked;
    private final List<String> names;
    private final Map<String, Text> texts = new LinkedHashMap<>();
    private final Map<String, Questions> questions = new LinkedHashMap<>();
    private final List<Path> files = new ArrayList<>();
    private Map<String, TokenWindows> windows = Map.of();

    private EvaluationRun(Recipe.Evaluation asked) {
        this.asked = asked;
        this.names = asked.tasks().stream().distinct().toList();
    }

    /// A model to be measured.
    ///
    /// @param name for the progress: `dense`
    /// @param sha256 of its weights, if what is measured of it shall be kept for later runs
    public record Candidate(
            String name, Decoder decoder, Optional<Tokenizer> tokenizer, Optional<String> sha256) {
        /// `model` as it is.
        ///
        /// @throws IOException if its tokenizer cannot be read
        public static Candidate of(String name, Model model, Optional<String> sha256)
                throws IOException {
            return new Candidate(name, model.decoder(), model.tokenizer(), sha256);
        }
    }

    /// A text whose perplexity is asked for, and how its windows are cut.
    ///
    /// @param strided whether they overlap
    /// @param window ids of each, if the task says so
    /// @param stride ids from one to the next, if the task says so
    private record Text(Source source, boolean strided, OptionalInt window, OptionalInt stride) {
        private static final String ALONE = "perplexity:";
        private static final Pattern STRIDED =
                Pattern.compile("perplexity-strided:(?:(\\d{1,9})/(\\d{1,9}):)?(.*)");

        /// Where the task says no stride, a window goes on for this part of it: 512 of 2048.
        private static final int STRIDES = 4;

        /// The text that a task of this name measures; empty if it measures none.
        ///
        /// @throws IllegalArgumentException if the windows are none that overlap
        static Optional<Text> of(String task) {
            if (task.startsWith(ALONE)) {
                var source = Source.parse(task.substring(ALONE.length()));
                return Optional.of(
                        new Text(source, false, OptionalInt.empty(), OptionalInt.empty()));
            }
            var strided = STRIDED.matcher(task);
            if (!strided.matches()) {
                return Optional.empty();
            }
            var source = Source.parse(strided.group(3));
            if (strided.group(1) == null) {
                return Optional.of(
                        new Text(source, true, OptionalInt.empty(), OptionalInt.empty()));
            }
            int window = Integer.parseInt(strided.group(1));
            int stride = Integer.parseInt(strided.group(2));
            if (stride < 1 || stride >= window) {
                throw new IllegalArgumentException(
                        "%s: the stride must be at least 1 and less than the window of %d"
                                .formatted(task, window));
            }
            return Optional.of(
                    new Text(source, true, OptionalInt.of(window), OptionalInt.of(stride)));
        }

        /// @param length of `--length`
        /// @param context of the model
        Evaluation windows(OptionalInt length, int context, OptionalInt limit) {
            int tokens =
                    window.isPresent()
                            ? EvaluationRun.length("a window of", window, context)
                            : EvaluationRun.length("--length", length, context);
            return strided
                    ? new Evaluation(
                            source, tokens, stride.orElse(Math.max(1, tokens / STRIDES)), limit)
                    : new Evaluation(source, tokens, limit);
        }
    }

    /// What was measured of one task.
    ///
    /// @param questions that were asked; empty if it is the perplexity of a text
    /// @param windows of the text; empty if questions were asked
    /// @param results of every candidate, in order
    public record Outcome(
            String task,
            Optional<Questions> questions,
            Optional<TokenWindows> windows,
            List<Result> results) {

        /// The metric at `index` of a candidate against the same of the first one.
        public Comparison comparison(int candidate, int index) {
            return Comparison.of(
                    results.getFirst().measures().get(index),
                    results.get(candidate).measures().get(index));
        }
    }

    /// What was measured of one candidate.
    ///
    /// @param measures of the task's metrics, in its order
    /// @param answers to every question; empty for a text, or if texts were written
    /// @param written for every question; empty if answers were scored
    /// @param fromCache whether an earlier run measured it
    public record Result(
            List<Measure> measures,
            List<List<Scored>> answers,
            List<String> written,
            boolean fromCache,
            double seconds) {}

    /// Reads what is asked, as far as that needs no model.
    ///
    /// @throws IllegalArgumentException if a task is unknown, or cannot have examples
    /// @throws NoSuchFileException if a file is missing
    /// @throws dev.pollard.format.MalformedFileException if questions are malformed
    public static EvaluationRun prepare(Recipe.Evaluation asked) throws IOException {
        var run = new EvaluationRun(asked);
        for (String name : run.names) {
            var text = Text.of(name);
            if (text.isPresent()) {
                checkReadable(text.get().source());
                run.texts.put(name, text.get());
                run.files.add(text.get().source().file());
                continue;
            }
            var task = Tasks.named(name);
            var all = task.read(asked.data(), asked.shots());
            var some = all.sample(asked.limit().orElse(all.available()), asked.seed());
            some.requireMeasurable();
            run.questions.put(
                    name,
                    asked.most().isPresent() ? some.writingAtMost(asked.most().getAsInt()) : some);
            run.files.add(task.find(asked.data()));
        }
        return run;
    }

    /// The files that are read.
    List<Path> files() {
        return files;
    }

    /// Whether there is nothing to measure.
    boolean isEmpty() {
        return files.isEmpty();
    }

    /// Reads the texts with the tokenizer of `model`.
    ///
    /// @throws IllegalArgumentException if windows are longer than the context of the model, or
    ///     questions are to be asked of a model without a tokenizer
    /// @throws IOException if a text is missing or malformed
    public void read(Model model, RunListener listener) throws IOException {
        windows = windows(model, listener);
    }

    private Map<String, TokenWindows> windows(Model model, RunListener listener)
            throws IOException {
        if (!questions.isEmpty() && model.tokenizer().isEmpty()) {
            throw new IllegalArgumentException(
                    "%s has no tokenizer: of texts it can only take token ids"
                            .formatted(model.path()));
        }
        int context = model.config().contextLength();
        var read = new LinkedHashMap<String, TokenWindows>();
        for (var text : texts.entrySet()) {
            listener.step("reading " + text.getKey());
            read.put(
                    text.getKey(),
                    text.getValue()
                            .windows(asked.length(), context, asked.limit())
                            .read(model.tokenizer(), model.config().vocabularySize()));
        }
        return read;
    }

    /// Makes sure that `other` cuts the texts into the same tokens: else a perplexity per token
    /// means something else.
    ///
    /// @throws IllegalArgumentException if it does not
    public void requireSameTokens(Model other, RunListener listener) throws IOException {
        for (var text : windows(other, listener).entrySet()) {
            if (!text.getValue().sha256().equals(windows.get(text.getKey()).sha256())) {
                throw new IllegalArgumentException(
                        "%s cuts %s into other tokens: perplexities per token cannot be compared"
                                .formatted(other.path(), text.getKey()));
            }
        }
    }

    /// Measures all tasks, in the order in which they were asked for, each of all candidates.
    ///
    /// @param cache of results of candidates whose hash is known
    /// @param warnings takes what a reader of the results should know
    /// @throws dev.pollard.model.NonFiniteLossException if a loss is NaN or infinite
    public List<Outcome> measure(
            List<Candidate> candidates,
            Compute compute,
            Workers workers,
            ResultCache cache,
            RunListener listener,
            Consumer<String> warnings)
            throws IOException {
        var outcomes = new ArrayList<Outcome>();
        for (String task : names) {
            var results = new ArrayList<Result>();
            for (var candidate : candidates) {
                Perplexity.Progress progress =
                        (done, total) ->
                                listener.evaluating(
                                        (candidate.name() + " " + task).strip(), done, total);
                results.add(
                        texts.containsKey(task)
                                ? ofText(
                                        task, candidate, compute, workers, cache, progress,
                                        warnings)
                                : ofQuestions(
                                        task, candidate, compute, workers, cache, progress,
                                        warnings));
            }
            var outcome =
                    new Outcome(
                            task,
                            Optional.ofNullable(questions.get(task)),
                            Optional.ofNullable(windows.get(task)),
                            results);
            warn(outcome, candidates, warnings);
            outcomes.add(outcome);
        }
        return outcomes;
    }

    private Result ofText(
            String task,
            Candidate candidate,
            Compute compute,
            Workers workers,
            ResultCache cache,
            Perplexity.Progress progress,
            Consumer<String> warnings) {
        var text = windows.get(task);
        var perplexity = new Perplexity(compute, workers);
        var kept =
                kept(
                        candidate.sha256().map(hash -> ResultCache.Text.of(hash, text, compute)),
                        key -> cache.find(key),
                        () -> perplexity.measure(candidate.decoder(), text, progress),
                        (key, measured) -> cache.store(key, measured),
                        warnings);
        var result = kept.result();
        double[] tokens = IntStream.range(0, text.count()).mapToDouble(text::predicted).toArray();
        double[] losses = new double[tokens.length];
        Arrays.setAll(losses, i -> result.losses().get(i) * tokens[i]);
        return new Result(
                List.of(Measure.perplexity(Metric.PERPLEXITY, losses, tokens)),
                List.of(),
                List.of(),
                kept.fromCache(),
                result.seconds());
    }

    private Result ofQuestions(
            String task,
            Candidate candidate,
            Compute compute,
            Workers workers,
            ResultCache cache,
            Perplexity.Progress progress,
            Consumer<String> warnings) {
        var asking = questions.get(task);
        var tokenizer = candidate.tokenizer().orElseThrow();
        var decoding = asked.decoding();
        var scorer = new ModelScorer(candidate.decoder(), tokenizer, compute, workers);
        var kept =
                kept(
                        candidate
                                .sha256()
                                .map(
                                        hash ->
                                                ResultCache.Asked.of(
                                                        hash, tokenizer, asking, decoding,
                                                        compute)),
                        key -> cache.find(key, asking),
                        () -> asking.ask(scorer, decoding, progress),
                        (key, measured) -> cache.store(key, measured),
                        warnings);
        var answers = kept.result();
        return new Result(
                answers.measures(),
                answers.scored(),
                answers.texts(),
                kept.fromCache(),
                answers.seconds());
    }

    private record Kept<R>(R result, boolean fromCache) {}

    /// What the cache knows, or else what is measured now and kept there.
    ///
    /// @param key empty if nothing is to be kept
    private static <K, R> Kept<R> kept(
            Optional<K> key,
            Function<K, ResultCache.Found<R>> find,
            Supplier<R> measure,
            BiFunction<K, R, Optional<String>> store,
            Consumer<String> warnings) {
        var found = key.map(find);
        found.flatMap(ResultCache.Found::note).ifPresent(warnings);
        var known = found.flatMap(ResultCache.Found::result);
        if (known.isPresent()) {
            return new Kept<>(known.get(), true);
        }
        R result = measure.get();
        key.flatMap(k -> store.apply(k, result)).ifPresent(warnings);
        return new Kept<>(result, false);
    }

    /// Says so if a model is of no use any more.
    private static void warn(
            Outcome outcome, List<Candidate> candidates, Consumer<String> warnings) {
        for (int c = 1; c < candidates.size(); c++) {
            for (int m = 0; m < outcome.results().getFirst().measures().size(); m++) {
                var before = outcome.results().getFirst().measures().get(m);
                var after = outcome.results().get(c).measures().get(m);
                boolean perplexity =
                        before.metric() == Metric.PERPLEXITY
                                || before.metric() == Metric.WORD_PERPLEXITY;
                if (perplexity && after.value() > COLLAPSED * before.value()) {
                    warnings.accept(
                            "%s: perplexity rose from %.2f to %.4g: the %s model is of no use"
                                    .formatted(
                                            outcome.task(),
                                            before.value(),
                                            after.value(),
                                            candidates.get(c).name()));
                }
            }
        }
    }

    /// What the record says of dense (first), pruned (second) and control (third, if there is one).
    static List<RunRecord.EvaluationFacts> facts(List<Outcome> outcomes) {
        var facts = new ArrayList<RunRecord.EvaluationFacts>();
        for (var outcome : outcomes) {
            for (int m = 0; m < outcome.results().getFirst().measures().size(); m++) {
                facts.add(facts(outcome, m));
            }
        }
        return facts;
    }

    private static RunRecord.EvaluationFacts facts(Outcome outcome, int index) {
        var dense = outcome.results().getFirst().measures().get(index);
        var pruned = outcome.results().get(1).measures().get(index);
        var comparison = outcome.comparison(1, index);
        var questions = outcome.questions();
        var windows = outcome.windows();
        var origin = windows.map(w -> w.origins().getFirst());
        return new RunRecord.EvaluationFacts(
                outcome.task(),
                dense.metric().key(),
                dense.metric().higherIsBetter(),
                dense.value(),
                pruned.value(),
                outcome.results().size() < 3
                        ? null
                        : (Double) outcome.results().get(2).measures().get(index).value(),
                orNull(dense.standardError()),
                orNull(pruned.standardError()),
                orNull(comparison.standardError()),
                orNull(comparison.pValue()),
                questions.map(q -> q.items().size()).orElse(null),
                questions.map(Questions::shots).orElse(null),
                questions.map(q -> q.task().version()).orElse(null),
                origin.map(o -> o.tokens()).orElse(0L),
                windows.map(TokenWindows::count).orElse(0),
                origin.map(o -> o.available()).orElse(0L),
                windows.map(TokenWindows::length).orElse(0),
                origin.map(o -> o.bos().toString()).orElse(null),
                windows.map(TokenWindows::sha256).orElseGet(() -> questions.orElseThrow().sha256()),
                outcome.results().getFirst().fromCache());
    }

    private static Double orNull(OptionalDouble value) {
        return value.isPresent() ? value.getAsDouble() : null;
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
