package dev.pollard.recipe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.eval.Decoding;
import dev.pollard.eval.ResultCache;
import dev.pollard.format.DType;
import dev.pollard.format.TensorView;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.ShardedSafetensors;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.TinyLlama;
import dev.pollard.prune.Allocation;
import dev.pollard.prune.Allotment;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Histogram;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.LayerReport;
import dev.pollard.prune.RunEvent;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.stats.Statistic;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PruningRunTest {
    private static final int BLOCKS = 2;

    @TempDir private Path folder;
    private Path model;
    private Path out;
    private Path ids;

    @BeforeEach
    void writeInputs() throws IOException {
        model = new TinyLlama(BLOCKS).write(folder.resolve("model"));
        ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(6, 20, 64, 1));
        out = folder.resolve("out");
    }

    /// Listens, and stops the run at a block if it is told to: counted through all passes.
    private static class Listener implements RunListener {
        final List<String> warnings = new ArrayList<>();
        final List<RunEvent> events = new ArrayList<>();
        final List<RunEvent> control = new ArrayList<>();
        int stopAfter = Integer.MAX_VALUE;
        int stopControlAfter = Integer.MAX_VALUE;

        @Override
        public void step(String what) {}

        @Override
        public void pruning(RunEvent event) {
            events.add(event);
            if (event instanceof RunEvent.BlockDone done && index(done) == stopAfter) {
                throw new IllegalStateException("stopped");
            }
        }

        @Override
        public void control(RunEvent event) {
            control.add(event);
            if (event instanceof RunEvent.BlockDone done && index(done) == stopControlAfter) {
                throw new IllegalStateException("stopped");
            }
        }

        private static int index(RunEvent.BlockDone done) {
            return done.pass() * BLOCKS + done.block();
        }

        @Override
        public void evaluating(String what, long done, long total) {}

        @Override
        public void warn(String message) {
            warnings.add(message);
        }
    }

    private Recipe recipe(String method, String sparsity) {
        return new Recipe(
                model,
                new Recipe.Pruning(
                        method,
                        Map.of(),
                        Sparsity.parse(sparsity),
                        new Allocation.Uniform(),
                        Inputs.PRUNED,
                        Optional.empty(),
                        Optional.empty(),
                        0,
                        true),
                new Recipe.Calibration(List.of(ids.toString()), 6, OptionalInt.of(20), true),
                new Recipe.Evaluation(
                        List.of("perplexity:" + ids), OptionalInt.of(20), OptionalInt.empty()),
                new Recipe.Resources(
                        Compute.FLOAT32,
                        2,
                        1L << 40,
                        false,
                        Optional.empty(),
                        Optional.empty(),
                        false),
                new Recipe.Output(out, "keep", false));
    }

    private static Recipe with(Recipe recipe, Recipe.Pruning pruning) {
        return new Recipe(
                recipe.model(),
                pruning,
                recipe.calibration(),
                recipe.evaluation(),
                recipe.resources(),
                recipe.output());
    }

    private static Recipe with(Recipe recipe, Recipe.Output output, boolean resume) {
        var resources = recipe.resources();
        return new Recipe(
                recipe.model(),
                recipe.pruning(),
                recipe.calibration(),
                recipe.evaluation(),
                new Recipe.Resources(
                        resources.compute(),
                        resources.threads(),
                        resources.memoryBytes(),
                        resources.recompute(),
                        resources.work(),
                        resources.gradients(),
                        resume),
                output);
    }

    private RunRecord run(Recipe recipe, RunListener listener) throws IOException {
        var cache = new ResultCache(folder.resolve("cache"), "1");
        try (var run = PruningRun.prepare(recipe, cache, listener)) {
            return run.execute("pollard run …", "1.2.3", (_, _) -> {});
        }
    }

    private RunRecord run(Recipe recipe) throws IOException {
        return run(recipe, new Listener());
    }

    private byte[] weights() throws IOException {
        return Files.readAllBytes(out.resolve("model.safetensors"));
    }

    /// What lies beside the model: outputs and work folders.
    private Set<String> remains() throws IOException {
        try (var files = Files.list(folder)) {
            var names = new TreeSet<String>();
            files.forEach(file -> names.add(file.getFileName().toString()));
            names.removeAll(Set.of("model", "ids.npy", "cache"));
            return names;
        }
    }

    // ---- the output folder ----

    @ParameterizedTest
    @CsvSource({
        "magnitude, 0.5",
        "magnitude, 2:4",
        "wanda, 0.5",
        "wanda, 2:4",
        "sparsegpt, 0.5",
        "sparsegpt, 2:4",
        "sparsegpt, 1:4",
        "wanda, 4:8",
        "magnitude, 0"
    })
    void everyMethodWritesAModelOfExactlyTheSparsityAskedFor(String method, String sparsity)
            throws IOException {
        var record = run(recipe(method, sparsity));
        double asked = Sparsity.parse(sparsity).fraction();
        assertEquals(asked, record.sparsity(), 1e-12);
        assertEquals(Set.of("out"), remains());
        try (var before = ShardedSafetensors.open(model);
                var after = ShardedSafetensors.open(out)) {
            assertEquals(before.tensors().keySet(), after.tensors().keySet());
            for (var tensor : before.tensors().values()) {
                var written = after.tensors().get(tensor.name());
                assertEquals(tensor.storage(), written.storage());
                assertEquals(tensor.shape(), written.shape());
                if (tensor.name().contains("_proj")) {
                    assertPattern(Sparsity.parse(sparsity), written);
                } else {
                    assertEquals(-1, tensor.data().mismatch(written.data()), tensor.name());
                }
            }
        }
        try (var opened = Model.open(out)) {
            assertTrue(opened.forward(new int[] {1, 2, 3}, Compute.FLOAT32).isFinite());
        }
    }

    private static void assertPattern(Sparsity sparsity, TensorView tensor) {
        float[] weights = tensor.toFloats();
        int zeros = 0;
        for (float w : weights) {
            zeros += w == 0 ? 1 : 0;
            assertFalse(w == 0 && Float.floatToRawIntBits(w) != 0, "-0 in " + tensor.name());
        }
        assertEquals(weights.length * sparsity.fraction(), zeros, tensor.name());
        if (sparsity instanceof Sparsity.SemiStructured(int keep, int of)) {
            for (int g = 0; g < weights.length; g += of) {
                int kept = 0;
                for (int i = g; i < g + of; i++) {
                    kept += weights[i] == 0 ? 0 : 1;
                }
                assertEquals(keep, kept, tensor.name());
            }
        }
    }

    @Test
    void bothModelsWriteSamples() throws IOException {
        var record = run(recipe("magnitude", "0.5"));
        assertEquals(3, record.samples().size());
        for (var sample : record.samples()) {
            assertFalse(sample.prompt().isBlank());
            assertEquals(40, sample.dense().strip().split(" ").length);
            assertEquals(40, sample.pruned().strip().split(" ").length);
        }
        assertEquals(List.of(), record.warnings());
    }

    /// Without anything to measure, nor samples.
    private static Recipe silent(Recipe recipe) {
        var nothing =
                new Recipe.Evaluation(
                        List.of(),
                        OptionalInt.empty(),
                        OptionalInt.empty(),
                        Path.of(""),
                        0,
                        0,
                        Decoding.GREEDY,
                        OptionalInt.empty(),
                        false);
        return new Recipe(
                recipe.model(),
                recipe.pruning(),
                recipe.calibration(),
                nothing,
                recipe.resources(),
                recipe.output());
    }

    @Test
    void noSamplesAreWrittenIfNoneAreWanted() throws IOException {
        var recipe = recipe("magnitude", "0.5");
        var silent = silent(recipe);
        try (var one = prepare(silent);
                var other = prepare(recipe)) {
            assertEquals(0, one.plan().memory().evaluation());
            assertTrue(other.plan().memory().evaluation() > 0);
        }
        var record = run(silent);
        assertEquals(List.of(), record.samples());
        assertEquals(List.of(), record.warnings());
    }

    @Test
    void choosingAModelTakesMemoryThoughNothingIsMeasured() throws IOException {
        for (boolean sweeps : List.of(true, false)) {
            var recipe = sds(Map.of("schedule", sweeps ? "model" : "block"), true);
            var silent = silent(recipe);
            try (var run = prepare(silent)) {
                assertEquals(sweeps, run.plan().memory().evaluation() > 0);
            }
        }
    }

    @Test
    void samplesNeedATokenizer() throws IOException {
        Files.delete(model.resolve("tokenizer.json"));
        var record = run(recipe("magnitude", "0.5"));
        assertEquals(List.of(), record.samples());
        assertEquals(
                List.of("no samples were written: the model has no tokenizer"), record.warnings());
    }

    @Test
    void aSettingThatDecidesNothingIsToldAndRecorded() throws IOException {
        var listener = new Listener();
        var settings = Map.of("solver", "gradient", "steps", "2", "pull", "0.3");
        var record = run(with(recipe("sds", "2:4"), settings), listener);
        var told = List.of("--set pull=0.3 changes nothing: sds as set does the same without");
        assertEquals(told, listener.warnings);
        assertTrue(record.warnings().containsAll(told), record.warnings().toString());
    }

    @Test
    void theReportHasTheKeysOfItsSchema() throws IOException {
        run(recipe("sparsegpt", "2:4"));
        JsonNode report = new ObjectMapper().readTree(out.resolve("pollard/report.json").toFile());
        assertKeys(
                report,
                "schema pollard command created model method pattern seed calibration layers"
                        + " sparsity evaluations size seconds peak_rss_bytes warnings");
        assertKeys(report.get("model"), "path architecture parameters prunable bytes sha256");
        assertKeys(report.get("method"), "name settings");
        assertKeys(report.get("method").get("settings"), "damping block");
        assertKeys(report.get("calibration"), "source sequences length tokens sha256");
        assertKeys(
                report.get("layers").get(0),
                "name rows columns sparsity relative_error seconds notes");
        assertKeys(
                report.get("evaluations").get(0),
                "task metric dense pruned stderr tokens windows length");
        assertKeys(report.get("size"), "dense_bytes bitmask_bytes");
        assertKeys(report.get("seconds"), "total load capture prune propagate evaluate save");
        assertEquals(1, report.get("schema").asInt());
        assertEquals("1.2.3", report.get("pollard").asText());
        assertEquals("2:4", report.get("pattern").asText());
        assertEquals("llama", report.get("model").get("architecture").asText());
        int prunable = BLOCKS * (16 * 16 * 3 + 24 * 16 * 3);
        assertEquals(prunable, report.get("model").get("prunable").asInt());
        assertEquals(BLOCKS * 7, report.get("layers").size());
        assertEquals(6 * 20, report.get("calibration").get("tokens").asInt());
        long dense = report.get("size").get("dense_bytes").asLong();
        long bitmask = report.get("size").get("bitmask_bytes").asLong();
        assertEquals(dense - 4 * prunable / 2 + prunable / 8, bitmask);
        for (var layer : report.get("layers")) {
            double error = layer.get("relative_error").asDouble();
            assertTrue(error > 0 && error < 1, layer.toString());
        }
        for (String key : List.of("dense", "pruned")) {
            assertTrue(report.get("evaluations").get(0).get(key).asDouble() > 1);
        }
    }

    private static void assertKeys(JsonNode node, String keys) {
        for (String key : keys.split(" ")) {
            assertTrue(node.has(key), key + " is missing in " + node);
        }
    }

    @Test
    void everyBlockIsInTheEventLog() throws IOException {
        run(recipe("wanda", "0.5"));
        var events = new ArrayList<String>();
        for (String line : Files.readAllLines(out.resolve("pollard/events.jsonl"))) {
            events.add(new ObjectMapper().readTree(line).get("event").asText());
        }
        assertEquals(BLOCKS, events.stream().filter("block_done"::equals).count());
        assertEquals(7 * BLOCKS, events.stream().filter("layer_done"::equals).count());
    }

    @Test
    void halfPrecisionStaysHalfPrecision() throws IOException {
        for (var dtype : List.of(DType.BF16, DType.F16)) {
            model = new TinyLlama(BLOCKS, 16, dtype, 5).write(folder.resolve("model"));
            run(with(recipe("sparsegpt", "2:4"), new Recipe.Output(out, "keep", true), false));
            try (var written = ShardedSafetensors.open(out)) {
                for (var tensor : written.tensors().values()) {
                    assertEquals(dtype.toString(), tensor.storage());
                }
            }
        }
    }

    @Test
    void methodsWithoutStatisticsNeedNoCalibration() throws IOException {
        var recipe = recipe("magnitude", "0.5");
        var none = new Recipe.Calibration(List.of(), 6, OptionalInt.empty(), true);
        var record =
                run(
                        new Recipe(
                                model,
                                recipe.pruning(),
                                none,
                                recipe.evaluation(),
                                recipe.resources(),
                                recipe.output()));
        assertEquals(0, record.calibration().tokens());
    }

    @Test
    void includeAndExcludeChooseTheLayers() throws IOException {
        var recipe = recipe("sparsegpt", "2:4");
        var pruning = recipe.pruning();
        var record =
                run(
                        with(
                                recipe,
                                new Recipe.Pruning(
                                        pruning.method(),
                                        pruning.settings(),
                                        pruning.sparsity(),
                                        pruning.allocation(),
                                        pruning.inputs(),
                                        Optional.of(Pattern.compile("layers\\.1\\.")),
                                        Optional.of(Pattern.compile("mlp")),
                                        0,
                                        true)));
        assertEquals(
                List.of("q_proj", "k_proj", "v_proj", "o_proj"),
                record.layers().stream()
                        .map(layer -> layer.name().replaceFirst("model.layers.1.self_attn.", ""))
                        .toList());
        assertEquals(0.5, record.sparsity());
    }

    @Test
    void aLayerOfSeveralStepsIsOneEntry() {
        var first = step("h.0.a", 0, 0.5, 0.3, "damped");
        var other = step("h.0.b", 0, 0.5, 0.2, "");
        var second = step("h.0.a", 1, 0.25, 0.1, "again");
        var layers = new LayerStory(List.of(first, other, second), 0).facts();
        assertEquals(
                List.of("h.0.a", "h.0.b"),
                layers.stream().map(RunRecord.LayerFacts::name).toList());
        var layer = layers.getFirst();
        assertEquals(0.1, layer.relativeError());
        assertEquals(0.25, layer.sparsity());
        assertEquals(4, layer.seconds());
        assertEquals(List.of("step 1 pruned: damped", "step 2 pruned: again"), layer.notes());
        assertEquals(
                List.of(
                        new RunRecord.StepFacts("1 pruned", 0.3, 0.4, 0.5, 2, 5L),
                        new RunRecord.StepFacts("2 pruned", 0.1, 0.4, 0.25, 2, 5L)),
                layer.steps());
        assertEquals(2, layer.histogram().bound());
        assertEquals(
                List.of("dense", "1 pruned", "2 pruned"),
                List.copyOf(layer.histogram().counts().keySet()));
        assertEquals(1, layers.getLast().steps().size());
    }

    @Test
    void whatManyLayersSayIsOneLine() {
        var reports = new ArrayList<LayerReport>();
        for (String layer : List.of("a", "b", "c", "d")) {
            reports.add(step(layer, 0, 0.5, 0.3, "dead"));
            reports.add(step(layer, 1, 0.5, 0.3, layer.equals("d") ? "kept" : "dead"));
        }
        assertEquals(
                List.of(
                        "4 layers, the first a: step 1 pruned: dead",
                        "a: step 2 pruned: dead",
                        "b: step 2 pruned: dead",
                        "c: step 2 pruned: dead",
                        "d: step 2 pruned: kept"),
                new LayerStory(reports, 0).notes());
    }

    private static LayerReport step(
            String name, int step, double sparsity, double error, String note) {
        return new LayerReport(
                name,
                0,
                step,
                "pruned",
                8,
                8,
                sparsity,
                error,
                0.4,
                LayerReport.ErrorKind.OUTPUT,
                5L,
                2,
                List.of(note),
                new Histogram(2, new long[] {1, 2, 1}),
                new Histogram(2, new long[] {1, 0, 1}));
    }

    @Test
    void theRecordNamesTheMachine() throws IOException {
        var environment = run(recipe("magnitude", "0.5")).environment();
        assertEquals(Runtime.version().toString(), environment.java());
        assertTrue(environment.libtorch().matches("\\d+\\.\\d+.*"), environment.libtorch());
        assertFalse(environment.os().isBlank());
        assertFalse(environment.processor().isBlank());
        assertTrue(environment.threads() >= 1);
    }

    @Test
    void thePlanCountsAGramOnceForAllThatShareIt() throws IOException {
        try (var run = prepare(recipe("sparsegpt", "0.5"))) {
            long square = Driver.gramBytes(16, 2, Set.of(Statistic.GRAM), 0);
            long down = Driver.gramBytes(24, 2, Set.of(Statistic.GRAM), 0);
            assertEquals(
                    List.of(square, 0L, 0L, square, square, 0L, down),
                    run.plan().layers().stream()
                            .filter(layer -> layer.block() == 1)
                            .map(Plan.Layer::gramBytes)
                            .toList());
            assertEquals(3 * square + down, run.plan().memory().grams());
        }
    }

    @Test
    void thePlanCountsInputsThatAreKept() throws IOException {
        var recipe = recipe("sds", "0.5");
        try (var grams = prepare(recipe);
                var one = prepare(with(recipe, Map.of("solver", "adam")));
                var both = prepare(with(recipe, Map.of("solver", "adam", "data", "cross")));
                var cross = prepare(with(recipe, Map.of("data", "cross")))) {
            long inputs = 4 * 6 * 20 * (3 * 16 + 24); // of 6 sequences of 20 tokens
            assertEquals(inputs, one.plan().memory().grams() - grams.plan().memory().grams());
            assertEquals(2 * inputs, both.plan().memory().grams() - cross.plan().memory().grams());
        }
    }

    private static Recipe with(Recipe recipe, Map<String, String> settings) {
        var pruning = recipe.pruning();
        return with(
                recipe,
                new Recipe.Pruning(
                        pruning.method(),
                        settings,
                        pruning.sparsity(),
                        pruning.allocation(),
                        pruning.inputs(),
                        pruning.include(),
                        pruning.exclude(),
                        pruning.seed(),
                        pruning.control()));
    }

    /// Weights are re-aimed before a method's one step; where steps have aims of their own it would
    /// be undone.
    @ParameterizedTest
    @ValueSource(strings = {"sds", "taylor", "dpruner"})
    void bothInputsAreForMethodsOfOneStep(String method) throws IOException {
        var recipe = withInputs(recipe(method, "0.5"), Inputs.BOTH);
        var e = assertThrows(IllegalArgumentException.class, () -> prepare(recipe).close());
        assertTrue(e.getMessage().startsWith("--inputs both re-aims"), e.getMessage());
    }

    @Test
    void bothInputsNeedCalibrationWhateverTheMethod() throws IOException {
        var recipe = withInputs(recipe("magnitude", "0.5"), Inputs.BOTH);
        try (var one = prepare(recipe("magnitude", "0.5"));
                var both = prepare(recipe)) {
            assertEquals(0, one.plan().memory().activations());
            assertEquals(2 * 4 * 6 * 20 * 16, both.plan().memory().activations());
        }
        var dataless =
                new Recipe(
                        recipe.model(),
                        recipe.pruning(),
                        new Recipe.Calibration(List.of(), 6, OptionalInt.of(20), true),
                        recipe.evaluation(),
                        recipe.resources(),
                        recipe.output());
        var e = assertThrows(IllegalArgumentException.class, () -> prepare(dataless));
        assertTrue(e.getMessage().startsWith("--inputs both needs"), e.getMessage());
    }

    private static Recipe withInputs(Recipe recipe, Inputs inputs) {
        var pruning = recipe.pruning();
        return with(
                recipe,
                new Recipe.Pruning(
                        pruning.method(),
                        pruning.settings(),
                        pruning.sparsity(),
                        pruning.allocation(),
                        inputs,
                        pruning.include(),
                        pruning.exclude(),
                        pruning.seed(),
                        pruning.control()));
    }

    private PruningRun prepare(Recipe recipe) throws IOException {
        return PruningRun.prepare(
                recipe, new ResultCache(folder.resolve("cache"), "1"), new Listener());
    }

    // ---- what stays and what goes ----

    @Test
    void aStoppedRunResumesToTheSameBytes() throws IOException {
        run(recipe("sparsegpt", "2:4"));
        byte[] expected = weights();
        Folders.delete(out);
        var stopping = new Listener();
        stopping.stopAfter = 0;
        assertThrows(IllegalStateException.class, () -> run(recipe("sparsegpt", "2:4"), stopping));
        assertEquals(Set.of("out.work"), remains());
        var resuming = new Listener();
        run(with(recipe("sparsegpt", "2:4"), recipe("wanda", "0.5").output(), true), resuming);
        assertArrayEquals(expected, weights());
        assertEquals(Set.of("out"), remains());
        assertEquals(
                List.of(true, false),
                resuming.events.stream()
                        .filter(RunEvent.BlockDone.class::isInstance)
                        .map(event -> ((RunEvent.BlockDone) event).resumed())
                        .toList());
    }

    // ---- sparsity by layer ----

    private Recipe owl(String method, String sparsity) {
        return withAllocation(recipe(method, sparsity), new Allocation.Owl(0.1, 2.5));
    }

    private static Recipe withAllocation(Recipe recipe, Allocation allocation) {
        var pruning = recipe.pruning();
        return with(
                recipe,
                new Recipe.Pruning(
                        pruning.method(),
                        pruning.settings(),
                        pruning.sparsity(),
                        allocation,
                        pruning.inputs(),
                        pruning.include(),
                        pruning.exclude(),
                        pruning.seed(),
                        pruning.control()));
    }

    private static SequencedMap<Integer, Double> surveyed(Listener listener) {
        var outliers = new LinkedHashMap<Integer, Double>();
        for (var event : listener.events) {
            if (event instanceof RunEvent.BlockSurveyed(int block, _, double percentage)) {
                outliers.put(block, percentage);
            }
        }
        return outliers;
    }

    @Test
    void owlTakesLessOfBlocksWithMoreOutliers() throws IOException {
        var listener = new Listener();
        var record = run(owl("magnitude", "0.7"), listener);
        var outliers = surveyed(listener);
        var shares = Allotment.byOutliers(outliers, 0.1, 0.7).shares();
        assertEquals(BLOCKS, shares.size());
        assertEquals(0.2, Math.abs(shares.get(0).ratio() - shares.get(1).ratio()), 1e-12);
        for (var layer : record.layers()) {
            double ratio = shares.get(layer.name().contains("layers.0.") ? 0 : 1).ratio();
            long size = layer.rows() * layer.columns();
            assertEquals(
                    (double) Selection.count(size, ratio) / size, layer.sparsity(), layer.name());
        }
        assertEquals(0.7, record.sparsity(), 0.005); // every layer rounds down
        assertEquals("0.7", record.pattern());
        assertEquals("owl, lambda 0.1, m 2.5", record.method().allocation());
        assertEquals(List.of(), listener.warnings);
    }

    @ParameterizedTest
    @CsvSource({"wanda", "sparsegpt"})
    void owlLeavesAModelThatHoldsTogether(String method) throws IOException {
        var record = run(owl(method, "0.7"));
        assertEquals(0.7, record.sparsity(), 0.05);
        byte[] expected = weights();
        Folders.delete(out);
        run(owl(method, "0.7"));
        assertArrayEquals(expected, weights());
    }

    @Test
    void theRecordTellsWhatBlocksOfDifferentSizesGiveInAll() throws IOException {
        var pruning = owl("magnitude", "0.7").pruning();
        var listener = new Listener();
        var record =
                run(
                        with(
                                recipe("magnitude", "0.7"),
                                new Recipe.Pruning(
                                        pruning.method(),
                                        pruning.settings(),
                                        pruning.sparsity(),
                                        pruning.allocation(),
                                        pruning.inputs(),
                                        Optional.empty(),
                                        Optional.of(Pattern.compile("layers\\.1\\.mlp")),
                                        0,
                                        true)),
                        listener);
        assertTrue(Math.abs(record.sparsity() - 0.7) > 0.01, "" + record.sparsity());
        assertEquals(1, listener.warnings.size());
        assertTrue(listener.warnings.getFirst().contains("of different sizes: 0."));
        assertEquals(listener.warnings, record.warnings());
    }

    @ParameterizedTest
    @ValueSource(strings = {"block", "model"})
    void bothPruningsOfSdsKeepToTheRatiosOfOwl(String schedule) throws IOException {
        var listener = new Listener();
        var record = run(with(owl("sds", "0.7"), Map.of("schedule", schedule)), listener);
        var shares = Allotment.byOutliers(surveyed(listener), 0.1, 0.7).shares();
        assertEquals(0.2, Math.abs(shares.get(0).ratio() - shares.get(1).ratio()), 1e-12);
        for (var layer : record.layers()) {
            double ratio = shares.get(layer.name().contains("layers.0.") ? 0 : 1).ratio();
            for (var step : layer.steps()) {
                double expected = step.step().endsWith("dense again") ? 0 : ratio;
                assertEquals(expected, step.sparsity(), 0.01, layer.name() + " " + step.step());
            }
        }
        assertEquals(record.layers().size(), record.control().layers().size());
    }

    @Test
    void aResumedRunTakesTheRatiosAsTheyWereDecided() throws IOException {
        run(owl("sparsegpt", "0.7"));
        byte[] expected = weights();
        Folders.delete(out);
        var stopping = new Listener();
        stopping.stopAfter = 0;
        assertThrows(IllegalStateException.class, () -> run(owl("sparsegpt", "0.7"), stopping));
        var output = owl("sparsegpt", "0.7").output();
        var other = withAllocation(owl("sparsegpt", "0.7"), new Allocation.Owl(0.1, 2));
        var e = assertThrows(IllegalArgumentException.class, () -> run(with(other, output, true)));
        assertTrue(
                e.getMessage()
                        .contains("allocation was owl:lambda=0.1,m=2.5, is owl:lambda=0.1,m=2"),
                e.getMessage());
        var resuming = new Listener();
        run(with(owl("sparsegpt", "0.7"), output, true), resuming);
        assertEquals(Map.of(), surveyed(resuming));
        assertArrayEquals(expected, weights());
        assertEquals(Set.of("out"), remains());
    }

    @Test
    void aRunStoppedBehindTheSurveyDoesNotSurveyAgain() throws IOException {
        run(owl("sparsegpt", "0.7"));
        byte[] expected = weights();
        Folders.delete(out);
        var stopping =
                new Listener() {
                    @Override
                    public void pruning(RunEvent event) {
                        if (event instanceof RunEvent.BlockStarted) {
                            throw new IllegalStateException("stopped");
                        }
                    }
                };
        assertThrows(IllegalStateException.class, () -> run(owl("sparsegpt", "0.7"), stopping));
        assertEquals(Set.of("out.work"), remains());
        var resuming = new Listener();
        run(with(owl("sparsegpt", "0.7"), owl("sparsegpt", "0.7").output(), true), resuming);
        assertEquals(Map.of(), surveyed(resuming));
        assertArrayEquals(expected, weights());
    }

    @Test
    void owlWantsARatioAndText() throws IOException {
        var pattern = assertThrows(IllegalArgumentException.class, () -> owl("sparsegpt", "2:4"));
        assertTrue(pattern.getMessage().contains("the pattern 2:4"), pattern.getMessage());
        var recipe = owl("magnitude", "0.7");
        var dataless =
                new Recipe(
                        recipe.model(),
                        recipe.pruning(),
                        new Recipe.Calibration(List.of(), 6, OptionalInt.of(20), true),
                        recipe.evaluation(),
                        recipe.resources(),
                        recipe.output());
        var e = assertThrows(IllegalArgumentException.class, () -> prepare(dataless));
        assertTrue(e.getMessage().startsWith("--allocation owl:"), e.getMessage());
        assertEquals(Set.of(), remains());
    }

    // ---- failures ----

    @Test
    void aRunThatFailsBeforeItsFirstBlockLeavesNothing() throws IOException {
        model =
                new TinyLlama(BLOCKS)
                        .write(model, Map.of("model.layers.0.mlp.up_proj.weight", Float.NaN));
        var e = assertThrows(IOException.class, () -> run(recipe("wanda", "0.5")));
        assertTrue(e.getMessage().contains("model.layers.0.mlp.up_proj.weight"), e.getMessage());
        assertEquals(Set.of(), remains());
    }

    @Test
    void overwriteReplacesAnOutputAndNothingElse() throws IOException {
        run(recipe("magnitude", "0.5"));
        byte[] half = weights();
        Path neighbour = Files.createDirectory(folder.resolve("out.old"));
        Files.writeString(neighbour.resolve("mine"), "mine");
        var again = with(recipe("magnitude", "0.25"), new Recipe.Output(out, "keep", true), false);
        run(again);
        assertFalse(java.util.Arrays.equals(half, weights()));
        assertEquals("mine", Files.readString(neighbour.resolve("mine")));
        assertEquals(Set.of("out", "out.old"), remains());
        // A folder that holds something else is not ours to remove.
        Files.delete(out.resolve("pollard/report.json"));
        assertThrows(IllegalArgumentException.class, () -> run(again));
        assertTrue(Files.exists(out.resolve("model.safetensors")));
    }

    @Test
    void anOutputThatAppearsWhileTheRunGoesOnIsNotReplaced() throws IOException {
        var listener =
                new RunListener() {
                    @Override
                    public void step(String what) {
                        if (what.equals("verifying")) {
                            try {
                                Files.createDirectories(out);
                                Files.writeString(out.resolve("mine"), "mine");
                            } catch (IOException e) {
                                throw new java.io.UncheckedIOException(e);
                            }
                        }
                    }

                    @Override
                    public void pruning(RunEvent event) {}

                    @Override
                    public void evaluating(String what, long done, long total) {}

                    @Override
                    public void warn(String message) {}
                };
        assertThrows(IOException.class, () -> run(recipe("magnitude", "0.5"), listener));
        assertEquals("mine", Files.readString(out.resolve("mine")));
        assertEquals(Set.of("out", "out.work"), remains());
    }

    @Test
    void theModelIsNeverReplacedByItsOutput() throws IOException {
        run(recipe("magnitude", "0.5"));
        byte[] before = weights();
        model = out;
        var output = new Recipe.Output(out, "keep", true);
        for (Path target : List.of(out, out.resolve("inside"), folder.resolve("model/../out/"))) {
            var recipe =
                    with(
                            recipe("magnitude", "0.7"),
                            new Recipe.Output(target, "keep", true),
                            false);
            assertThrows(IllegalArgumentException.class, () -> run(recipe), target.toString());
        }
        Path link = Files.createSymbolicLink(folder.resolve("link"), out);
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        run(
                                with(
                                        recipe("magnitude", "0.7"),
                                        new Recipe.Output(link, "keep", true),
                                        false)));
        // A model inside the folder that would be replaced.
        model = new TinyLlama(BLOCKS).write(out.resolve("nested"));
        assertThrows(
                IllegalArgumentException.class,
                () -> run(with(recipe("magnitude", "0.7"), output, false)));
        assertArrayEquals(before, weights());
    }

    // ---- the control ----

    private Recipe sds(Map<String, String> settings, boolean control) {
        var recipe = recipe("sds", "2:4");
        return with(
                recipe,
                new Recipe.Pruning(
                        "sds",
                        settings,
                        recipe.pruning().sparsity(),
                        recipe.pruning().allocation(),
                        Inputs.PRUNED,
                        Optional.empty(),
                        Optional.empty(),
                        0,
                        control));
    }

    @ParameterizedTest
    @ValueSource(strings = {"block", "model"})
    void theControlIsRunBesideTheMethodAndMeasuredAsIfItHadBeenSaved(String schedule)
            throws IOException {
        var listener = new Listener();
        var record = run(sds(Map.of("schedule", schedule), true), listener);
        assertEquals(Set.of("out"), remains());
        var control = record.control();
        assertEquals("adjustment alone", control.name());
        assertEquals(
                record.layers().stream().map(RunRecord.LayerFacts::name).toList(),
                List.copyOf(control.layers().keySet()));
        String log = Files.readString(out.resolve("pollard/events.jsonl"));
        assertTrue(log.contains("\"control\":true"), log);
        Folders.delete(out);
        // The same method, run by itself.
        var alone = run(sds(Map.of("schedule", schedule, "rounds", "0"), true));
        // Through the whole model, the first pruning is that of the method: not made again.
        assertEquals(
                schedule.equals("block")
                        ? List.of(false, false)
                        : List.of(true, true, false, false),
                resumed(listener.control));
        assertNull(alone.control());
        assertEquals(
                alone.evaluations().getFirst().pruned(), record.evaluations().getFirst().control());
        for (var layer : alone.layers()) {
            assertEquals(layer.relativeError(), control.layers().get(layer.name()), layer.name());
        }
        assertEquals(
                alone.layers().stream()
                        .mapToDouble(RunRecord.LayerFacts::relativeError)
                        .average()
                        .orElseThrow(),
                control.relativeError(),
                1e-12);
    }

    @Test
    void aRunStoppedInItsControlResumesThere() throws IOException {
        var whole = run(sds(Map.of(), true));
        byte[] expected = weights();
        Folders.delete(out);
        var stopping = new Listener();
        stopping.stopControlAfter = 0;
        assertThrows(IllegalStateException.class, () -> run(sds(Map.of(), true), stopping));
        assertEquals(Set.of("out.work"), remains());
        assertThrows(IllegalArgumentException.class, () -> run(sds(Map.of(), true)));
        var resuming = new Listener();
        var recipe = sds(Map.of(), true);
        var record = run(with(recipe, recipe.output(), true), resuming);
        assertArrayEquals(expected, weights());
        assertEquals(Set.of("out"), remains());
        assertEquals(List.of(true, true), resumed(resuming.events));
        assertEquals(List.of(true, false), resumed(resuming.control));
        assertEquals(whole.control().layers(), record.control().layers());
        assertEquals(
                whole.evaluations().getFirst().control(),
                record.evaluations().getFirst().control());
    }

    @ParameterizedTest
    @CsvSource({"sd, PRUNED", "kd, PRUNED", "sd, DENSE"})
    void sweepsThroughTheModelAndTheirControlResumeWhereverTheyStop(String data, Inputs inputs)
            throws IOException {
        var plain = sds(Map.of("schedule", "model", "data", data), true);
        var pruning = plain.pruning();
        var recipe =
                with(
                        plain,
                        new Recipe.Pruning(
                                pruning.method(),
                                pruning.settings(),
                                pruning.sparsity(),
                                pruning.allocation(),
                                inputs,
                                pruning.include(),
                                pruning.exclude(),
                                pruning.seed(),
                                pruning.control()));
        var whole = run(recipe);
        byte[] expected = weights();
        Folders.delete(out);
        int ofTheMethod = 3 * BLOCKS;
        for (int stop = 0; stop < ofTheMethod + 2 * BLOCKS; stop++) {
            var stopping = new Listener();
            if (stop < ofTheMethod) {
                stopping.stopAfter = stop;
            } else {
                stopping.stopControlAfter = stop - ofTheMethod;
            }
            assertThrows(IllegalStateException.class, () -> run(recipe, stopping));
            var record = run(with(recipe, recipe.output(), true));
            assertArrayEquals(expected, weights(), "stopped after " + stop);
            assertEquals(whole.control().layers(), record.control().layers());
            Folders.delete(out);
        }
    }

    @Test
    void whatTheControlTakesOfItsRunIsOnDiskOnce() throws IOException {
        var stopping = new Listener();
        stopping.stopControlAfter = 0;
        var recipe = sds(Map.of("schedule", "model"), true);
        assertThrows(IllegalStateException.class, () -> run(recipe, stopping));
        Path work = folder.resolve("out.work");
        String first = "pass-0-block-0000.safetensors";
        assertTrue(Files.isSameFile(work.resolve(first), work.resolve("control").resolve(first)));
        long own = Folders.bytes(work);
        long controls = Folders.bytes(work.resolve("control"));
        long shared = 0;
        for (int block = 0; block < BLOCKS; block++) {
            shared += Files.size(work.resolve("pass-0-block-%04d.safetensors".formatted(block)));
        }
        assertEquals(own + controls - shared, WorkFolder.bytes(work));
        run(with(recipe, recipe.output(), true));
        assertEquals(Set.of("out"), remains());
    }

    private static List<Boolean> resumed(List<RunEvent> events) {
        return events.stream()
                .filter(RunEvent.BlockDone.class::isInstance)
                .map(event -> ((RunEvent.BlockDone) event).resumed())
                .toList();
    }

    @Test
    void anUnfinishedControlGoesWhereItsRunGoes() throws IOException {
        var stopping = new Listener();
        stopping.stopControlAfter = 0;
        assertThrows(IllegalStateException.class, () -> run(sds(Map.of(), true), stopping));
        var other = sds(Map.of("exact", "3"), true);
        run(with(other, new Recipe.Output(out, "keep", true), false));
        assertEquals(Set.of("out"), remains());
    }

    @Test
    void withoutItsControlTheModelIsTheSame() throws IOException {
        run(sds(Map.of(), true));
        byte[] expected = weights();
        Folders.delete(out);
        var listener = new Listener();
        var record = run(sds(Map.of(), false), listener);
        assertArrayEquals(expected, weights());
        assertNull(record.control());
        assertNull(record.evaluations().getFirst().control());
        assertEquals(List.of(), listener.control);
        assertEquals(List.of("the control, adjustment alone, was not run"), listener.warnings);
        assertTrue(record.warnings().containsAll(listener.warnings));
        assertNull(
                run(with(recipe("wanda", "0.5"), new Recipe.Output(out, "keep", true), false))
                        .control());
    }

    @Test
    void theStepsOfALayerAreTold() throws IOException {
        var layer = run(sds(Map.of(), false)).layers().getFirst();
        var names = List.of("1 pruned", "2 dense again", "3 pruned", "4 adjusted");
        assertEquals(names, layer.steps().stream().map(RunRecord.StepFacts::step).toList());
        assertTrue(layer.histogram().counts().keySet().containsAll(names));
        assertNull(layer.steps().getFirst().maskMoved());
        for (int i : List.of(2, 3)) {
            assertTrue(layer.steps().get(i).maskMoved() >= 0);
            assertTrue(layer.steps().get(i).heldOutError() > 0);
        }
        assertTrue(layer.steps().get(1).relativeError() < layer.steps().get(0).relativeError());
        long kept = layer.rows() * layer.columns() / 2;
        for (String sparse : List.of("1 pruned", "3 pruned", "4 adjusted")) {
            assertEquals(
                    kept, java.util.Arrays.stream(layer.histogram().counts().get(sparse)).sum());
        }
    }

    @Test
    void thePlanOfSdsCountsPassesStepsAndControl() throws IOException {
        long weights = 4L * BLOCKS * (16 * 16 * 3 + 24 * 16 * 3);
        try (var block = prepare(sds(Map.of(), true));
                var alone = prepare(sds(Map.of(), false));
                var model = prepare(sds(Map.of("schedule", "model"), true));
                var base = prepare(recipe("sparsegpt", "2:4"))) {
            assertEquals(2 * weights, block.plan().workBytes());
            assertEquals(weights, alone.plan().workBytes());
            assertEquals((3 + 1) * weights, model.plan().workBytes());
            assertEquals(weights / BLOCKS * (2 + 4), block.plan().memory().block());
            assertEquals(weights / BLOCKS * (2 + 1), base.plan().memory().block());
            assertTrue(block.operations() > alone.operations());
            assertTrue(alone.operations() > base.operations());
        }
    }

    // ---- the early exit of the model ----

    /// What is rebuilt is nothing, and nothing is adjusted.
    private static final Map<String, String> UNDONE =
            Map.of(
                    "schedule",
                    "model",
                    "solver",
                    "gradient",
                    "l2",
                    "1e6",
                    "soft",
                    "0",
                    "exact",
                    "0");

    /// Keeps the blocks of a run from before it removes them.
    private final class Keeper implements RunListener {
        @Override
        public void step(String what) {
            if (what.equals("verifying")) {
                try {
                    for (int pass : List.of(0, 2)) {
                        String name = "pass-%d-block-0001.safetensors".formatted(pass);
                        Files.copy(
                                folder.resolve("out.work").resolve(name),
                                folder.resolve("cache").resolve(name),
                                StandardCopyOption.REPLACE_EXISTING);
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }

        @Override
        public void pruning(RunEvent event) {}

        @Override
        public void evaluating(String what, long done, long total) {}

        @Override
        public void warn(String message) {}
    }

    @Test
    void theOutputHoldsTheModelThatWasChosen() throws IOException {
        var chosen = new HashSet<Boolean>();
        for (var ratio : List.of("0.3", "0.5", "0.7", "2:4")) {
            chosen.add(holdsTheFirst(Map.of("schedule", "model"), ratio));
        }
        assertTrue(chosen.contains(false));
        assertTrue(holdsTheFirst(UNDONE, "2:4"));
    }

    /// Whether the output is the model of the first pruning; checks that it is what the record
    // says.
    private boolean holdsTheFirst(Map<String, String> settings, String ratio) throws IOException {
        Files.createDirectories(folder.resolve("cache"));
        var output = new Recipe.Output(out, "keep", true);
        var record =
                run(
                        with(with(recipe("sds", ratio), pruning(settings, ratio)), output, false),
                        new Keeper());
        boolean first =
                record.warnings().stream()
                        .anyMatch(w -> w.contains("pruned model is left as pass 1 left it"));
        String layer = "model.layers.1.mlp.up_proj";
        String kept = "cache/pass-%d-block-0001.safetensors".formatted(first ? 0 : 2);
        try (var written = ShardedSafetensors.open(out);
                var block = SafetensorsFile.open(folder.resolve(kept))) {
            assertArrayEquals(
                    block.tensors().get(layer).toFloats(),
                    written.tensors().get(layer + ".weight").toFloats());
        }
        for (var facts : record.layers()) {
            var step = first ? facts.steps().getFirst() : facts.steps().getLast();
            assertEquals(step.relativeError(), facts.relativeError());
        }
        return first;
    }

    @ParameterizedTest
    @CsvSource({"6, tokens held out", "1, all tokens"})
    void theChoiceSaysWhatJudgedIt(int samples, String tokens) throws IOException {
        var recipe = with(recipe("sds", "2:4"), pruning(UNDONE, "2:4"));
        var asked = recipe.calibration();
        var record =
                run(
                        new Recipe(
                                recipe.model(),
                                recipe.pruning(),
                                new Recipe.Calibration(
                                        asked.sources(), samples, asked.length(), asked.random()),
                                recipe.evaluation(),
                                recipe.resources(),
                                recipe.output()));
        assertTrue(
                record.warnings().stream().anyMatch(w -> w.contains("its loss on " + tokens)),
                record.warnings().toString());
    }

    private static Recipe.Pruning pruning(Map<String, String> settings, String ratio) {
        return new Recipe.Pruning(
                "sds",
                settings,
                Sparsity.parse(ratio),
                new Allocation.Uniform(),
                Inputs.PRUNED,
                Optional.empty(),
                Optional.empty(),
                0,
                false);
    }
}
