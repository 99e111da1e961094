package dev.pollard.recipe;

import dev.pollard.config.Checkpoint;
import dev.pollard.data.Calibration;
import dev.pollard.data.Sampling;
import dev.pollard.data.Source;
import dev.pollard.data.TokenWindows;
import dev.pollard.eval.Perplexity;
import dev.pollard.eval.ResultCache;
import dev.pollard.model.Model;
import dev.pollard.model.ModelWriter;
import dev.pollard.model.Parameters;
import dev.pollard.prune.Mask;
import dev.pollard.recover.FullMatrices;
import dev.pollard.recover.LowRankAdapters;
import dev.pollard.recover.RecoveryTraining;
import dev.pollard.recover.Trainable;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Workers;
import dev.pollard.train.AdamW;
import dev.pollard.train.GradientPass;
import dev.pollard.train.Schedule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// One recovery from a pruned model to a finished output folder: plan, train, save, re-open and
/// verify, measure before against after, record, move into place.
///
/// As with [PruningRun], what can be found wrong beforehand is found by [#prepare], an output
/// folder that exists is complete, and what is unfinished lies in the work folder.
public final class RecoveryRun implements AutoCloseable {
    private static final double CHECKPOINT_SECONDS = 120;

    /// PyTorch's, but for the decay: there is nothing to hold down in some hundred steps.
    private static final AdamW.Setting OPTIMIZER = new AdamW.Setting(0.9, 0.999, 1e-8, 0);

    private final RecoveryRecipe recipe;
    private final RunListener listener;
    private final Model model;
    private final List<Source> sources;
    private final EvaluationRun evaluation;
    private final ResultCache cache;
    private final RecoveryPlan plan;
    private final Destination destination;
    private volatile boolean saving; // whether what lies in the partial folder is ours
    private final List<String> warnings = new ArrayList<>();

    private RecoveryRun(RecoveryRecipe recipe, Model model, ResultCache cache, RunListener listener)
            throws IOException {
        this.recipe = recipe;
        this.model = model;
        this.cache = cache;
        this.listener = listener;
        this.sources = recipe.data().sources().stream().map(Source::parse).toList();
        for (var source : sources) {
            EvaluationRun.checkReadable(source);
        }
        this.evaluation = EvaluationRun.prepare(recipe.evaluation());
        this.destination = Destination.of(recipe.output(), recipe.resources().work());
        var read = new ArrayList<>(sources.stream().map(Source::file).toList());
        read.addAll(evaluation.files());
        destination.requireApart(recipe.model(), read);
        this.plan = RecoveryPlan.of(model.checkpoint(), recipe);
        recipe.course().schedule(trainedWindows(recipe.data().samples()).size());
        destination.requireRoom(
                Plan.outputBytes(model.checkpoint(), recipe.output()),
                plan.workBytes(),
                recipe.resources().resume());
    }

    /// Opens the model and checks everything that can be checked before the work.
    ///
    /// @param cache of results of models that were measured before
    /// @throws IllegalArgumentException if the recipe asks for what cannot be
    /// @throws IOException if the model or a text is missing or malformed
    /// @throws WillNotFitException if memory or disk will not suffice
    public static RecoveryRun prepare(
            RecoveryRecipe recipe, ResultCache cache, RunListener listener) throws IOException {
        Destination.check(recipe.output());
        var model = Model.open(recipe.model());
        try {
            return new RecoveryRun(recipe, model, cache, listener);
        } catch (IOException | RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /// What the run will need.
    public RecoveryPlan plan() {
        return plan;
    }

    /// Removes the output that is not in place yet, as far as that is possible.
    public void discardPartial() {
        if (saving) {
            destination.discardPartial(listener);
        }
    }

    /// Adds files to an output folder that is not in place yet.
    @FunctionalInterface
    public interface Publisher {
        void publish(RecoveryRecord record, Path folder) throws IOException;
    }

    /// Does it all.
    ///
    /// @param command as typed, for the record
    /// @param version of Pollard, for the record
    /// @param publisher adds to the output folder what is made from the record
    /// @throws IOException if a file cannot be read or written
    /// @throws dev.pollard.model.NonFiniteLossException if a loss is not finite
    /// @throws VerificationException if the output, read again, is not what was meant
    public RecoveryRecord execute(String command, String version, Publisher publisher)
            throws IOException {
        long start = System.nanoTime();
        listener.step("reading " + recipe.model());
        RecoveryRecord record;
        try (var workers = new Workers(recipe.resources().threads())) {
            model.requireFinite(workers);
            String weightsHash = model.sha256();
            listener.step("reading the texts");
            var windows = read();
            evaluation.read(model, listener);
            var schedule = recipe.course().schedule(trainedWindows(windows.count()).size());
            try (var store =
                    WorkFolder.open(
                            destination.work(),
                            identity(version, weightsHash, windows, schedule),
                            recipe.resources().resume(),
                            recipe.output().overwrite())) {
                long zerosBefore = zeros(workers);
                if (recipe.keepZeros() && zerosBefore == 0) {
                    warn("the layers have no zeros to keep: this is plain fine-tuning");
                }
                double before = loss("before, windows held out", model, windows, workers);
                var training = train(schedule, windows, store.path(), workers);
                listener.step("verifying");
                var zeros = verify(windows, zerosBefore);
                long evaluating = System.nanoTime();
                List<EvaluationRun.Outcome> outcomes;
                double after;
                try (var written = Model.open(destination.partial())) {
                    after = loss("after, windows held out", written, windows, workers);
                    outcomes = evaluate(written, weightsHash, workers);
                }
                record =
                        record(
                                command,
                                version,
                                weightsHash,
                                windows,
                                schedule,
                                new RecoveryRecord.LossFacts(before, after),
                                zeros,
                                outcomes,
                                new RecoveryRecord.Seconds(
                                        secondsSince(start),
                                        training.seconds(),
                                        secondsSince(evaluating)));
                publish(record, store.path(), publisher);
            }
        } finally {
            discardPartial();
        }
        WorkFolder.delete(destination.work());
        return record;
    }

    private TokenWindows read() throws IOException {
        var windows =
                new Calibration(
                                sources,
                                recipe.data().samples(),
                                plan.length(),
                                Sampling.RANDOM,
                                recipe.seed())
                        .readApart(model.tokenizer(), model.config().vocabularySize());
        for (var origin : windows.origins()) {
            origin.notes().forEach(note -> warn(origin.source() + ": " + note));
        }
        return windows;
    }

    /// Indices of the windows that are not held out.
    private static List<Integer> trainedWindows(int count) {
        return IntStream.range(0, count)
                .filter(i -> !TokenWindows.isHeldOut(i, count))
                .boxed()
                .toList();
    }

    /// All that decides the bytes of the result.
    private SequencedMap<String, String> identity(
            String version, String weightsHash, TokenWindows windows, Schedule schedule) {
        var identity = new LinkedHashMap<String, String>();
        identity.put("pollard", version);
        identity.put("weights", weightsHash);
        identity.put("data", windows.sha256());
        settings(schedule).forEach((name, value) -> identity.put(name, value.toString()));
        return identity;
    }

    private SequencedMap<String, Object> settings(Schedule schedule) {
        var course = recipe.course();
        var settings = new LinkedHashMap<String, Object>();
        settings.put("method", recipe.method());
        recipe.adapters()
                .ifPresent(
                        adapters -> {
                            settings.put("rank", adapters.rank());
                            settings.put("alpha", adapters.alpha());
                            settings.put("dropout", adapters.dropout());
                        });
        settings.put("keep_mask", recipe.keepZeros());
        settings.put("include", recipe.include().map(Object::toString).orElse(""));
        settings.put("exclude", recipe.exclude().map(Object::toString).orElse(""));
        settings.put("steps", schedule.steps());
        settings.put("batch", course.batch());
        settings.put("together", plan.together());
        settings.put("lr", course.rate());
        settings.put("schedule", course.shape().name().toLowerCase(Locale.ROOT));
        settings.put("warmup", schedule.warmUp());
        settings.put("clip", course.clip());
        settings.put("seed", recipe.seed());
        settings.put("compute", recipe.resources().compute().name().toLowerCase(Locale.ROOT));
        settings.put("dtype", recipe.output().dtype());
        return settings;
    }

    /// Of the layers to train.
    private long zeros(Workers workers) {
        long[] zeros = new long[plan.layers().size()];
        workers.forEach(
                zeros.length,
                (_, i) -> zeros[i] = Mask.ofNonZero(model.weight(plan.layers().get(i))).pruned());
        return Arrays.stream(zeros).sum();
    }

    /// Mean loss of a token of the windows held out.
    private double loss(String what, Model model, TokenWindows windows, Workers workers) {
        return new Perplexity(recipe.resources().compute(), workers)
                .measure(
                        model.decoder(),
                        windows.heldOut(),
                        (done, total) -> listener.evaluating(what, done, total))
                .meanLoss();
    }

    /// Trains, and writes the output folder.
    private RecoveryTraining.Result train(
            Schedule schedule, TokenWindows windows, Path folder, Workers workers)
            throws IOException {
        Set<Checkpoint.Entry> layers = Set.copyOf(plan.layers());
        var course = recipe.course();
        try (var parameters = Parameters.of(model, layers::contains);
                var trainable = trainable(parameters)) {
            var training =
                    new RecoveryTraining(
                            new RecoveryTraining.Setting(
                                    schedule,
                                    OPTIMIZER,
                                    course.batch(),
                                    plan.together(),
                                    course.clip(),
                                    recipe.seed(),
                                    CHECKPOINT_SECONDS),
                            new GradientPass(
                                    parameters,
                                    plan.activations(),
                                    recipe.resources().compute(),
                                    workers),
                            trainable,
                            trainedWindows(windows.count()).stream().map(windows::get).toList(),
                            folder,
                            workers,
                            listener::training);
            var result = training.run();
            listener.step("saving");
            saving = true;
            Folders.delete(destination.partial());
            var byModule =
                    layers.stream()
                            .collect(Collectors.toMap(Checkpoint.Entry::module, entry -> entry));
            new ModelWriter(model.checkpoint(), recipe.output().dtype())
                    .write(
                            destination.partial(),
                            layer ->
                                    Optional.ofNullable(byModule.get(layer))
                                            .map(parameters::values));
            return result;
        }
    }

    private Trainable trainable(Parameters parameters) {
        return recipe.adapters().isPresent()
                ? new LowRankAdapters(
                        parameters, recipe.adapters().get(), recipe.keepZeros(), recipe.seed())
                : new FullMatrices(parameters, recipe.keepZeros());
    }

    /// Opens what was written: every tensor is there, what was 0 is 0, a forward pass is finite.
    private RecoveryRecord.ZeroFacts verify(TokenWindows windows, long zerosBefore)
            throws IOException {
        long weights = 0;
        long zerosAfter = 0;
        try (var reopened = WrittenModel.open(destination.partial(), model)) {
            var written = reopened.model();
            var after =
                    written.checkpoint().prunable().stream()
                            .collect(Collectors.toMap(Checkpoint.Entry::module, entry -> entry));
            for (var layer : plan.layers()) {
                try (var _ = Scope.open()) {
                    var mask = Mask.ofNonZero(model.weight(layer));
                    var trained = written.weight(after.get(layer.module()));
                    if (recipe.keepZeros() && !mask.covers(trained)) {
                        throw new VerificationException(
                                layer.module() + " was written with numbers where it had zeros");
                    }
                    weights += mask.kept() + mask.pruned();
                    zerosAfter += Mask.ofNonZero(trained).pruned();
                }
            }
            reopened.requireFinite(windows.get(0));
        }
        return new RecoveryRecord.ZeroFacts(
                plan.layers().size(),
                weights,
                plan.trained(),
                (double) zerosBefore / weights,
                (double) zerosAfter / weights);
    }

    private List<EvaluationRun.Outcome> evaluate(Model written, String weightsHash, Workers workers)
            throws IOException {
        if (evaluation.isEmpty()) {
            return List.of();
        }
        return evaluation.measure(
                List.of(
                        EvaluationRun.Candidate.of("before", model, Optional.of(weightsHash)),
                        EvaluationRun.Candidate.of(
                                "after", written, Optional.of(written.sha256()))),
                recipe.resources().compute(),
                workers,
                cache,
                listener,
                this::warn);
    }

    private void warn(String message) {
        warnings.add(message);
        listener.warn(message);
    }

    private RecoveryRecord record(
            String command,
            String version,
            String weightsHash,
            TokenWindows windows,
            Schedule schedule,
            RecoveryRecord.LossFacts loss,
            RecoveryRecord.ZeroFacts zeros,
            List<EvaluationRun.Outcome> outcomes,
            RecoveryRecord.Seconds seconds) {
        int trained = trainedWindows(windows.count()).size();
        return new RecoveryRecord(
                1,
                version,
                command,
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                RunRecord.ModelFacts.of(recipe.model(), model, weightsHash),
                recipe.method(),
                settings(schedule),
                new RecoveryRecord.DataFacts(
                        recipe.data().sources(),
                        trained,
                        windows.count() - trained,
                        windows.length(),
                        schedule.steps() * recipe.course().batch() * windows.length(),
                        windows.sha256()),
                loss,
                zeros,
                measured(outcomes),
                seconds,
                PeakMemory.bytes().orElse(null),
                Machine.facts(recipe.resources().threads()),
                List.copyOf(warnings));
    }

    private static List<RecoveryRecord.MeasuredFacts> measured(
            List<EvaluationRun.Outcome> outcomes) {
        var facts = new ArrayList<RecoveryRecord.MeasuredFacts>();
        for (var outcome : outcomes) {
            var before = outcome.results().getFirst().measures();
            var after = outcome.results().get(1).measures();
            for (int m = 0; m < before.size(); m++) {
                var comparison = outcome.comparison(1, m);
                facts.add(
                        new RecoveryRecord.MeasuredFacts(
                                outcome.task(),
                                before.get(m).metric().key(),
                                before.get(m).metric().higherIsBetter(),
                                before.get(m).value(),
                                after.get(m).value(),
                                orNull(comparison.standardError()),
                                orNull(comparison.pValue())));
            }
        }
        return facts;
    }

    private static Double orNull(OptionalDouble value) {
        return value.isPresent() ? value.getAsDouble() : null;
    }

    private void publish(RecoveryRecord record, Path work, Publisher publisher) throws IOException {
        Path facts = Files.createDirectories(destination.partial().resolve("pollard"));
        Files.writeString(facts.resolve("finetune.json"), record.toJson());
        Files.copy(work.resolve(RecoveryTraining.LOG), facts.resolve(RecoveryTraining.LOG));
        publisher.publish(record, destination.partial());
        destination.moveIntoPlace();
    }

    private static double secondsSince(long nanos) {
        return (System.nanoTime() - nanos) / 1e9;
    }

    @Override
    public void close() {
        model.close();
    }
}
