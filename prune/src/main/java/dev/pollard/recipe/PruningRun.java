package dev.pollard.recipe;

import dev.pollard.data.TokenWindows;
import dev.pollard.eval.Perplexity;
import dev.pollard.eval.ResultCache;
import dev.pollard.model.Decoder;
import dev.pollard.model.Model;
import dev.pollard.model.ModelWriter;
import dev.pollard.prune.Allocation;
import dev.pollard.prune.Driver;
import dev.pollard.prune.LayerReport;
import dev.pollard.prune.Mask;
import dev.pollard.prune.Method;
import dev.pollard.prune.OutlierSurvey;
import dev.pollard.prune.RunEvent;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.StoredDecoder;
import dev.pollard.prune.Timings;
import dev.pollard.prune.method.Methods;
import dev.pollard.prune.method.Settings;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Consumer;

/// One run from a dense model to a finished output folder: plan, calibrate, prune, save, re-open
/// and verify, evaluate dense against pruned, record, move into place.
///
/// Everything that can be found wrong beforehand is found by [#prepare], before the first block.
/// The output is made in a sibling folder and renamed at the end, so an output folder that exists
/// is complete. What is finished of an interrupted run lies in the work folder.
public final class PruningRun implements AutoCloseable {
    private static final double PROBE_SECONDS = 2;

    private final Recipe recipe;
    private final RunListener listener;
    private final Model model;
    private final Method method;
    private final Settings settings;
    private final RunTexts texts;
    private final EvaluationRun evaluation;
    private final int evaluationLength;
    private final Plan plan;
    private final ResultCache cache;
    private final Destination destination;
    private volatile boolean saving; // whether what lies in the partial folder is ours
    private final List<String> warnings = new ArrayList<>();

    private PruningRun(
            Recipe recipe,
            Settings settings,
            Method method,
            Model model,
            ResultCache cache,
            RunListener listener)
            throws IOException {
        this.recipe = recipe;
        this.cache = cache;
        this.model = model;
        this.listener = listener;
        this.settings = settings;
        this.method = method;
        int context = model.config().contextLength();
        this.texts = new RunTexts(recipe, method, context);
        this.evaluationLength =
                EvaluationRun.length("--eval-length", recipe.evaluation().length(), context);
        this.evaluation = EvaluationRun.prepare(recipe.evaluation());
        this.destination = Destination.of(recipe.output(), recipe.resources().work());
        var read = new ArrayList<>(texts.files());
        read.addAll(evaluation.files());
        recipe.resources().gradients().ifPresent(read::add);
        destination.requireApart(recipe.model(), read);
        recipe.resources().gradients().ifPresent(Folders::requireWritable);
        this.plan = Plan.of(model.checkpoint(), recipe, method, texts);
        destination.requireRoom(plan.outputBytes(), plan.workBytes(), recipe.resources().resume());
    }

    /// Opens the model and checks everything that can be checked before the work.
    ///
    /// @param cache of dense results
    /// @throws IllegalArgumentException if the recipe asks for what cannot be
    /// @throws IOException if the model or a text is missing or malformed
    /// @throws WillNotFitException if memory or disk will not suffice
    public static PruningRun prepare(Recipe recipe, ResultCache cache, RunListener listener)
            throws IOException {
        // What needs no file comes first: the cheapest answer to a slip of the pen.
        var entry = Methods.named(recipe.pruning().method());
        var settings = entry.settings(recipe.pruning().settings());
        var method = entry.create(settings);
        Destination.check(recipe.output());
        var model = Model.open(recipe.model());
        try {
            var asked = recipe.pruning().ofModel() ? recipe.ofModel(model.checkpoint()) : recipe;
            return new PruningRun(asked, settings, method, model, cache, listener);
        } catch (IOException | RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /// What the run will need.
    public Plan plan() {
        return plan;
    }

    /// What is asked of all layers together.
    public Sparsity sparsity() {
        return recipe.pruning().sparsity();
    }

    /// How the layers will share it.
    public Allocation allocation() {
        return recipe.pruning().allocation();
    }

    /// Tokens of a calibration sequence, the default resolved.
    public int calibrationLength() {
        return texts.calibrationLength();
    }

    /// Tokens of a sequence of a domain, the default resolved.
    public int domainLength() {
        return texts.domainLength();
    }

    /// Tokens of an evaluation window, the default resolved.
    public int evaluationLength() {
        return evaluationLength;
    }

    /// Floating-point operations of pruning and of the control, roughly.
    double operations() {
        return plan.operations(model.config(), texts, recipe, method);
    }

    /// Seconds that pruning and the control will take, by count of operations and the rate that
    /// this machine reaches in [#PROBE_SECONDS].
    public double estimatedSeconds() {
        try (var workers = new Workers(recipe.resources().threads())) {
            double rate =
                    Plan.probe(model.config(), texts.calibrationLength(), workers, PROBE_SECONDS);
            return operations() / rate;
        }
    }

    /// Removes the output that is not in place yet, as far as that is possible.
    public void discardPartial() {
        if (!saving) {
            return;
        }
        destination.discardPartial(listener);
    }

    /// Does it all.
    ///
    /// @param command as typed, for the record
    /// @param version of Pollard, for the record
    /// @param publisher adds to the output folder what is made from the record
    /// @throws IOException if a file cannot be read or written
    /// @throws VerificationException if the output, read again, is not what was meant
    public RunRecord execute(String command, String version, Publisher publisher)
            throws IOException {
        long start = System.nanoTime();
        var resources = recipe.resources();
        Path partial = destination.partial();
        Path work = destination.work();
        listener.step("reading " + recipe.model());
        RunRecord record;
        try (var workers = new Workers(resources.threads())) {
            model.requireFinite(workers);
            String weightsHash = model.sha256();
            var read = texts.read(model, listener);
            warnings.addAll(read.notes());
            evaluation.read(model, listener);
            var identity = identity(version, weightsHash, read);
            var control = recipe.pruning().control(method);
            try (var store =
                            WorkFolder.open(
                                    work,
                                    identity,
                                    resources.resume(),
                                    recipe.output().overwrite());
                    var controlStore = control.isPresent() ? store.openControl(identity) : null;
                    var events = new EventLog(work.resolve(EventLog.FILE_NAME))) {
                var gradients = gradients(version, weightsHash, read);
                if (gradients.isPresent()) {
                    gradients.get().lend(store);
                }
                var shares = shares(read, workers, store, events);
                var result = prune(method, "pruned", shares, read, workers, store, told(events));
                gradients.ifPresent(folder -> folder.keep(store));
                var controlled = Optional.<Controlled>empty();
                if (control.isPresent()) {
                    controlled =
                            Optional.of(
                                    control(
                                            control.get(),
                                            shares,
                                            read,
                                            workers,
                                            controlStore,
                                            events));
                } else {
                    method.control()
                            .ifPresent(c -> warn("the control, " + c.name() + ", was not run"));
                }
                long saveStart = System.nanoTime();
                listener.step("saving");
                saving = true;
                Folders.delete(partial);
                save(partial, store, result.story().pass());
                double saveSeconds = secondsSince(saveStart);
                long verifyStart = System.nanoTime();
                listener.step("verifying");
                var zeros = verify(partial, result, read);
                double verifySeconds = secondsSince(verifyStart);
                long evaluateStart = System.nanoTime();
                var outcomes = evaluate(partial, controlled, weightsHash, workers);
                var samples = samples(partial, workers);
                double evaluateSeconds = secondsSince(evaluateStart);
                var timings = result.timings().plus(shares.timings());
                record =
                        record(
                                command,
                                version,
                                weightsHash,
                                read,
                                result,
                                controlled,
                                zeros,
                                outcomes,
                                samples,
                                partial,
                                new RunRecord.Seconds(
                                        secondsSince(start),
                                        timings.load(),
                                        timings.capture(),
                                        timings.gradients(),
                                        timings.prune(),
                                        timings.propagate(),
                                        timings.commit(),
                                        saveSeconds,
                                        verifySeconds,
                                        evaluateSeconds));
                Path facts = Files.createDirectories(partial.resolve("pollard"));
                Files.writeString(facts.resolve("report.json"), record.toJson());
                publisher.publish(record, partial);
                Files.copy(work.resolve(EventLog.FILE_NAME), facts.resolve(EventLog.FILE_NAME));
                destination.moveIntoPlace();
            }
        } finally {
            discardPartial();
        }
        WorkFolder.delete(work);
        return record;
    }

    /// Adds files to an output folder that is not in place yet.
    @FunctionalInterface
    public interface Publisher {
        void publish(RunRecord record, Path folder) throws IOException;
    }

    /// All that decides the bytes of the result.
    private SequencedMap<String, String> identity(
            String version, String weightsHash, RunTexts.Read read) {
        var pruning = recipe.pruning();
        var identity = new LinkedHashMap<String, String>();
        identity.put("pollard", version);
        identity.put("weights", weightsHash);
        identity.put("method", pruning.method());
        identity.putAll(settings.asText());
        identity.put("pattern", pruning.sparsity().toString());
        identity.put("allocation", pruning.allocation().toString());
        identity.put("inputs", lower(pruning.inputs()));
        identity.put("include", pruning.include().map(Object::toString).orElse(""));
        identity.put("exclude", pruning.exclude().map(Object::toString).orElse(""));
        identity.put("seed", Long.toString(pruning.seed()));
        identity.putAll(read.identity());
        identity.put("length", Integer.toString(texts.calibrationLength()));
        identity.put("compute", recipe.resources().compute().toString());
        identity.put("threads", Integer.toString(recipe.resources().threads()));
        identity.put("dtype", recipe.output().dtype());
        return identity;
    }

    /// Where other runs leave gradients and find those of this one.
    private Optional<GradientFolder> gradients(
            String version, String weightsHash, RunTexts.Read read) throws IOException {
        var folder = recipe.resources().gradients();
        if (folder.isEmpty()) {
            return Optional.empty();
        }
        var pruning = recipe.pruning();
        var identity = new LinkedHashMap<String, String>();
        identity.put("pollard", version);
        identity.put("libtorch", Engine.version());
        identity.put("processor", Machine.processor());
        identity.put("weights", weightsHash);
        identity.put("include", pruning.include().map(Object::toString).orElse(""));
        identity.put("exclude", pruning.exclude().map(Object::toString).orElse(""));
        identity.put("compute", recipe.resources().compute().toString());
        identity.putAll(read.gradientIdentity());
        return GradientFolder.of(folder.get(), method, plan.blocks(), identity, this::warn);
    }

    private Driver.Settings driverSettings(WorkFolder store) {
        var pruning = recipe.pruning();
        return new Driver.Settings(
                pruning.inputs(),
                pruning::covers,
                recipe.resources().compute(),
                pruning.seed(),
                plan.gramBytes(),
                plan.spill() ? Optional.of(store.path()) : Optional.empty(),
                plan.activations());
    }

    /// What a method made of the model.
    private record Pruned(LayerStory story, Timings timings) {}

    /// @param what names the method's model for people
    private Pruned prune(
            Method method,
            String what,
            Shares shares,
            RunTexts.Read read,
            Workers workers,
            WorkFolder store,
            Consumer<RunEvent> told)
            throws IOException {
        var writer = new ModelWriter(model.checkpoint(), recipe.output().dtype());
        var driver =
                new Driver(
                        model,
                        method,
                        shares.sparsities(),
                        driverSettings(store),
                        writer::rounded,
                        workers,
                        store,
                        told);
        var result = driver.run(read.texts());
        int pass = choose(method, what, read.calibration(), workers, store);
        return new Pruned(new LayerStory(result.layers(), pass), result.timings());
    }

    /// Which pass holds the result: of those the method leaves to choose from, the one whose model
    /// has the least loss on the calibration sequences held out.
    private int choose(
            Method method,
            String what,
            Optional<TokenWindows> calibration,
            Workers workers,
            WorkFolder store) {
        var candidates = method.candidates();
        if (candidates.size() == 1 || calibration.isEmpty()) {
            return candidates.getLast();
        }
        var choice =
                Choice.of(
                        model.decoder(),
                        store,
                        candidates,
                        calibration.get().heldOut(),
                        new Perplexity(recipe.resources().compute(), workers),
                        pass ->
                                progress(
                                        "%s after pass %d, tokens held out"
                                                .formatted(what, pass + 1)));
        int last = candidates.getLast();
        if (choice.pass() != last) {
            warn(
                    "the %s model is left as pass %d left it: its loss on calibration tokens held out is %.4f, after pass %d %.4f"
                            .formatted(
                                    what,
                                    choice.pass() + 1,
                                    choice.losses().get(choice.pass()),
                                    last + 1,
                                    choice.losses().get(last)));
        }
        return choice.pass();
    }

    /// The control, run.
    ///
    /// @param store holds its blocks
    /// @param seconds that it took
    private record Controlled(
            Method.Control control, Pruned pruned, WorkFolder store, double seconds) {
        /// The control as a model: `output` with the control's weights in place of its own.
        Decoder over(Decoder output) {
            return new StoredDecoder(output, store, pruned.story().pass());
        }
    }

    private Controlled control(
            Method.Control control,
            Shares shares,
            RunTexts.Read read,
            Workers workers,
            WorkFolder store,
            EventLog events)
            throws IOException {
        long start = System.nanoTime();
        listener.step("the control: " + control.name());
        var pruned =
                prune(
                        control.method(),
                        "control",
                        shares,
                        read,
                        workers,
                        store,
                        event -> {
                            events.write(event, true);
                            listener.control(event);
                        });
        return new Controlled(control, pruned, store, secondsSince(start));
    }

    private Shares shares(RunTexts.Read read, Workers workers, WorkFolder store, EventLog events)
            throws IOException {
        var sparsity = recipe.pruning().sparsity();
        if (!(recipe.pruning().allocation() instanceof Allocation.Owl owl)) {
            return Shares.evenly(sparsity);
        }
        if (store.allotment().isEmpty()) {
            listener.step("counting outliers of the dense model");
        }
        var survey = new OutlierSurvey(model, owl, driverSettings(store), workers, told(events));
        var shares =
                Shares.byOutliers(
                        owl,
                        sparsity.fraction(),
                        survey,
                        read.texts().calibration(),
                        plan.layers(),
                        store);
        shares.notes().forEach(this::warn);
        return shares;
    }

    /// Writes the output folder, layer by layer from the store.
    private void save(Path partial, WorkFolder store, int pass) throws IOException {
        var blocks = new LinkedHashMap<String, Integer>();
        plan.layers().forEach(layer -> blocks.put(layer.name(), layer.block()));
        new ModelWriter(model.checkpoint(), recipe.output().dtype())
                .write(
                        partial,
                        layer -> {
                            Integer block = blocks.get(layer);
                            return block == null
                                    ? Optional.empty()
                                    : Optional.of(store.loadLayer(pass, block, layer));
                        });
    }

    /// Opens what was written and holds it against what was meant: every tensor there, the zeros
    /// counted, a forward pass finite.
    ///
    /// @return zeros of every pruned layer
    private Map<String, Long> verify(Path partial, Pruned pruned, RunTexts.Read read)
            throws IOException {
        var meant = new LinkedHashMap<String, LayerReport>();
        pruned.story().last().forEach(report -> meant.put(report.name(), report));
        var zeros = new LinkedHashMap<String, Long>();
        try (var reopened = WrittenModel.open(partial, model)) {
            var written = reopened.model();
            for (var entry : written.checkpoint().prunable()) {
                var report = meant.get(entry.module());
                if (report == null) {
                    continue;
                }
                try (var _ = Scope.open()) {
                    var mask = Mask.ofNonZero(written.weight(entry));
                    if (mask.sparsity() != report.sparsity()) {
                        throw new VerificationException(
                                "%s was written with sparsity %.6f, not %.6f"
                                        .formatted(
                                                entry.module(),
                                                mask.sparsity(),
                                                report.sparsity()));
                    }
                    zeros.put(entry.module(), mask.pruned());
                }
            }
            reopened.requireFinite(read.first().orElseGet(() -> new int[] {0, 1, 2, 3}));
        }
        return zeros;
    }

    private Perplexity.Progress progress(String what) {
        return (done, total) -> listener.evaluating(what, done, total);
    }

    private List<EvaluationRun.Outcome> evaluate(
            Path partial, Optional<Controlled> controlled, String weightsHash, Workers workers)
            throws IOException {
        if (evaluation.isEmpty()) {
            return List.of();
        }
        try (var pruned = Model.open(partial)) {
            var candidates = new ArrayList<EvaluationRun.Candidate>();
            candidates.add(EvaluationRun.Candidate.of("dense", model, Optional.of(weightsHash)));
            candidates.add(
                    EvaluationRun.Candidate.of("pruned", pruned, Optional.of(pruned.sha256())));
            if (controlled.isPresent()) {
                candidates.add(
                        new EvaluationRun.Candidate(
                                "control",
                                controlled.get().over(pruned.decoder()),
                                pruned.tokenizer(),
                                Optional.empty()));
            }
            var compute = recipe.resources().compute();
            return evaluation.measure(candidates, compute, workers, cache, listener, this::warn);
        }
    }

    /// They take no more memory than the run took before.
    private List<RunRecord.SampleFacts> samples(Path partial, Workers workers) throws IOException {
        listener.step("writing samples");
        try (var pruned = Model.open(partial)) {
            var written =
                    Samples.write(
                            model,
                            pruned,
                            recipe.resources().compute(),
                            workers,
                            plan.memory().peak());
            if (!written.note().isEmpty()) {
                warn(written.note());
            }
            return written.facts();
        }
    }

    private Consumer<RunEvent> told(EventLog events) {
        return event -> {
            events.write(event, false);
            listener.pruning(event);
        };
    }

    private void warn(String message) {
        warnings.add(message);
        listener.warn(message);
    }

    private RunRecord record(
            String command,
            String version,
            String weightsHash,
            RunTexts.Read read,
            Pruned result,
            Optional<Controlled> controlled,
            Map<String, Long> zeros,
            List<EvaluationRun.Outcome> outcomes,
            List<RunRecord.SampleFacts> samples,
            Path partial,
            RunRecord.Seconds seconds)
            throws IOException {
        var pruning = recipe.pruning();
        warnings.addAll(result.story().notes());
        long pruned = plan.layers().stream().mapToLong(l -> l.rows() * l.columns()).sum();
        long removed = zeros.values().stream().mapToLong(n -> n).sum();
        return new RunRecord(
                1,
                version,
                command,
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                RunRecord.ModelFacts.of(recipe.model(), model, weightsHash),
                new RunRecord.MethodFacts(
                        pruning.method(),
                        settings.asText(),
                        lower(pruning.inputs()),
                        lower(recipe.resources().compute()),
                        pruning.allocation().summary()),
                pruning.sparsity().toString(),
                pruning.seed(),
                read.facts(recipe.calibration()),
                read.domainFacts(),
                result.story().facts(),
                (double) removed / pruned,
                EvaluationRun.facts(outcomes),
                samples,
                controlled.map(PruningRun::facts).orElse(null),
                size(partial, zeros),
                seconds,
                PeakMemory.bytes().orElse(null),
                Machine.facts(recipe.resources().threads()),
                List.copyOf(warnings));
    }

    private static RunRecord.ControlFacts facts(Controlled controlled) {
        var errors = new LinkedHashMap<String, Double>();
        controlled.pruned().story().last().forEach(l -> errors.put(l.name(), l.relativeError()));
        return new RunRecord.ControlFacts(
                controlled.control().name(),
                controlled.control().summary(),
                errors.values().stream().mapToDouble(e -> e).average().orElseThrow(),
                errors,
                controlled.seconds());
    }

    /// The output as it is, and with one bit per weight and the non-zeros alone.
    private RunRecord.Size size(Path partial, Map<String, Long> zeros) throws IOException {
        try (var written = Model.open(partial)) {
            long dense = written.checkpoint().bytes();
            long bitmask = dense;
            for (var entry : written.checkpoint().prunable()) {
                Long removed = zeros.get(entry.module());
                if (removed != null) {
                    long weights = entry.weight().shape().elements();
                    bitmask -= removed * (entry.stored().data().byteSize() / weights);
                    bitmask += Math.ceilDiv(weights, 8);
                }
            }
            return new RunRecord.Size(dense, bitmask);
        }
    }

    private static String lower(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    private static double secondsSince(long nanos) {
        return (System.nanoTime() - nanos) / 1e9;
    }

    @Override
    public void close() {
        model.close();
    }
}
