package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.Model;
import dev.pollard.model.Tap;
import dev.pollard.model.TinyLlama;
import dev.pollard.prune.method.Magnitude;
import dev.pollard.prune.method.Methods;
import dev.pollard.prune.method.SparseGpt;
import dev.pollard.prune.method.Wanda;
import dev.pollard.prune.solver.UnusableStatisticsException;
import dev.pollard.recipe.WorkFolder;
import dev.pollard.stats.Gram;
import dev.pollard.stats.Statistic;
import dev.pollard.stats.Tokens;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DriverTest {
    private static final Sparsity HALF = new Sparsity.Unstructured(0.5);
    private static final Sparsity TWO_OF_FOUR = new Sparsity.SemiStructured(2, 4);
    private static final int[][] IDS = TinyLlama.ids(5, 20, TinyLlama.VOCABULARY, 3);
    private static final long MUCH = 1L << 40;

    private static final Driver.Settings PLAIN =
            new Driver.Settings(
                    Inputs.PRUNED, _ -> true, Compute.FLOAT32, 0, MUCH, Optional.empty());

    @TempDir private Path folder;
    private Path model;
    private int runs;

    @BeforeEach
    void writeModel() throws IOException {
        model = new TinyLlama(3).write(folder.resolve("model"));
    }

    /// What a run made.
    ///
    /// @param weights of the last pass, by layer
    /// @param work where its blocks lie
    private record Made(SortedMap<String, float[]> weights, List<LayerReport> reports, Path work) {
        /// The weights of one block.
        Map<String, float[]> block(int index) {
            var block = new TreeMap<>(weights);
            block.keySet().removeIf(name -> !name.contains("layers." + index + "."));
            return block;
        }
    }

    private Made run(Method method, Sparsity sparsity, Driver.Settings settings, int workers)
            throws IOException {
        return run(method, sparsity, settings, workers, _ -> {});
    }

    private Made run(
            Method method,
            Sparsity sparsity,
            Driver.Settings settings,
            int workers,
            Consumer<RunEvent> listener)
            throws IOException {
        Path work = folder.resolve("work" + runs++);
        return run(method, sparsity, settings, workers, listener, work);
    }

    /// Goes on with what lies in `work`.
    private Made run(
            Method method,
            Sparsity sparsity,
            Driver.Settings settings,
            int workers,
            Consumer<RunEvent> listener,
            Path work)
            throws IOException {
        return run(method, _ -> sparsity, settings, workers, listener, work);
    }

    private Made run(
            Method method,
            Function<String, Sparsity> sparsities,
            Driver.Settings settings,
            int workers,
            Consumer<RunEvent> listener,
            Path work)
            throws IOException {
        try (var opened = Model.open(model);
                var crew = new Workers(workers);
                var store = WorkFolder.open(work, new LinkedHashMap<>(), true, false)) {
            var result =
                    new Driver(
                                    opened,
                                    method,
                                    sparsities,
                                    settings,
                                    (_, weight) -> weight,
                                    crew,
                                    store,
                                    listener)
                            .run(new Texts(IDS));
            var weights = new TreeMap<String, float[]>();
            for (int b = 0; b < opened.config().blocks(); b++) {
                try (var _ = Scope.open()) {
                    store.load(method.passes().size() - 1, b).stream()
                            .flatMap(block -> block.weights().entrySet().stream())
                            .forEach(w -> weights.put(w.getKey(), w.getValue().toFloats()));
                }
            }
            return new Made(weights, result.layers(), work);
        }
    }

    private static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, weight) -> assertArrayEquals(weight, actual.get(name), name));
    }

    private static boolean same(Map<String, float[]> a, Map<String, float[]> b) {
        return a.keySet().equals(b.keySet())
                && a.keySet().stream()
                        .allMatch(name -> java.util.Arrays.equals(a.get(name), b.get(name)));
    }

    private static Driver.Settings with(Inputs inputs, Predicate<String> layers) {
        return new Driver.Settings(inputs, layers, Compute.FLOAT32, 0, MUCH, Optional.empty());
    }

    // ---- what a layer sees ----

    /// Keeps what it is shown, and prunes by magnitude.
    private record Witness(
            Set<Statistic> needs, Map<String, float[]> squares, Map<String, float[]> grams)
            implements LayerPruner {
        Witness(Statistic... needs) {
            this(Set.of(needs), new ConcurrentHashMap<>(), new ConcurrentHashMap<>());
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            layer.stats().inputMeanSquare().ifPresent(s -> squares.put(layer.name(), s));
            layer.stats()
                    .inputGram()
                    .ifPresent(gram -> grams.put(layer.name(), gram.matrix().toFloats()));
            return new Magnitude().prune(layer, sparsity);
        }
    }

    /// Mean of `x[i] x[j]` over all tokens by layer, in double loops, of a model in whose blocks
    /// `weights` take the place of the file's after the block's inputs were seen.
    private Map<String, double[]> naiveGrams(Map<String, float[]> weights) throws IOException {
        var grams = new TreeMap<String, double[]>();
        try (var opened = Model.open(model);
                var _ = Scope.open()) {
            Decoder decoder = opened.decoder();
            var streams = new ArrayList<Tensor>();
            for (int[] ids : IDS) {
                streams.add(decoder.embed(ids));
            }
            for (int b = 0; b < opened.config().blocks(); b++) {
                var block = decoder.block(b, Compute.FLOAT32);
                for (Tensor x : streams) {
                    block.forward(x, (layer, input) -> add(grams, layer.name(), input));
                }
                for (var layer : block.linears()) {
                    float[] weight = weights.get(layer.name());
                    if (weight != null) {
                        layer.replace(Tensor.of(weight, layer.rows(), layer.columns()));
                    }
                }
                streams.replaceAll(x -> block.forward(x, Tap.NONE));
            }
        }
        int tokens = IDS.length * IDS[0].length;
        grams.values().forEach(gram -> java.util.Arrays.setAll(gram, i -> gram[i] / tokens));
        return grams;
    }

    private static boolean add(Map<String, double[]> grams, String layer, Tensor input) {
        float[] x = input.toFloats();
        int columns = (int) input.size(1);
        double[] gram = grams.computeIfAbsent(layer, _ -> new double[columns * columns]);
        for (int t = 0; t < x.length; t += columns) {
            for (int i = 0; i < columns; i++) {
                for (int j = 0; j < columns; j++) {
                    gram[i * columns + j] += (double) x[t + i] * x[t + j];
                }
            }
        }
        return true;
    }

    private static void assertClose(double expected, float actual, double scale, String what) {
        assertEquals(expected, actual, 2e-5 * scale, what);
    }

    private void assertStatistics(Inputs inputs, Witness witness) throws IOException {
        var made = run(() -> List.of(new Sweep(witness)), HALF, with(inputs, _ -> true), 2);
        var naive = naiveGrams(inputs == Inputs.DENSE ? Map.of() : made.weights());
        assertEquals(3 * TinyLlama.LAYERS_PER_BLOCK, naive.size());
        assertEquals(naive.keySet(), witness.squares().keySet());
        boolean grams = witness.needs().contains(Statistic.GRAM);
        assertEquals(grams ? naive.keySet() : Set.of(), witness.grams().keySet());
        naive.forEach(
                (layer, gram) -> {
                    int n = (int) Math.sqrt(gram.length);
                    double largest = java.util.Arrays.stream(gram).map(Math::abs).max().orElse(0);
                    for (int i = 0; i < n; i++) {
                        assertClose(
                                gram[i * n + i], witness.squares().get(layer)[i], largest, layer);
                    }
                    for (int i = 0; grams && i < gram.length; i++) {
                        assertClose(gram[i], witness.grams().get(layer)[i], largest, layer);
                    }
                });
    }

    @Test
    void statisticsOfThePrunedModelAreThoseOfNaiveLoops() throws IOException {
        assertStatistics(Inputs.PRUNED, new Witness(Statistic.GRAM));
        assertStatistics(Inputs.PRUNED, new Witness(Statistic.INPUT_MEAN_SQUARE));
    }

    @Test
    void statisticsOfTheDenseModelAreThoseOfNaiveLoops() throws IOException {
        assertStatistics(Inputs.DENSE, new Witness(Statistic.GRAM));
        assertStatistics(Inputs.DENSE, new Witness(Statistic.INPUT_MEAN_SQUARE));
    }

    @Test
    void nothingIsGatheredThatNobodyAskedFor() throws IOException {
        var witness = new Witness();
        run(() -> List.of(new Sweep(witness)), HALF, PLAIN, 2);
        assertEquals(Map.of(), witness.squares());
        assertEquals(Map.of(), witness.grams());
    }

    @Test
    void denseInputsDoNotSeeTheErrorsOfEarlierBlocks() throws IOException {
        var method = new SparseGpt(0.01, 128);
        var pruned = run(method, TWO_OF_FOUR, with(Inputs.PRUNED, _ -> true), 2);
        var dense = run(method, TWO_OF_FOUR, with(Inputs.DENSE, _ -> true), 2);
        var alone = run(method, TWO_OF_FOUR, with(Inputs.PRUNED, n -> n.contains("layers.2.")), 2);
        assertSame(pruned.block(0), dense.block(0));
        assertFalse(same(pruned.block(2), dense.block(2)), "block 2 was given the same inputs");
        assertSame(alone.block(2), dense.block(2));
        assertEquals(Map.of(), alone.block(1));
    }

    @Test
    void bothInputsAreTheSameUpToTheFirstErrorAndNotBehindIt() throws IOException {
        var method = new SparseGpt(0.01, 128);
        var pruned = run(method, TWO_OF_FOUR, with(Inputs.PRUNED, _ -> true), 2);
        var both = run(method, TWO_OF_FOUR, with(Inputs.BOTH, _ -> true), 2);
        pruned.block(0)
                .forEach(
                        (name, weight) ->
                                assertArrayEquals(weight, both.block(0).get(name), 2e-3f, name));
        assertFalse(same(pruned.block(2), both.block(2)), "block 2 was not re-aimed");
    }

    @Test
    void bothInputsResumeWithTheSameBytes() throws IOException {
        var settings = with(Inputs.BOTH, _ -> true);
        var whole = run(new Wanda(), HALF, settings, 2);
        Files.delete(whole.work().resolve("pass-0-block-0002.safetensors"));
        var resumed = run(new Wanda(), HALF, settings, 2, _ -> {}, whole.work());
        assertSame(whole.weights(), resumed.weights());
    }

    // ---- the same result, however it is come by ----

    @Test
    void sameWorkersMakeTheSameBytes() throws IOException {
        var method = new SparseGpt(0.01, 128);
        var once = run(method, HALF, PLAIN, 2);
        assertSame(once.weights(), run(method, HALF, PLAIN, 2).weights());
    }

    @Test
    void moreWorkersThanSequencesAreNoHarm() throws IOException {
        var made = run(new Wanda(), HALF, PLAIN, IDS.length + 2);
        assertEquals(3 * TinyLlama.LAYERS_PER_BLOCK, made.weights().size());
    }

    @Test
    void gramsFormedInTurnsMakeTheSameBytes() throws IOException {
        var method = new SparseGpt(0.01, 128);
        for (long bytes : new long[] {1, 2 * Driver.gramBytes(16, 2, Set.of(Statistic.GRAM), 0)}) {
            var settings =
                    new Driver.Settings(
                            Inputs.PRUNED, _ -> true, Compute.FLOAT32, 0, bytes, Optional.empty());
            assertSame(
                    run(method, TWO_OF_FOUR, PLAIN, 2).weights(),
                    run(method, TWO_OF_FOUR, settings, 2).weights());
        }
    }

    @Test
    void activationsInAFileMakeTheSameBytesAndLeaveNothingBehind() throws IOException {
        Path spill = Files.createDirectory(folder.resolve("spill"));
        var settings =
                new Driver.Settings(
                        Inputs.PRUNED, _ -> true, Compute.FLOAT32, 0, MUCH, Optional.of(spill));
        assertSame(
                run(new Wanda(), HALF, PLAIN, 2).weights(),
                run(new Wanda(), HALF, settings, 2).weights());
        try (var files = Files.list(spill)) {
            assertEquals(List.of(), files.toList());
        }
    }

    @Test
    void onlyTheLayersAskedForArePruned() throws IOException {
        var made = run(new Wanda(), HALF, with(Inputs.PRUNED, n -> n.endsWith("q_proj")), 2);
        assertEquals(3, made.weights().size());
        assertTrue(made.weights().keySet().stream().allMatch(n -> n.endsWith("q_proj")));
        assertEquals(3, made.reports().size());
    }

    @Test
    void blocksBehindTheLastLayerAskedForAreNotLoaded() throws IOException {
        var settings = with(Inputs.PRUNED, n -> n.contains("layers.1."));
        var expected = run(new Wanda(), HALF, settings, 2);
        assertEquals(TinyLlama.LAYERS_PER_BLOCK, expected.weights().size());
        new TinyLlama(3).write(model, Map.of("model.layers.2.mlp.up_proj.weight", Float.NaN));
        var done = new ArrayList<Integer>();
        var made =
                run(
                        new Wanda(),
                        HALF,
                        settings,
                        2,
                        event -> {
                            if (event instanceof RunEvent.BlockDone block) {
                                assertEquals(2, block.blocks());
                                done.add(block.block());
                            }
                        });
        assertSame(expected.weights(), made.weights());
        assertEquals(List.of(0, 1), done);
    }

    @Test
    void namesTheLayerWhoseInputsAreNotFinite() throws IOException {
        new TinyLlama(3).write(model, Map.of("model.layers.1.mlp.up_proj.weight", 3e38f));
        for (var method : List.of(new SparseGpt(0.01, 128), new Wanda())) {
            var e =
                    assertThrows(
                            UnusableStatisticsException.class,
                            () -> run(method, HALF, with(Inputs.DENSE, _ -> true), 1));
            assertTrue(e.getMessage().startsWith("model.layers.1.mlp.down_proj: "), e.getMessage());
        }
    }

    @Test
    void resumesOverBlocksInWhichNothingIsPruned() throws IOException {
        var method = new SparseGpt(0.01, 128);
        for (Inputs inputs : Inputs.values()) {
            var settings = with(inputs, n -> !n.contains("layers.1."));
            var whole = run(method, HALF, settings, 2);
            assertEquals(2 * TinyLlama.LAYERS_PER_BLOCK, whole.weights().size());
            Files.delete(whole.work().resolve("pass-0-block-0002.safetensors"));
            var resumed = run(method, HALF, settings, 2, _ -> {}, whole.work());
            assertSame(whole.weights(), resumed.weights());
        }
    }

    @Test
    void layersThatReadTheSameShareAGramHoweverShortMemoryIs() throws IOException {
        for (long bytes : new long[] {1, MUCH}) {
            var grams = new ConcurrentHashMap<String, Gram>();
            LayerPruner witness =
                    new LayerPruner() {
                        @Override
                        public Set<Statistic> needs() {
                            return Set.of(Statistic.GRAM);
                        }

                        @Override
                        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
                            grams.put(layer.name().replaceFirst(".*\\.", ""), layer.stats().gram());
                            return new Magnitude().prune(layer, sparsity);
                        }
                    };
            var settings =
                    new Driver.Settings(
                            Inputs.PRUNED,
                            n -> n.contains("layers.0.") && !n.endsWith("q_proj"),
                            Compute.FLOAT32,
                            0,
                            bytes,
                            Optional.empty());
            run(() -> List.of(new Sweep(witness)), HALF, settings, 2);
            assertEquals(TinyLlama.LAYERS_PER_BLOCK - 1, grams.size());
            var different = Collections.newSetFromMap(new IdentityHashMap<Gram, Boolean>());
            different.addAll(grams.values());
            assertEquals(4, different.size(), grams.keySet().toString());
            assertTrue(grams.get("k_proj") == grams.get("v_proj"), "k and v");
            assertTrue(grams.get("gate_proj") == grams.get("up_proj"), "gate and up");
        }
    }

    // ---- methods of several steps and passes ----

    /// Removes nothing.
    private record Identity(Set<Statistic> needs) implements LayerPruner {
        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            return new LayerResult(layer.weight(), Mask.ofNonZero(layer.weight()), List.of());
        }
    }

    /// Puts the dense weights back, as the dense half of SDS does.
    private record Regrow() implements LayerPruner {
        @Override
        public Set<Statistic> needs() {
            return Set.of();
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            assertEquals(sparsity.fraction(), Mask.ofNonZero(layer.weight()).sparsity(), 1e-9);
            var full = Mask.full((int) layer.weight().size(0), (int) layer.weight().size(1));
            return new LayerResult(layer.target(), full, List.of());
        }
    }

    @Test
    void everyStepStartsFromTheWeightsOfTheOneBefore() throws IOException {
        var expected = run(new Magnitude(), HALF, PLAIN, 2);
        var identity = new Identity(Set.of(Statistic.GRAM));
        Method steps = () -> List.of(new Sweep(List.of(new Magnitude(), identity)));
        Method passes = () -> List.of(new Sweep(new Magnitude()), new Sweep(identity));
        for (Inputs inputs : List.of(Inputs.PRUNED, Inputs.DENSE)) {
            var settings = with(inputs, _ -> true);
            assertSame(expected.weights(), run(steps, HALF, settings, 2).weights());
            assertSame(expected.weights(), run(passes, HALF, settings, 2).weights());
        }
    }

    @Test
    void aStepInBetweenMayMakeTheLayerDenseAgain() throws IOException {
        var expected = run(new Magnitude(), HALF, PLAIN, 2);
        Method steps =
                () -> List.of(new Sweep(List.of(new Magnitude(), new Regrow(), new Magnitude())));
        Method passes =
                () ->
                        List.of(
                                new Sweep(new Magnitude()),
                                new Sweep(new Regrow()),
                                new Sweep(new Magnitude()));
        var inSteps = run(steps, HALF, PLAIN, 2);
        assertSame(expected.weights(), inSteps.weights());
        assertSame(expected.weights(), run(passes, HALF, PLAIN, 2).weights());
        assertEquals(3 * 3 * TinyLlama.LAYERS_PER_BLOCK, inSteps.reports().size());
    }

    @Test
    void everyPassHoldsALayerToItsOwnSparsity() throws IOException {
        Function<String, Sparsity> sparsities =
                layer ->
                        layer.contains("layers.1.")
                                ? TWO_OF_FOUR
                                : new Sparsity.Unstructured(layer.contains("mlp") ? 0.75 : 0.25);
        Method method =
                () ->
                        List.of(
                                new Sweep(new Magnitude()),
                                new Sweep(new Regrow()),
                                new Sweep(new Magnitude()));
        var made = run(method, sparsities, PLAIN, 2, _ -> {}, folder.resolve("work"));
        for (var report : made.reports()) {
            double meant = report.pass() == 1 ? 0 : sparsities.apply(report.name()).fraction();
            assertEquals(meant, report.sparsity(), report.name());
        }
        LayerPruner halving =
                new LayerPruner() {
                    @Override
                    public Set<Statistic> needs() {
                        return Set.of();
                    }

                    @Override
                    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
                        return new Magnitude().prune(layer, HALF);
                    }
                };
        Path other = folder.resolve("other");
        var broken =
                assertThrows(
                        InvariantException.class,
                        () ->
                                run(
                                        () -> List.of(new Sweep(halving)),
                                        sparsities,
                                        PLAIN,
                                        2,
                                        _ -> {},
                                        other));
        assertTrue(broken.getMessage().contains("the pattern 0."), broken.getMessage());
    }

    @Test
    void theLastStepMustLeaveThePattern() {
        Method method = () -> List.of(new Sweep(List.of(new Magnitude(), new Regrow())));
        assertRefused(method, HALF, "0.5");
    }

    /// Keeps the inputs it is shown, and prunes by magnitude.
    private record Keeper(Map<String, float[]> inputs, Map<String, Tensor> tensors)
            implements LayerPruner {
        Keeper() {
            this(new ConcurrentHashMap<>(), new ConcurrentHashMap<>());
        }

        @Override
        public Set<Statistic> needs() {
            return Set.of(
                    Statistic.GRAM,
                    Statistic.DENSE_GRAM,
                    Statistic.INPUTS,
                    Statistic.DENSE_INPUTS,
                    Statistic.HELD_OUT);
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            var fit = layer.stats().fit();
            keep(layer.name(), fit.keptInputs(), fit.gram());
            keep("dense " + layer.name(), fit.keptDenseInputs(), fit.dense());
            assertTrue(layer.stats().split().orElseThrow().heldOut().inputs().isEmpty());
            return new Magnitude().prune(layer, sparsity);
        }

        private void keep(String name, Tensor x, Gram gram) {
            assertEquals(4 * 20, x.size(0)); // one of five sequences is held out
            Tensor product = x.transpose(0, 1).matmul(x).div(gram.tokens());
            assertTrue(product.sub(gram.matrix()).abs().max().item() < 1e-4, name);
            inputs.put(name, x.toFloats());
            tensors.put(name, x);
        }
    }

    @Test
    void inputsAreKeptInTheOrderOfTheSequencesWhateverTheWorkers() throws IOException {
        var kept = new ArrayList<Keeper>();
        for (int workers : new int[] {1, 2, 3}) {
            var keeper = new Keeper();
            run(() -> List.of(new Sweep(keeper)), HALF, PLAIN, workers);
            kept.add(keeper);
        }
        assertEquals(2 * 3 * TinyLlama.LAYERS_PER_BLOCK, kept.getFirst().inputs().size());
        for (var keeper : kept) {
            assertSame(kept.getFirst().inputs(), keeper.inputs());
            var distinct = Collections.newSetFromMap(new IdentityHashMap<Tensor, Boolean>());
            distinct.addAll(keeper.tensors().values());
            assertEquals(2 * 3 * 4, distinct.size(), "layers that read the same share it");
        }
        try (var opened = Model.open(model);
                var _ = Scope.open()) { // the second sequence, in the first block
            Tensor x = opened.decoder().embed(IDS[1]);
            opened.decoder()
                    .block(0, Compute.FLOAT32)
                    .forward(
                            x,
                            (layer, input) -> {
                                float[] rows = kept.getLast().inputs().get(layer.name());
                                int size = (int) input.elements();
                                assertArrayEquals(
                                        input.toFloats(),
                                        java.util.Arrays.copyOfRange(rows, size, 2 * size),
                                        1e-5f,
                                        layer.name());
                                return true;
                            });
        }
    }

    /// Checks that the inputs it is shown of both models go together, and prunes by magnitude.
    private record Pairs(Set<String> seen) implements LayerPruner {
        @Override
        public Set<Statistic> needs() {
            return Set.of(
                    Statistic.GRAM, Statistic.CROSS_GRAM, Statistic.INPUTS, Statistic.DENSE_INPUTS);
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            var stats = layer.stats();
            Tensor dense = stats.keptDenseInputs();
            Tensor cross = stats.cross().matrix();
            Tensor product = dense.transpose(0, 1).matmul(stats.keptInputs()).div(stats.tokens());
            double largest = cross.abs().max().item();
            assertEquals(0, product.sub(cross).abs().max().item(), 1e-5 * largest, layer.name());
            seen.add(layer.name());
            return new Magnitude().prune(layer, sparsity);
        }
    }

    @ParameterizedTest
    @EnumSource(Tokens.class)
    void keptInputsOfBothModelsMakeTheCrossGram(Tokens tokens) throws IOException {
        var pairs = new Pairs(ConcurrentHashMap.newKeySet());
        var sweep = new Sweep(List.of(pairs), Sweep.Capture.ONCE, Sweep.Flow.LEFT, tokens);
        run(() -> List.of(sweep), HALF, PLAIN, 2);
        assertEquals(3 * TinyLlama.LAYERS_PER_BLOCK, pairs.seen().size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"sd", "dd", "cross", "kd"})
    void sdsByMiniBatchesRunsOnEveryKindOfData(String data) throws IOException {
        var method =
                Methods.create(
                        "sds",
                        Map.of(
                                "solver",
                                "adam",
                                "epochs",
                                "2",
                                "batch",
                                "32",
                                "rounds",
                                "1",
                                "data",
                                data,
                                "schedule",
                                data.equals("kd") ? "model" : "block"));
        var made = run(method, TWO_OF_FOUR, PLAIN, 2);
        made.weights().forEach((layer, weight) -> assertEquals(weight.length / 2, zeros(weight)));
        assertSame(made.weights(), run(method, TWO_OF_FOUR, PLAIN, 2).weights());
    }

    @ParameterizedTest
    @CsvSource({"paper, model", "paper, block", "rounds, block", "rounds, model"})
    void sdsRunsByEveryPreset(String preset, String schedule) throws IOException {
        var set = Map.of("preset", preset, "schedule", schedule);
        var made = run(Methods.create("sds", set), TWO_OF_FOUR, PLAIN, 2);
        made.weights().forEach((layer, weight) -> assertEquals(weight.length / 2, zeros(weight)));
    }

    private static int zeros(float[] weight) {
        int zeros = 0;
        for (float w : weight) {
            zeros += w == 0 ? 1 : 0;
        }
        return zeros;
    }

    @Test
    void theSecondStepSeesTheInputsThatTheFirstLeft() throws IOException {
        var witness = new Witness(Statistic.GRAM);
        Method method = () -> List.of(new Sweep(List.of(new Magnitude(), witness)));
        var made = run(method, HALF, PLAIN, 2);
        // The inputs of a block whose own layers are pruned already.
        try (var opened = Model.open(model);
                var _ = Scope.open()) {
            var block = opened.decoder().block(0, Compute.FLOAT32);
            for (var layer : block.linears()) {
                layer.replace(
                        Tensor.of(made.weights().get(layer.name()), layer.rows(), layer.columns()));
            }
            var grams = new TreeMap<String, double[]>();
            for (int[] ids : IDS) {
                block.forward(opened.decoder().embed(ids), (l, x) -> add(grams, l.name(), x));
            }
            grams.forEach(
                    (layer, gram) -> {
                        float[] actual = witness.grams().get(layer);
                        for (int i = 0; i < gram.length; i++) {
                            assertEquals(gram[i] / (5 * 20), actual[i], 1e-4, layer);
                        }
                    });
        }
    }

    @Test
    void stoppedAfterAnyBlockOfAnyPassItGoesOnToTheSameBytes() throws IOException {
        Method method =
                () ->
                        List.of(
                                new Sweep(List.of(new Wanda(), new SparseGpt())),
                                new Sweep(new SparseGpt(0.1, 8)));
        for (Inputs inputs : Inputs.values()) {
            var settings = with(inputs, _ -> true);
            var expected = run(method, TWO_OF_FOUR, settings, 2);
            for (int stop = 0; stop < 6; stop++) {
                int pass = stop / 3;
                int block = stop % 3;
                Path work = folder.resolve("stopped-" + inputs + stop);
                assertThrows(
                        ArithmeticException.class,
                        () ->
                                run(
                                        method,
                                        TWO_OF_FOUR,
                                        settings,
                                        2,
                                        event -> {
                                            if (event instanceof RunEvent.BlockDone done
                                                    && done.pass() == pass
                                                    && done.block() == block) {
                                                throw new ArithmeticException("stop");
                                            }
                                        },
                                        work));
                var resumed = new ArrayList<Boolean>();
                var made =
                        run(
                                method,
                                TWO_OF_FOUR,
                                settings,
                                2,
                                event -> {
                                    if (event instanceof RunEvent.BlockDone done) {
                                        resumed.add(done.resumed());
                                    }
                                },
                                work);
                assertSame(expected.weights(), made.weights());
                assertEquals(stop, resumed.lastIndexOf(true));
                assertEquals(expected.reports().size(), made.reports().size());
            }
        }
    }

    // ---- what steps share, and how blocks follow one another ----

    @Test
    void oneStepIsTheSameWhicheverWayItCaptures() throws IOException {
        LayerPruner step = new SparseGpt();
        Method once =
                () ->
                        List.of(
                                new Sweep(
                                        List.of(step),
                                        Sweep.Capture.ONCE,
                                        Sweep.Flow.LEFT,
                                        Tokens.PLAIN));
        for (Inputs inputs : Inputs.values()) {
            var settings = with(inputs, _ -> true);
            assertSame(
                    run(new SparseGpt(), TWO_OF_FOUR, settings, 2).weights(),
                    run(once, TWO_OF_FOUR, settings, 2).weights());
        }
    }

    private static Method twoPasses(Sweep.Flow flow) {
        return () ->
                List.of(
                        new Sweep(new Wanda()),
                        new Sweep(
                                List.of(new SparseGpt(0.1, 8)),
                                Sweep.Capture.ONCE,
                                flow,
                                Tokens.PLAIN));
    }

    @Test
    void flowSaysWhatTheNextBlockSees() throws IOException {
        var entered = run(twoPasses(Sweep.Flow.ENTERED), HALF, PLAIN, 2);
        var left = run(twoPasses(Sweep.Flow.LEFT), HALF, PLAIN, 2);
        assertSame(entered.block(0), left.block(0));
        assertFalse(same(entered.block(2), left.block(2)), "block 2 was given the same inputs");
    }

    /// Prunes the last block once more, by its inputs, and leaves the others as they are.
    private record LastBlockAlone() implements LayerPruner {
        @Override
        public Set<Statistic> needs() {
            return Set.of(Statistic.GRAM);
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            if (layer.name().contains("layers.2.")) {
                return new SparseGpt().prune(layer.withWeight(layer.target()), sparsity);
            }
            var full = Mask.full((int) layer.weight().size(0), (int) layer.weight().size(1));
            return new LayerResult(layer.weight(), full, List.of());
        }
    }

    @ParameterizedTest
    @CsvSource({"PRUNED, true", "PRUNED, false", "DENSE, true", "BOTH, true"})
    void everyFlowResumesToTheSameBytes(Inputs inputs, boolean everyBlock) throws IOException {
        var settings = with(inputs, _ -> true);
        for (var flow : Sweep.Flow.values()) {
            var between =
                    new Sweep(
                            List.of(everyBlock ? new SparseGpt(0.1, 8) : new LastBlockAlone()),
                            Sweep.Capture.ONCE,
                            flow,
                            Tokens.PLAIN);
            Method method =
                    () -> List.of(new Sweep(new Wanda()), between, new Sweep(new SparseGpt()));
            var whole = run(method, HALF, settings, 2);
            for (int pass = 1; pass < 3; pass++) {
                Path lost = whole.work().resolve("pass-%d-block-0002.safetensors".formatted(pass));
                Files.delete(lost);
            }
            var resumed = run(method, HALF, settings, 2, _ -> {}, whole.work());
            assertSame(whole.weights(), resumed.weights());
        }
    }

    @Test
    void denseInputsAreThoseOfTheDenseModelWhateverTheFlow() throws IOException {
        var dense = with(Inputs.DENSE, _ -> true);
        var left = run(twoPasses(Sweep.Flow.LEFT), HALF, dense, 2);
        assertSame(left.weights(), run(twoPasses(Sweep.Flow.ENTERED), HALF, dense, 2).weights());
    }

    @Test
    void whatIsHeldOutAndWhatIsNotMakeTheWhole() throws IOException {
        var plain = new Witness(Statistic.GRAM);
        run(() -> List.of(new Sweep(plain)), HALF, PLAIN, 2);
        var seen = Collections.synchronizedList(new ArrayList<String>());
        LayerPruner split =
                new LayerPruner() {
                    @Override
                    public Set<Statistic> needs() {
                        return Set.of(Statistic.GRAM, Statistic.HELD_OUT);
                    }

                    @Override
                    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
                        var parts = layer.stats().split().orElseThrow();
                        assertEquals(4 * 20, parts.fit().tokens());
                        assertEquals(20, parts.heldOut().tokens());
                        assertEquals(5 * 20, layer.stats().tokens());
                        float[] whole = plain.grams().get(layer.name());
                        float[] joined = layer.stats().gram().matrix().toFloats();
                        float[] fit = parts.fit().gram().matrix().toFloats();
                        float[] heldOut = parts.heldOut().gram().matrix().toFloats();
                        for (int i = 0; i < whole.length; i++) {
                            assertEquals(whole[i], joined[i], 1e-5 * (1 + Math.abs(whole[i])));
                            double sum = (4.0 * fit[i] + heldOut[i]) / 5;
                            assertEquals(sum, joined[i], 1e-5 * (1 + Math.abs(sum)));
                        }
                        seen.add(layer.name());
                        return new Magnitude().prune(layer, sparsity);
                    }
                };
        run(() -> List.of(new Sweep(split)), HALF, PLAIN, 2);
        assertEquals(3 * TinyLlama.LAYERS_PER_BLOCK, seen.size());
    }

    @Test
    void aStepKnowsWhatEveryStepBeforeItLeft() throws IOException {
        var known = new ConcurrentHashMap<String, List<float[]>>();
        LayerPruner last =
                new LayerPruner() {
                    @Override
                    public Set<Statistic> needs() {
                        return Set.of();
                    }

                    @Override
                    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
                        known.put(
                                layer.name(),
                                layer.earlier().stream().map(Tensor::toFloats).toList());
                        return new Magnitude().prune(layer, sparsity);
                    }
                };
        var magnitude = run(new Magnitude(), HALF, PLAIN, 2).weights();
        var dense = new TreeMap<String, float[]>();
        try (var opened = Model.open(model);
                var _ = Scope.open()) {
            for (int b = 0; b < 3; b++) {
                opened.decoder()
                        .block(b, Compute.FLOAT32)
                        .linears()
                        .forEach(l -> dense.put(l.name(), l.weight().toFloats()));
            }
        }
        Method steps = () -> List.of(new Sweep(List.of(new Magnitude(), new Regrow(), last)));
        Method passes =
                () -> List.of(new Sweep(new Magnitude()), new Sweep(new Regrow()), new Sweep(last));
        for (var method : List.of(steps, passes)) {
            known.clear();
            run(method, HALF, PLAIN, 2);
            assertEquals(dense.keySet(), known.keySet());
            known.forEach(
                    (layer, earlier) -> {
                        assertEquals(2, earlier.size());
                        assertArrayEquals(magnitude.get(layer), earlier.get(0), layer);
                        assertArrayEquals(dense.get(layer), earlier.get(1), layer);
                    });
        }
    }

    @Test
    void sdsInTurnsMakesTheSameBytes() throws IOException {
        var little =
                new Driver.Settings(
                        Inputs.PRUNED, _ -> true, Compute.FLOAT32, 0, 1, Optional.empty());
        for (String schedule : List.of("block", "model")) {
            var method = Methods.create("sds", Map.of("schedule", schedule));
            assertSame(
                    run(method, TWO_OF_FOUR, PLAIN, 2).weights(),
                    run(method, TWO_OF_FOUR, little, 2).weights());
        }
    }

    // ---- broken promises ----

    /// Breaks a promise in one layer of block 1.
    private record Broken(BiFunction<LayerContext, LayerResult, LayerResult> damage)
            implements LayerPruner {
        static final String WHERE = "model.layers.1.mlp.up_proj";

        @Override
        public Set<Statistic> needs() {
            return Set.of();
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            var result = new Magnitude().prune(layer, sparsity);
            return layer.name().equals(WHERE) ? damage.apply(layer, result) : result;
        }
    }

    private void assertRefused(Method method, Sparsity sparsity, String reason) {
        var e = assertThrows(InvariantException.class, () -> run(method, sparsity, PLAIN, 2));
        assertTrue(e.getMessage().startsWith("model.layers."), e.getMessage());
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    private void assertRefused(
            String reason, BiFunction<LayerContext, LayerResult, LayerResult> damage) {
        assertRefused(() -> List.of(new Sweep(new Broken(damage))), HALF, reason);
        Path work = folder.resolve("work" + (runs - 1));
        assertTrue(Files.exists(work.resolve("pass-0-block-0000.safetensors")));
        assertFalse(Files.exists(work.resolve("pass-0-block-0001.safetensors")));
        var e =
                assertThrows(
                        InvariantException.class,
                        () -> run(() -> List.of(new Sweep(new Broken(damage))), HALF, PLAIN, 2));
        assertTrue(e.getMessage().startsWith(Broken.WHERE), e.getMessage());
    }

    @Test
    void aWeightThatIsNotANumberIsRefused() {
        assertRefused(
                "not finite",
                (_, r) ->
                        new LayerResult(
                                r.weight().mul(Double.POSITIVE_INFINITY), r.mask(), r.notes()));
    }

    @Test
    void anotherShapeIsRefused() {
        assertRefused(
                "shape",
                (_, r) -> new LayerResult(r.weight().transpose(0, 1), r.mask(), r.notes()));
    }

    @Test
    void aWeightUnderTheMaskIsRefused() {
        assertRefused(
                "under the mask",
                (layer, r) -> new LayerResult(layer.weight(), r.mask(), r.notes()));
    }

    @Test
    void anotherNumberOfZerosIsRefused() {
        assertRefused(
                "0.5", (layer, _) -> new Magnitude().prune(layer, new Sparsity.Unstructured(0.7)));
        assertRefused(
                "0.5", (layer, _) -> new Magnitude().prune(layer, new Sparsity.Unstructured(0.3)));
    }

    @Test
    void aMaskOfAnotherShapeIsRefused() {
        assertRefused(
                "is not of",
                (_, r) -> new LayerResult(r.weight(), Mask.of(2, 4, new long[] {3, 3}), r.notes()));
    }

    @Test
    void whatAMethodThrowsArrivesAsItWas() {
        Method method =
                () ->
                        List.of(
                                new Sweep(
                                        new Broken(
                                                (_, _) -> {
                                                    throw new ArithmeticException("lost");
                                                })));
        var e = assertThrows(ArithmeticException.class, () -> run(method, HALF, PLAIN, 2));
        assertEquals("lost", e.getMessage());
    }

    // ---- memory ----

    /// Anonymous memory of this process, after Java has let go of what it can.
    private static long anonymousBytes() {
        System.gc();
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("RssAnon:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @EnabledOnOs(OS.LINUX)
    @Test
    void memoryDoesNotGrowWithTheNumberOfBlocks() throws IOException {
        int blocks = 30;
        int warm = 6;
        model = new TinyLlama(blocks, 256, DType.F32, 1).write(folder.resolve("deep"));
        long blockBytes = Files.size(model.resolve("model.safetensors")) / blocks; // about 2 MB
        long[] after = new long[blocks];
        run(new SparseGpt(0.01, 128), HALF, PLAIN, 2); // what the compiler holds is not of interest
        run(
                new SparseGpt(0.01, 128),
                HALF,
                PLAIN,
                2,
                event -> {
                    if (event instanceof RunEvent.BlockDone done
                            && (done.block() == warm || done.block() == blocks - 1)) {
                        after[done.block()] = anonymousBytes();
                    }
                });
        long growth = after[blocks - 1] - after[warm];
        assertTrue(
                growth < (blocks - 1 - warm) * blockBytes / 3,
                "%,d bytes more after %d blocks of %,d bytes"
                        .formatted(growth, blocks - 1 - warm, blockBytes));
    }
}
