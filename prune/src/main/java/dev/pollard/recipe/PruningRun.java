package dev.pollard.recipe;

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
import dev.pollard.prune.Sweep;
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
            var run = new PruningRun(asked, settings, method, model, cache, listener);
            entry.idle(recipe.pruning().settings()).forEach(run::warnIdle);
            return run;
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
            var begun =
                    new Begun(command, version, model.sha256(), texts.read(model, listener), start);
            warnings.addAll(begun.read().notes());
            evaluation.read(model, listener);
            var identity = identity(begun);
            var control = recipe.pruning().control(method);
            boolean over = recipe.output().overwrite();
            try (var store = WorkFolder.open(work, identity, resources.resume(), over);
                    var controlStore = control.isPresent() ? store.openControl(identity) : null;
                    var events = new EventLog(work.resolve(EventLog.FILE_NAME))) {
                var gradients = gradients(begun);
                if (gradients.isPresent()) {
                    gradients.get().lend(store);
                }
                var shares = shares(begun.read(), workers, store, events);
                var result =
                        prune(method, "pruned", shares, begun.read(), workers, store, told(events));
                gradients.ifPresent(folder -> folder.keep(store));
                var controlled = Optional.<Controlled>empty();
                if (control.isPresent()) {
                    var run =
                            control(
                                    control.get(),
                                    shares,
                                    begun.read(),
                                    workers,
                                    store,
                                    controlStore,
                                    events);
                    controlled = Optional.of(run);
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
                var measured = measure(partial, result, controlled, begun, workers);
                var timings = result.timings().plus(shares.timings());
                record = record(begun, result, controlled, measured, timings, saveSeconds);
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

    /// What a run was started with, and what it read.
    ///
    /// @param start in nanoseconds
    private record Begun(
            String command, String version, String weightsHash, RunTexts.Read read, long start) {}

    /// Adds files to an output folder that is not in place yet.
    @FunctionalInterface
    public interface Publisher {
        void publish(RunRecord record, Path folder) throws IOException;
    }

    /// All that decides the bytes of the result.
    private SequencedMap<String, String> identity(Begun begun) {
        var pruning = recipe.pruning();
        var identity = new LinkedHashMap<String, String>();
        identity.put("pollard", begun.version());
        identity.put("weights", begun.weightsHash());
        identity.put("method", pruning.method());
        identity.putAll(settings.asText());
        identity.put("pattern", pruning.sparsity().toString());
        identity.put("allocation", pruning.allocation().toString());
        identity.put("inputs", lower(pruning.inputs()));
        identity.put("include", pruning.include().map(Object::toString).orElse(""));
        identity.put("exclude", pruning.exclude().map(Object::toString).orElse(""));
        identity.put("seed", Long.toString(pruning.seed()));
        identity.putAll(begun.read().identity());
        identity.put("length", Integer.toString(texts.calibrationLength()));
        identity.put("compute", recipe.resources().compute().toString());
        identity.put("threads", Integer.toString(recipe.resources().threads()));
        identity.put("dtype", recipe.output().dtype());
        return identity;
    }

    /// Where other runs leave gradients and find those of this one.
    private Optional<GradientFolder> gradients(Begun begun) throws IOException {
        var folder = recipe.resources().gradients();
        if (folder.isEmpty()) {
            return Optional.empty();
        }
        var pruning = recipe.pruning();
        var identity = new LinkedHashMap<String, String>();
        identity.put("pollard", begun.version());
        identity.put("libtorch", Engine.version());
        identity.put("processor", Machine.processor());
        identity.put("weights", begun.weightsHash());
        identity.put("include", pruning.include().map(Object::toString).orElse(""));
        identity.put("exclude", pruning.exclude().map(Object::toString).orElse(""));
        identity.put("compute", recipe.resources().compute().toString());
        identity.putAll(begun.read().gradientIdentity());
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
        int pass = choose(method, what, read, workers, store);
        return new Pruned(new LayerStory(result.layers(), pass), result.timings());
    }

    /// Which pass holds the result: of those the method leaves to choose from, the one whose model
    /// has the least loss on the sequences held out from the last of them.
    private int choose(
            Method method, String what, RunTexts.Read read, Workers workers, WorkFolder store) {
        var candidates = method.candidates();
        if (candidates.size() == 1) {
            return candidates.getLast();
        }
        var fitted = (Sweep) method.passes().get(candidates.getLast());
        var windows = read.of(fitted.part());
        if (windows.isEmpty()) {
            return candidates.getLast();
        }
        var judges = windows.get().heldOut();
        String tokens = judges.count() < windows.get().count() ? "tokens held out" : "all tokens";
        var choice =
                Choice.of(
                        model.decoder(),
                        store,
                        candidates,
                        judges,
                        new Perplexity(recipe.resources().compute(), workers),
                        pass -> progress("%s after pass %d, %s".formatted(what, pass + 1, tokens)));
        int last = candidates.getLast();
        if (choice.pass() != last) {
            warn(
                    "the %s model is left as pass %d left it: its loss on %s is %.4f, after pass %d %.4f"
                            .formatted(
                                    what,
                                    choice.pass() + 1,
                                    tokens,
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
            WorkFolder main,
            WorkFolder store,
            EventLog events)
            throws IOException {
        long start = System.nanoTime();
        listener.step("the control: " + control.name());
        int alike = Driver.alike(method, control.method());
        for (int pass = 0; pass < alike; pass++) {
            store.take(main, pass, plan.blocks());
        }
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

    /// What was found out about the output.
    ///
    /// @param zeros of every pruned layer
    private record Measured(
            Map<String, Long> zeros,
            List<EvaluationRun.Outcome> outcomes,
            List<RunRecord.SampleFacts> samples,
            RunRecord.Size size,
            double verifySeconds,
            double evaluateSeconds) {}

    /// Opens what was written, holds it against what was meant, and measures it.
    private Measured measure(
            Path partial,
            Pruned result,
            Optional<Controlled> controlled,
            Begun begun,
            Workers workers)
            throws IOException {
        long start = System.nanoTime();
        listener.step("verifying");
        try (var written = WrittenModel.open(partial, model)) {
            var zeros = verify(written, result, begun.read());
            double verifySeconds = secondsSince(start);
            long evaluating = System.nanoTime();
            var outcomes = evaluate(written.model(), controlled, begun.weightsHash(), workers);
            var samples = samples(written.model(), workers);
            return new Measured(
                    zeros,
                    outcomes,
                    samples,
                    size(written.model(), zeros),
                    verifySeconds,
                    secondsSince(evaluating));
        }
    }

    /// Every tensor there, the zeros counted, a forward pass finite.
    ///
    /// @return zeros of every pruned layer
    private static Map<String, Long> verify(
            WrittenModel written, Pruned pruned, RunTexts.Read read) {
        var meant = new LinkedHashMap<String, LayerReport>();
        pruned.story().last().forEach(report -> meant.put(report.name(), report));
        var zeros = new LinkedHashMap<String, Long>();
        for (var entry : written.model().checkpoint().prunable()) {
            var report = meant.get(entry.module());
            if (report == null) {
                continue;
            }
            try (var _ = Scope.open()) {
                var mask = Mask.ofNonZero(written.model().weight(entry));
                if (mask.sparsity() != report.sparsity()) {
                    throw new VerificationException(
                            "%s was written with sparsity %.6f, not %.6f"
                                    .formatted(entry.module(), mask.sparsity(), report.sparsity()));
                }
                zeros.put(entry.module(), mask.pruned());
            }
        }
        written.requireFinite(read.first().orElseGet(() -> new int[] {0, 1, 2, 3}));
        return zeros;
    }

    private Perplexity.Progress progress(String what) {
        return (done, total) -> listener.evaluating(what, done, total);
    }

    private List<EvaluationRun.Outcome> evaluate(
            Model pruned, Optional<Controlled> controlled, String weightsHash, Workers workers)
            throws IOException {
        if (evaluation.isEmpty()) {
            return List.of();
        }
        var candidates = new ArrayList<EvaluationRun.Candidate>();
        candidates.add(EvaluationRun.Candidate.of("dense", model, Optional.of(weightsHash)));
        candidates.add(EvaluationRun.Candidate.of("pruned", pruned, Optional.of(pruned.sha256())));
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

    /// None if the recipe wants none. They take no more memory than the run took before.
    private List<RunRecord.SampleFacts> samples(Model pruned, Workers workers) throws IOException {
        if (!recipe.evaluation().samples()) {
            return List.of();
        }
        listener.step("writing samples");
        var compute = recipe.resources().compute();
        var written = Samples.write(model, pruned, compute, workers, plan.memory().peak());
        if (!written.note().isEmpty()) {
            warn(written.note());
        }
        return written.facts();
    }

    private Consumer<RunEvent> told(EventLog events) {
        return event -> {
            events.write(event, false);
            listener.pruning(event);
        };
    }

    private void warnIdle(String setting) {
        var pruning = recipe.pruning();
        warn(
                "--set %s=%s changes nothing: %s as set does the same without"
                        .formatted(setting, pruning.settings().get(setting), pruning.method()));
    }

    private void warn(String message) {
        warnings.add(message);
        listener.warn(message);
    }

    private RunRecord record(
            Begun begun,
            Pruned result,
            Optional<Controlled> controlled,
            Measured measured,
            Timings timings,
            double saveSeconds) {
        var pruning = recipe.pruning();
        var read = begun.read();
        warnings.addAll(result.story().notes());
        long pruned = plan.layers().stream().mapToLong(l -> l.rows() * l.columns()).sum();
        long removed = measured.zeros().values().stream().mapToLong(n -> n).sum();
        return new RunRecord(
                1,
                begun.version(),
                begun.command(),
                Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
                RunRecord.ModelFacts.of(recipe.model(), model, begun.weightsHash()),
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
                EvaluationRun.facts(measured.outcomes()),
                measured.samples(),
                controlled.map(PruningRun::facts).orElse(null),
                measured.size(),
                new RunRecord.Seconds(
                        secondsSince(begun.start()),
                        timings.load(),
                        timings.capture(),
                        timings.gradients(),
                        timings.prune(),
                        timings.propagate(),
                        timings.commit(),
                        saveSeconds,
                        measured.verifySeconds(),
                        measured.evaluateSeconds()),
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
    private static RunRecord.Size size(Model written, Map<String, Long> zeros) {
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
