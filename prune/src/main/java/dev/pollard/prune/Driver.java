package dev.pollard.prune;

import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.Linear;
import dev.pollard.model.Model;
import dev.pollard.prune.Stopwatch.Phase;
import dev.pollard.prune.solver.Retarget;
import dev.pollard.prune.solver.UnusableStatisticsException;
import dev.pollard.stats.LayerStats;
import dev.pollard.stats.Statistic;
import dev.pollard.stats.Tokens;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass.Activations;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/// Runs a method over a model, block by block: the one place that knows block order, capture,
/// memory scopes, invariants, commits and propagation, so that a method knows one matrix.
///
/// One block is in memory at a time, with its Grams and the activations of all calibration
/// sequences. Every finished block is committed to the [BlockStore]; a run that is started again on
/// the same store takes the committed blocks, propagates through them, and goes on with the first
/// that is missing. Blocks without a layer to prune are only propagated through, and those behind
/// the last layer to prune are not loaded. A sequence's activations do not depend on which worker
/// computed them, so the resumed run ends with the same bytes.
public final class Driver {
    private static final Set<Statistic> GRAMS =
            EnumSet.of(Statistic.GRAM, Statistic.CROSS_GRAM, Statistic.DENSE_GRAM);

    private static final Set<Statistic> KEPT = EnumSet.of(Statistic.INPUTS, Statistic.DENSE_INPUTS);

    private static final Set<Statistic> DENSE =
            EnumSet.of(Statistic.CROSS_GRAM, Statistic.DENSE_GRAM, Statistic.DENSE_INPUTS);

    /// @param inputs whose activations the layers see
    /// @param layers which modules to prune, by checkpoint name
    /// @param compute dtype of the products in the forward passes
    /// @param seed for methods that draw
    /// @param gramBytes how much memory the Grams of one block, and inputs that are kept, may take;
    ///     if they need more, the layers are pruned in turns, at the price of further forward
    ///     passes
    /// @param spill folder for activations that shall not stay in memory
    /// @param activations what becomes of them between the way there and the way back
    public record Settings(
            Inputs inputs,
            Predicate<String> layers,
            Compute compute,
            long seed,
            long gramBytes,
            Optional<Path> spill,
            Activations activations) {
        /// For methods that take no gradients.
        public Settings(
                Inputs inputs,
                Predicate<String> layers,
                Compute compute,
                long seed,
                long gramBytes,
                Optional<Path> spill) {
            this(inputs, layers, compute, seed, gramBytes, spill, Activations.KEPT);
        }
    }

    /// Rounds a weight to what the output file will hold, so that what is propagated is what is
    /// saved.
    @FunctionalInterface
    public interface Rounding {
        Tensor round(String layer, Tensor weight);
    }

    /// @param layers every pruned layer in order, those taken from the store included
    public record Result(List<LayerReport> layers, Timings timings) {}

    private final Model model;
    private final Decoder decoder;
    private final BitSet blocks; // those with a layer to prune
    private final Method method;
    private final Function<String, Sparsity> sparsities;
    private final Settings settings;
    private final Rounding rounding;
    private final Workers workers;
    private final BlockStore store;
    private final Consumer<RunEvent> listener;
    private final Stopwatch watch = new Stopwatch();

    /// @param sparsities what each layer gives, by checkpoint name; the same in every pass
    public Driver(
            Model model,
            Method method,
            Function<String, Sparsity> sparsities,
            Settings settings,
            Rounding rounding,
            Workers workers,
            BlockStore store,
            Consumer<RunEvent> listener) {
        this.model = model;
        this.decoder = model.decoder();
        this.blocks = new BitSet();
        model.checkpoint().prunable().stream()
                .filter(entry -> settings.layers().test(entry.module()))
                .forEach(entry -> blocks.set(entry.block()));
        this.method = method;
        this.sparsities = sparsities;
        this.settings = settings;
        this.rounding = rounding;
        this.workers = workers;
        this.store = store;
        this.listener = listener;
    }

    /// Prunes; the new weights are in the store afterwards.
    ///
    /// @param texts what the method needs of them
    /// @throws IOException if the store cannot be read or written
    /// @throws InvariantException if a method broke its promise
    /// @throws dev.pollard.model.NonFiniteLossException if a gradient's loss is not finite
    public Result run(Texts texts) throws IOException {
        var reports = new ArrayList<LayerReport>();
        var passes = method.passes();
        for (int p = 0; p < passes.size(); p++) {
            switch (passes.get(p)) {
                case Sweep sweep ->
                        reports.addAll(sweep(sweep, p, passes.size(), texts.of(sweep.part())));
                case DomainPass domains -> differentiate(domains, p, passes.size(), texts);
            }
        }
        return new Result(List.copyOf(reports), watch.timings());
    }

    private void differentiate(DomainPass pass, int index, int passes, Texts texts)
            throws IOException {
        if (blocks.stream().allMatch(b -> store.isCommitted(index, b))) {
            return;
        }
        var domains =
                texts.domains().isEmpty() && pass.orCalibration()
                        ? List.of(new Texts.Domain("calibration", 1, texts.calibration()))
                        : texts.domains();
        watch.time(
                Phase.GRADIENTS,
                () -> {
                    try (var gradients =
                            new DomainGradients(
                                    pass, index, passes, model, settings, workers, store,
                                    listener)) {
                        gradients.run(domains);
                    }
                    return null;
                });
    }

    private List<LayerReport> sweep(Sweep sweep, int pass, int passes, int[][] calibration)
            throws IOException {
        var needs = EnumSet.noneOf(Statistic.class);
        sweep.stages().forEach(steps -> needs.addAll(needs(sweep, steps, pass)));
        var reports = new ArrayList<LayerReport>();
        int count = blocks.length(); // behind the last with a layer to prune there is no work
        // Behind the last block that is still to be done nobody needs the stream.
        int last = count - 1;
        while (last >= 0 && (!blocks.get(last) || store.isCommitted(pass, last))) {
            last--;
        }
        try (var stream = needs.isEmpty() || last < 0 ? null : embed(calibration, needs)) {
            for (int b = 0; b < count; b++) {
                listener.accept(new RunEvent.BlockStarted(pass, passes, b, count));
                long start = System.nanoTime();
                boolean resumed;
                List<LayerReport> done = List.of();
                try (var scope = Scope.open()) {
                    var committed = store.load(pass, b);
                    resumed = committed.isPresent();
                    var next = Optional.ofNullable(b < last ? stream : null);
                    if (blocks.get(b) && !resumed) {
                        done = prune(scope, load(b, stream), sweep, pass, b, stream, next);
                    } else if (next.isPresent()) {
                        skip(load(b, stream), sweep, pass, b, committed, stream);
                    }
                    if (resumed) {
                        done = committed.get().reports();
                    }
                }
                reports.addAll(done);
                double error =
                        done.stream()
                                .mapToDouble(LayerReport::relativeError)
                                .average()
                                .orElse(Double.NaN);
                double seconds = (System.nanoTime() - start) / 1e9;
                listener.accept(
                        new RunEvent.BlockDone(pass, passes, b, count, resumed, error, seconds));
            }
        }
        return reports;
    }

    /// Reads a block into the current scope, and for the dense stream once more.
    private Block load(int index, CalibrationStream stream) {
        return watch.time(
                Phase.LOAD,
                () -> {
                    if (stream != null && stream.isDouble()) {
                        stream.enter(decoder.block(index, settings.compute()));
                    }
                    return decoder.block(index, settings.compute());
                });
    }

    private CalibrationStream embed(int[][] calibration, Set<Statistic> needs) throws IOException {
        return watch.time(
                Phase.LOAD,
                () ->
                        new CalibrationStream(
                                decoder,
                                calibration,
                                needsDenseStream(needs),
                                settings.compute(),
                                workers,
                                settings.spill()));
    }

    /// Moves the stream through a block in which nothing is to be done: as the run did that
    /// committed it, if one did.
    private void skip(
            Block block,
            Sweep sweep,
            int pass,
            int index,
            Optional<BlockStore.Committed> committed,
            CalibrationStream stream)
            throws IOException {
        if (settings.inputs() != Inputs.DENSE && committed.isPresent()) {
            enter(block, sweep, pass, index); // what a pass left alone is as it was before
            if (sweep.flow() == Sweep.Flow.LEFT) {
                replace(block, committed.get().weights());
            }
        }
        propagate(stream, block);
    }

    /// Puts the weights with which a sweep begins in place of those of a block.
    private Work enter(Block block, Sweep sweep, int pass, int index) throws IOException {
        var work =
                new Work(
                        block.linears().stream()
                                .filter(l -> settings.layers().test(l.name()))
                                .toList());
        for (int p = 0; p < pass; p++) {
            work.add(store.load(p, index).orElseThrow());
        }
        if (pass > 0) {
            work.start(sweep.start());
        }
        replace(block, work.now());
        return work;
    }

    private List<LayerReport> prune(
            Scope scope,
            Block block,
            Sweep sweep,
            int pass,
            int index,
            CalibrationStream stream,
            Optional<CalibrationStream> next)
            throws IOException {
        var work = enter(block, sweep, pass, index);
        var entered = work.now();
        var reports = new ArrayList<LayerReport>();
        boolean denseInputs = settings.inputs() == Inputs.DENSE;
        for (var steps : sweep.stages()) {
            if (denseInputs) {
                replace(block, work.dense);
            }
            var needs = needs(sweep, steps, pass);
            for (var turn : turns(work.layers, needs, stream == null ? 0 : stream.tokens())) {
                var stats = capture(block, turn, needs, sweep.tokens(), stream);
                try {
                    for (int s : steps) {
                        for (var done : pruneTurn(sweep, s, pass, turn, work, stats)) {
                            String name = done.report().name();
                            work.add(
                                    name,
                                    done.unchanged() ? work.now(name) : scope.adopt(done.weight()));
                            done.findings().byName().values().forEach(scope::adopt);
                            work.found.merge(name, done.findings(), Findings::with);
                            reports.add(done.report());
                        }
                    }
                } finally {
                    LayerStats.close(stats.values());
                }
            }
            if (!denseInputs) {
                replace(block, work.now());
            }
        }
        if (next.isPresent()) {
            if (sweep.flow() == Sweep.Flow.ENTERED && !denseInputs) {
                replace(block, entered);
            }
            propagate(next.get(), block);
        }
        boolean last = pass == method.passes().size() - 1;
        var finished =
                new BlockStore.Committed(
                        last ? work.now() : work.changed(entered), work.found, reports);
        watch.time(
                Phase.COMMIT,
                () -> {
                    store.commit(pass, index, finished);
                    return null;
                });
        return reports;
    }

    /// The layers of one block and what became of them so far.
    private static final class Work {
        final List<Linear> layers;
        final Map<String, Tensor> dense = new LinkedHashMap<>();
        final Map<String, List<Tensor>> earlier = new LinkedHashMap<>();
        final Map<String, Findings> known = new LinkedHashMap<>(); // from passes before
        final Map<String, Findings> found = new LinkedHashMap<>(); // in this pass

        Work(List<Linear> layers) {
            this.layers = layers;
            for (var layer : layers) {
                dense.put(layer.name(), layer.weight());
                earlier.put(layer.name(), new ArrayList<>());
            }
        }

        void add(BlockStore.Committed pass) {
            pass.weights().forEach(this::add);
            pass.findings()
                    .forEach((layer, findings) -> known.merge(layer, findings, Findings::with));
        }

        void add(String layer, Tensor weight) {
            earlier.get(layer).add(weight);
        }

        void start(Sweep.Start start) {
            switch (start) {
                case AS_LEFT -> {}
                case DENSE -> dense.forEach(this::add);
                case TUNED ->
                        known.forEach((name, found) -> add(name, found.tuned().orElseThrow()));
            }
        }

        /// The weights whose outputs a sweep aims at.
        Tensor aim(String layer, Sweep.Start start) {
            return start == Sweep.Start.TUNED
                    ? known.get(layer).tuned().orElseThrow()
                    : dense.get(layer);
        }

        Tensor now(String layer) {
            var before = earlier.get(layer);
            return before.isEmpty() ? dense.get(layer) : before.getLast();
        }

        Map<String, Tensor> now() {
            var now = new LinkedHashMap<String, Tensor>();
            dense.keySet().forEach(layer -> now.put(layer, now(layer)));
            return now;
        }

        /// Those of [#now] that are others than `before`.
        Map<String, Tensor> changed(Map<String, Tensor> before) {
            var changed = now();
            changed.entrySet().removeIf(now -> before.get(now.getKey()) == now.getValue());
            return changed;
        }
    }

    /// What is gathered for some steps: what they ask for, and, before the first step of all, what
    /// re-aims its weights.
    private Set<Statistic> needs(Sweep sweep, List<Integer> steps, int pass) {
        return needs(sweep, steps, pass, settings.inputs());
    }

    /// What is gathered before these steps of a sweep, by index; empty if nothing is.
    public static Set<Statistic> needs(Sweep sweep, List<Integer> steps, int pass, Inputs inputs) {
        var needs = EnumSet.noneOf(Statistic.class);
        for (int s : steps) {
            needs.addAll(sweep.steps().get(s).needs());
            if (isReaimed(s, pass, inputs)) {
                needs.addAll(needs(inputs));
            }
        }
        return needs;
    }

    /// Whether a step gets its weights re-aimed at what the dense layer does in the dense model.
    private static boolean isReaimed(int step, int pass, Inputs inputs) {
        return inputs == Inputs.BOTH && step == 0 && pass == 0;
    }

    private static Set<Statistic> needs(Inputs inputs) {
        return inputs == Inputs.BOTH
                ? EnumSet.of(Statistic.GRAM, Statistic.CROSS_GRAM)
                : EnumSet.noneOf(Statistic.class);
    }

    /// All that is gathered in a run of `method`; it needs calibration sequences if this is not
    /// empty.
    public static Set<Statistic> needs(Method method, Inputs inputs) {
        var needs = needs(inputs);
        for (var pass : method.passes()) {
            switch (pass) {
                case Sweep sweep -> sweep.steps().forEach(step -> needs.addAll(step.needs()));
                case DomainPass _ -> {}
            }
        }
        return needs;
    }

    /// How many passes `one` and `other` begin with alike, but for the last of either: what one of
    /// them commits there, the other would commit again.
    public static int alike(Method one, Method other) {
        var passes = one.passes();
        var others = other.passes();
        int most = Math.min(passes.size(), others.size()) - 1;
        int alike = 0;
        while (alike < most && passes.get(alike).equals(others.get(alike))) {
            alike++;
        }
        return alike;
    }

    /// The pass of `method` that takes gradients, if there is one.
    public static Optional<DomainPass> domainPass(Method method) {
        return method.passes().stream()
                .filter(DomainPass.class::isInstance)
                .map(DomainPass.class::cast)
                .findFirst();
    }

    /// The texts that the sweeps of `method` gather statistics from.
    public static Set<Texts.Part> sources(Method method) {
        var sources = EnumSet.noneOf(Texts.Part.class);
        for (var pass : method.passes()) {
            if (pass instanceof Sweep sweep
                    && sweep.steps().stream().anyMatch(step -> !step.needs().isEmpty())) {
                sources.add(sweep.part());
            }
        }
        return sources;
    }

    /// Whether a run with these statistics needs the activations of the dense model beside its own.
    public static boolean needsDenseStream(Set<Statistic> needs) {
        return needs.stream().anyMatch(DENSE::contains);
    }

    private Map<String, LayerStats> capture(
            Block block,
            List<Linear> layers,
            Set<Statistic> needs,
            Tokens tokens,
            CalibrationStream stream) {
        return needs.isEmpty() || layers.isEmpty()
                ? Map.of()
                : watch.time(Phase.CAPTURE, () -> stream.capture(block, layers, needs, tokens));
    }

    /// Cuts the layers of a block into groups whose Grams and kept inputs fit the budget: one
    /// group, if it is large enough. Layers that share a Gram stay together.
    private List<List<Linear>> turns(List<Linear> layers, Set<Statistic> needs, long tokens) {
        if (layers.isEmpty() || !needs.contains(Statistic.GRAM)) {
            return List.of(layers);
        }
        var turns = new ArrayList<List<Linear>>();
        var turn = new ArrayList<Linear>();
        long bytes = 0;
        for (var sharing : byInput(layers)) {
            long columns = sharing.getFirst().columns();
            long grams = gramBytes(columns, workers.count(), needs, tokens);
            if (!turn.isEmpty() && bytes + grams > settings.gramBytes()) {
                turns.add(turn);
                turn = new ArrayList<>();
                bytes = 0;
            }
            turn.addAll(sharing);
            bytes += grams;
        }
        turns.add(turn);
        return turns;
    }

    private static Collection<List<Linear>> byInput(List<Linear> layers) {
        return layers.stream()
                .collect(
                        Collectors.groupingBy(
                                Linear::input, LinkedHashMap::new, Collectors.toList()))
                .values();
    }

    /// Bytes of the Grams of one input while they are gathered: for each, a float32 partial and a
    /// float64 total per worker; twice that, and their sum, if some sequences are held out. With
    /// them the inputs themselves, if those are kept: at most all `tokens`.
    public static long gramBytes(long columns, int workers, Set<Statistic> needs, long tokens) {
        long kept = needs.stream().filter(KEPT::contains).count();
        long grams = needs.stream().filter(GRAMS::contains).count();
        long copies = needs.contains(Statistic.HELD_OUT) ? 2 * workers + 1 : workers;
        return 12 * columns * columns * copies * grams + 4 * columns * tokens * kept;
    }

    /// What became of a layer, kept beyond the scope of the task that made it.
    ///
    /// @param weight null if it is the one that the step was given
    private record Pruned(Tensor weight, Findings findings, LayerReport report) {
        boolean unchanged() {
            return weight == null;
        }
    }

    private List<Pruned> pruneTurn(
            Sweep sweep,
            int step,
            int pass,
            List<Linear> layers,
            Work work,
            Map<String, LayerStats> stats) {
        return watch.time(
                Phase.PRUNE,
                () -> {
                    // The costliest first, so that the workers finish together.
                    var order = new ArrayList<>(layers);
                    order.sort(
                            Comparator.comparingLong(l -> -l.rows() * l.columns() * l.columns()));
                    var tasks = new ArrayList<Callable<Pruned>>();
                    for (var layer : order) {
                        String name = layer.name();
                        var context =
                                new LayerContext(
                                        name,
                                        work.now(name),
                                        work.aim(name, sweep.start()),
                                        work.earlier.get(name),
                                        work.known.getOrDefault(name, Findings.NONE),
                                        stats.getOrDefault(name, LayerStats.NONE),
                                        settings.seed(),
                                        settings.compute());
                        tasks.add(() -> pruneLayer(context, sweep, step, pass));
                    }
                    var done = new ArrayList<>(workers.all(tasks));
                    done.sort(Comparator.comparingInt(p -> indexOf(layers, p.report().name())));
                    done.forEach(p -> listener.accept(new RunEvent.LayerDone(p.report())));
                    return done;
                });
    }

    private Pruned pruneLayer(LayerContext given, Sweep sweep, int step, int pass) {
        var pruner = sweep.steps().get(step);
        boolean last = pass == method.passes().size() - 1 && step == sweep.steps().size() - 1;
        long start = System.nanoTime();
        try (var scope = Scope.open()) {
            var layer = isReaimed(step, pass, settings.inputs()) ? reaimed(given) : given;
            Tensor target = layer == given ? given.target() : layer.weight();
            var sparsity = sparsities.apply(layer.name());
            var result = step(pruner, layer, sparsity);
            Invariants.check(layer, result, sparsity, last);
            boolean unchanged = result.weight() == given.weight();
            var weight =
                    unchanged ? result.weight() : rounding.round(layer.name(), result.weight());
            var error = LayerError.of(layer.stats(), target, weight);
            var mask = Mask.ofNonZero(weight);
            double bound = Histogram.bound(layer.target());
            var report =
                    new LayerReport(
                            layer.name(),
                            pass,
                            step,
                            pruner.label(),
                            weight.size(0),
                            weight.size(1),
                            mask.sparsity(),
                            error.relative(),
                            heldOutError(layer, target, weight, result),
                            error.kind(),
                            result.mask().pruned() == 0
                                    ? null
                                    : moved(layer.earlier(), mask, sparsity),
                            (System.nanoTime() - start) / 1e9,
                            result.notes(),
                            isFirst(pass, step) ? Histogram.of(layer.target(), bound) : null,
                            Histogram.of(weight, bound));
            result.findings().byName().values().forEach(scope::keep);
            return new Pruned(unchanged ? null : scope.keep(weight), result.findings(), report);
        }
    }

    private static LayerResult step(LayerPruner pruner, LayerContext layer, Sparsity sparsity) {
        try {
            return pruner.prune(layer, sparsity);
        } catch (UnusableStatisticsException e) {
            throw new UnusableStatisticsException(layer.name() + ": " + e.getMessage());
        }
    }

    /// Whether no step touched a layer before this one.
    private boolean isFirst(int pass, int step) {
        return step == 0
                && method.passes().subList(0, pass).stream().noneMatch(Sweep.class::isInstance);
    }

    private static LayerContext reaimed(LayerContext layer) {
        return layer.withWeight(
                Retarget.of(
                        layer.weight(),
                        layer.stats().gram().matrix(),
                        layer.stats().cross().matrix()));
    }

    private static Double heldOutError(
            LayerContext layer, Tensor target, Tensor weight, LayerResult result) {
        if (result.heldOutError().isPresent()) {
            return result.heldOutError().getAsDouble();
        }
        return layer.stats()
                .split()
                .map(split -> LayerError.of(split.heldOut(), target, weight).relative())
                .orElse(null);
    }

    /// Weights that are kept now and were not by the first sparse step; null without one.
    private static Long moved(List<Tensor> earlier, Mask mask, Sparsity sparsity) {
        return earlier.stream()
                .map(Mask::ofNonZero)
                .filter(before -> before.sparsity() > sparsity.fraction() / 2) // not a dense step
                .findFirst()
                .map(before -> mask.keptBeyond(before))
                .orElse(null);
    }

    private void propagate(CalibrationStream stream, Block block) {
        watch.time(
                Phase.PROPAGATE,
                () -> {
                    stream.advance(block);
                    return null;
                });
    }

    /// Puts weights, by layer, in place of those of a block.
    static void replace(Block block, Map<String, Tensor> weights) {
        for (var layer : block.linears()) {
            var weight = weights.get(layer.name());
            if (weight != null && weight != layer.weight()) {
                layer.replace(weight);
            }
        }
    }

    private static int indexOf(List<Linear> layers, String name) {
        for (int i = 0; i < layers.size(); i++) {
            if (layers.get(i).name().equals(name)) {
                return i;
            }
        }
        throw new IllegalStateException("no layer " + name);
    }
}
