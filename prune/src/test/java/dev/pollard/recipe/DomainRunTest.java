package dev.pollard.recipe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.eval.Decoding;
import dev.pollard.eval.ResultCache;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.TinyLlama;
import dev.pollard.prune.Allocation;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.RunEvent;
import dev.pollard.prune.Sparsity;
import dev.pollard.tensor.Scope;
import dev.pollard.train.GradientPass.Activations;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Runs of methods that take gradients, from the recipe to the output folder.
class DomainRunTest {
    @TempDir private Path folder;
    private Path model;
    private Path general;
    private Path domain;
    private Path out;
    private boolean recompute;
    private final List<RunEvent> events = new ArrayList<>();
    private final List<RunEvent> control = new ArrayList<>();

    @BeforeEach
    void writeInputs() throws IOException {
        model = new TinyLlama(3).write(folder.resolve("model"));
        general = TinyLlama.npy(folder.resolve("general.npy"), TinyLlama.ids(6, 20, 64, 1));
        domain = TinyLlama.npy(folder.resolve("domain.npy"), TinyLlama.ids(6, 20, 32, 2));
        out = folder.resolve("out");
    }

    private final RunListener listener =
            new RunListener() {
                @Override
                public void step(String what) {}

                @Override
                public void pruning(RunEvent event) {
                    events.add(event);
                }

                @Override
                public void control(RunEvent event) {
                    control.add(event);
                }

                @Override
                public void evaluating(String what, long done, long total) {}

                @Override
                public void warn(String message) {}
            };

    private Recipe recipe(String method, Map<String, String> set, String... domains) {
        return recipe(method, set, List.of(general.toString()), OptionalInt.empty(), domains);
    }

    private Recipe recipe(
            String method,
            Map<String, String> set,
            List<String> calibration,
            OptionalInt domainLength,
            String... domains) {
        return new Recipe(
                model,
                pruning(method, set, false),
                new Recipe.Calibration(calibration, 6, OptionalInt.of(20), true),
                new Recipe.Domains(List.of(domains), 4, domainLength),
                new Recipe.Evaluation(List.of(), OptionalInt.empty(), OptionalInt.empty()),
                resources(1L << 40),
                new Recipe.Output(out, "keep", false));
    }

    private Recipe.Resources resources(long memory) {
        return new Recipe.Resources(
                Compute.FLOAT32, 2, memory, recompute, Optional.empty(), Optional.empty(), false);
    }

    private static Recipe.Pruning pruning(String method, Map<String, String> set, boolean ofModel) {
        return new Recipe.Pruning(
                method,
                set,
                Sparsity.parse("0.5"),
                ofModel,
                new Allocation.Uniform(),
                Inputs.PRUNED,
                Optional.empty(),
                Optional.empty(),
                0,
                true);
    }

    private PruningRun prepare(Recipe recipe) throws IOException {
        return PruningRun.prepare(recipe, new ResultCache(folder.resolve("cache"), "1"), listener);
    }

    private RunRecord run(Recipe recipe) throws IOException {
        try (var run = prepare(recipe)) {
            return run.execute("pollard run …", "1.2.3", (_, _) -> {});
        }
    }

    @ParameterizedTest
    @CsvSource({"taylor", "dpruner"})
    void aDomainPrunesAModel(String method) throws IOException {
        Map<String, String> set = method.equals("dpruner") ? Map.of("exact", "0") : Map.of();
        var record = run(recipe(method, set, "words=" + domain));
        assertEquals(0.5, record.sparsity(), 0.001);
        assertEquals(1, record.domains().size());
        var facts = record.domains().getFirst();
        assertEquals("words", facts.name());
        assertEquals(4, facts.sequences());
        assertEquals(20, facts.length());
        assertEquals(64, facts.sha256().length());
        assertTrue(record.seconds().gradients() > 0);
        var samples =
                events.stream()
                        .filter(RunEvent.SamplesDone.class::isInstance)
                        .map(RunEvent.SamplesDone.class::cast)
                        .toList();
        assertEquals(List.of(2, 4), samples.stream().map(RunEvent.SamplesDone::done).toList());
        assertTrue(samples.getFirst().loss() > 1);
        // The kept weights are the model's own, the record can be read again.
        assertFalse(record.layers().isEmpty());
        assertEquals(record.toJson(), RunRecord.read(out.resolve("pollard/report.json")).toJson());
        try (var before = Model.open(model);
                var after = Model.open(out);
                var _ = Scope.open()) {
            for (var entry : before.checkpoint().prunable()) {
                float[] dense = before.weight(entry).toFloats();
                float[] sparse = after.weight(after.checkpoint().named(entry.name())).toFloats();
                for (int i = 0; i < dense.length; i++) {
                    assertTrue(sparse[i] == 0 || sparse[i] == dense[i]);
                }
            }
        }
    }

    private Recipe sharing(Path gradients, String method, Map<String, String> set, double ratio) {
        var recipe = recipe(method, set, "words=" + domain);
        return new Recipe(
                recipe.model(),
                new Recipe.Pruning(
                        method,
                        set,
                        new Sparsity.Unstructured(ratio),
                        new Allocation.Uniform(),
                        Inputs.PRUNED,
                        Optional.empty(),
                        Optional.empty(),
                        0,
                        true),
                recipe.calibration(),
                recipe.domains(),
                recipe.evaluation(),
                new Recipe.Resources(
                        Compute.FLOAT32,
                        2,
                        1L << 40,
                        false,
                        Optional.empty(),
                        Optional.of(gradients),
                        false),
                recipe.output());
    }

    private static List<Path> list(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.toList();
        }
    }

    @Test
    void runsShareGradients() throws IOException {
        Path gradients = folder.resolve("shared/gradients");
        var set = Map.of("exact", "0");
        run(sharing(gradients, "taylor", Map.of(), 0.3));
        Files.move(out, folder.resolve("first"));
        assertEquals(1, list(gradients).size());
        assertFalse(Files.exists(folder.resolve("out.work")));

        // Another ratio, another method whose gradients come in another pass: the same set.
        run(recipe("dpruner", set, "words=" + domain));
        byte[] alone = weights();
        Files.move(out, folder.resolve("alone"));
        events.clear();
        var record = run(sharing(gradients, "dpruner", set, 0.5));
        assertArrayEquals(alone, weights());
        assertEquals(0, record.seconds().gradients());
        assertFalse(takesGradients(events));
        assertTrue(
                record.warnings().stream().anyMatch(w -> w.contains("an earlier run left")),
                record.warnings().toString());
        assertEquals(1, list(gradients).size());
        Files.move(out, folder.resolve("shared-out"));

        // Other text, another set.
        TinyLlama.npy(domain, TinyLlama.ids(6, 20, 32, 8));
        assertTrue(run(sharing(gradients, "taylor", Map.of(), 0.5)).seconds().gradients() > 0);
        assertEquals(2, list(gradients).size());
    }

    @Test
    void gradientsAfterTuningAreNotShared() throws IOException {
        Path gradients = folder.resolve("gradients");
        var set = Map.of("tune", "1", "penalty", "none", "score", "domain", "exact", "0");
        var record = run(sharing(gradients, "dpruner", set, 0.5));
        assertFalse(Files.exists(gradients));
        assertTrue(
                record.warnings().stream().anyMatch(w -> w.contains("no gradients are left")),
                record.warnings().toString());
    }

    @Test
    void gradientsDoNotLieInTheOutput() {
        var refused =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> prepare(sharing(out.resolve("g"), "taylor", Map.of(), 0.5)));
        assertTrue(refused.getMessage().contains("would be removed"), refused.getMessage());
    }

    @Test
    void twoDomainsCountByTheirWeights() throws IOException {
        String other =
                TinyLlama.npy(folder.resolve("b.npy"), TinyLlama.ids(6, 20, 64, 9)).toString();
        run(recipe("taylor", Map.of(), "a=" + domain));
        byte[] alone = weights();
        Files.move(out, folder.resolve("alone"));
        run(recipe("taylor", Map.of(), "a=" + domain, "b=" + other + "@1e-6"));
        byte[] nearly = weights();
        Files.move(out, folder.resolve("nearly"));
        run(recipe("taylor", Map.of(), "a=" + domain, "b=" + other));
        assertArrayEquals(alone, nearly);
        assertFalse(Arrays.equals(alone, weights()));
    }

    private byte[] weights() throws IOException {
        return Files.readAllBytes(out.resolve("model.safetensors"));
    }

    @Test
    void taylorMakesDoWithCalibrationText() throws IOException {
        var record = run(recipe("taylor", Map.of()));
        assertTrue(record.domains().isEmpty());
        assertEquals(6, record.calibration().sequences());
    }

    private static boolean takesGradients(List<RunEvent> events) {
        return events.stream().anyMatch(RunEvent.SamplesDone.class::isInstance);
    }

    /// The zeros of every pruned matrix, one matrix after the other.
    private List<Boolean> zeros() throws IOException {
        var zeros = new ArrayList<Boolean>();
        try (var written = Model.open(out);
                var _ = Scope.open()) {
            for (var entry : written.checkpoint().prunable()) {
                for (float value : written.weight(entry).toFloats()) {
                    zeros.add(value == 0);
                }
            }
        }
        return zeros;
    }

    @ParameterizedTest
    @CsvSource({"taylor, block", "taylor, model", "dpruner, block", "dpruner, model"})
    void sdsStartsFromWhatGradientsPrune(String base, String schedule) throws IOException {
        run(recipe(base, base.equals("dpruner") ? Map.of("exact", "0") : Map.of(), "a=" + domain));
        var byBase = zeros();
        Files.move(out, folder.resolve("base"));

        // Without a step that moves the mask it is the base's.
        var still = Map.of("base", base, "schedule", schedule, "rounds", "0", "soft", "0");
        run(recipe("sds", still, "a=" + domain));
        assertEquals(byBase, zeros());
        Files.move(out, folder.resolve("still"));

        // With them it is another, as exact, and the control takes the gradients that are there.
        events.clear();
        var whole = Map.of("base", base, "schedule", schedule, "keep", "last");
        var record = run(recipe("sds", whole, "a=" + domain));
        assertFalse(byBase.equals(zeros()));
        assertEquals(0.5, record.sparsity(), 0.001);
        assertTrue(takesGradients(events));
        assertFalse(control.isEmpty());
        assertFalse(takesGradients(control));
        var layer = record.layers().getFirst();
        double controls = record.control().layers().get(layer.name());
        assertTrue(
                layer.relativeError() < layer.steps().get(firstSparse(base)).relativeError(),
                layer.toString());
        assertTrue(controls < layer.steps().get(firstSparse(base)).relativeError());
    }

    /// Index of the first sparse step: D-Pruner looks at the weights before.
    private static int firstSparse(String base) {
        return base.equals("dpruner") ? 1 : 0;
    }

    @Test
    void sdsTellsWhatItsBaseNeeds() {
        var set = Map.of("base", "dpruner");
        var e = assertThrows(Exception.class, () -> prepare(recipe("sds", set)).close());
        assertEquals(
                "sds needs text of its domain: give --domain NAME=FILE[:field]", e.getMessage());
        var lengths =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                prepare(
                                                recipe(
                                                        "sds",
                                                        set,
                                                        List.of(general.toString()),
                                                        OptionalInt.of(10),
                                                        "a=" + domain))
                                        .close());
        assertTrue(lengths.getMessage().contains("make them equal"), lengths.getMessage());
    }

    @Test
    void aSparsityOfTheWholeModelIsConverted() throws IOException {
        var asked = recipe("taylor", Map.of());
        try (var opened = Model.open(model)) {
            var checkpoint = opened.checkpoint();
            double share = (double) checkpoint.parameters() / checkpoint.prunableParameters();
            var whole =
                    new Recipe(
                            model,
                            pruning("taylor", Map.of(), true),
                            asked.calibration(),
                            asked.domains(),
                            asked.evaluation(),
                            asked.resources(),
                            asked.output());
            var record = run(whole);
            assertEquals(0.5 * share, record.sparsity(), 0.002);
            long zeros = 0;
            try (var written = SafetensorsFile.open(out.resolve("model.safetensors"))) {
                for (var tensor : written.tensors().values()) {
                    for (float value : tensor.toFloats()) {
                        zeros += value == 0 ? 1 : 0;
                    }
                }
            }
            assertEquals(0.5, (double) zeros / checkpoint.parameters(), 0.002);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "dpruner | | dpruner needs text of its domain: give --domain NAME=FILE[:field]",
                "wanda | a=F | wanda as set has no use for --domain: give the text to --calib",
                "dpruner | F | a domain is NAME=FILE[:field][@weight], not",
                "dpruner | a=F,a=F | two domains are called a",
                "dpruner | a=F@-1 | domain 'a' of weight -1.0: give a number above 0",
                "dpruner | a=missing.npy | missing.npy"
            })
    void aTextThatDoesNotFitEndsBeforeTheWork(String method, String given, String message) {
        String[] domains =
                given == null ? new String[0] : given.replace("F", domain.toString()).split(",");
        var e =
                assertThrows(
                        Exception.class, () -> prepare(recipe(method, Map.of(), domains)).close());
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertFalse(Files.exists(out));
    }

    @Test
    void textsOfTwoLengthsAreNotFittedToTogether() throws IOException {
        var set = Map.of("exact", "2", "fit", "both");
        var calibration = List.of(general.toString());
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                prepare(
                                                recipe(
                                                        "dpruner",
                                                        set,
                                                        calibration,
                                                        OptionalInt.of(10),
                                                        "a=" + domain))
                                        .close());
        assertTrue(e.getMessage().startsWith("--domain-length 10 is not --calib-length 20"));
        var alone = Map.of("exact", "2", "fit", "domains");
        run(recipe("dpruner", alone, calibration, OptionalInt.of(10), "a=" + domain));
    }

    @Test
    void aLengthOfDomainsIsRefusedWithoutOne() throws IOException {
        var calibration = List.of(general.toString());
        var recipe = recipe("taylor", Map.of(), calibration, OptionalInt.of(10));
        var e = assertThrows(IllegalArgumentException.class, () -> prepare(recipe).close());
        assertTrue(e.getMessage().startsWith("--domain-length 10 without --domain"));
    }

    /// Text of domains goes through the model like calibration text if the fit looks at it.
    @Test
    void thePlanCountsTheTextThatIsRead() throws IOException {
        long bytes = 4L * 20 * 16; // of a sequence between two blocks
        for (var expected : Map.of("calibration", 6, "domains", 4, "both", 10).entrySet()) {
            var set = Map.of("score", "domain", "exact", "2", "fit", expected.getKey());
            try (var run = prepare(recipe("dpruner", set, "a=" + domain))) {
                assertEquals(expected.getValue() * bytes, run.plan().memory().activations());
            }
        }
    }

    @Test
    void noCalibrationTextIsAskedForThatNobodyReads() throws IOException {
        var set = Map.of("exact", "2", "fit", "domains", "score", "domain");
        run(recipe("dpruner", set, List.of(), OptionalInt.of(20), "a=" + domain));
        out = folder.resolve("other");
        var both = Map.of("exact", "2", "fit", "both", "score", "domain");
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                prepare(
                                                recipe(
                                                        "dpruner",
                                                        both,
                                                        List.of(),
                                                        OptionalInt.of(20),
                                                        "a=" + domain))
                                        .close());
        assertEquals("dpruner needs calibration text: give --calib FILE[:field]", e.getMessage());
    }

    @Test
    void anEmptyDomainIsNamed() throws IOException {
        Path empty = Files.writeString(folder.resolve("empty.txt"), "");
        var e =
                assertThrows(
                        MalformedFileException.class,
                        () -> run(recipe("dpruner", Map.of(), "a=" + empty)));
        assertTrue(e.getMessage().contains("empty.txt"), e.getMessage());
        assertFalse(Files.exists(out));
    }

    @Test
    void recomputedActivationsGiveTheSameBytes() throws IOException {
        run(recipe("taylor", Map.of(), "a=" + domain));
        byte[] kept = weights();
        Files.move(out, folder.resolve("kept"));
        recompute = true;
        try (var run = prepare(recipe("taylor", Map.of(), "a=" + domain))) {
            assertEquals(Activations.RECOMPUTED, run.plan().activations());
            run.execute("pollard run …", "1.2.3", (_, _) -> {});
        }
        assertArrayEquals(kept, weights());
    }

    @ParameterizedTest
    @CsvSource({
        "model.layers.1.mlp.up_proj, 3e38,"
                + " domain a: the loss of sample 0 \\(not finite from block 1 on.*\\) is NaN",
        "lm_head, 1e25, domain a: the mean squared gradient of model.layers.* is Infinity",
    })
    void whatIsNotFiniteIsNamed(String spoiled, float value, String message) throws IOException {
        new TinyLlama(3).write(model, Map.of(spoiled + ".weight", value));
        var asked = recipe("taylor", Map.of(), "a=" + domain);
        var e = assertThrows(NonFiniteLossException.class, () -> run(asked));
        assertTrue(e.getMessage().matches(message), e.getMessage());
        assertFalse(Files.exists(out));
    }

    /// First less is kept of the way there, then the run is refused: before anything is read.
    @Test
    void memoryIsToldBeforeTheWork() throws IOException {
        var asked = recipe("dpruner", Map.of(), "a=" + domain);
        long kept;
        try (var run = prepare(with(asked, 1L << 40))) {
            assertEquals(Activations.KEPT, run.plan().activations());
            kept = run.plan().memory().peak();
        }
        try (var run = prepare(with(asked, kept - 1))) {
            assertEquals(Activations.RECOMPUTED, run.plan().activations());
        }
        var e = assertThrows(WillNotFitException.class, () -> prepare(with(asked, 1 << 20)));
        var told = Pattern.compile("gradients need about (\\d+) MB.*").matcher(e.getMessage());
        assertTrue(told.matches(), e.getMessage());
        long megabytes = Long.parseLong(told.group(1));
        prepare(with(asked, (megabytes + 1) << 20)).close();
        assertThrows(WillNotFitException.class, () -> prepare(with(asked, megabytes - 1 << 20)));
    }

    /// Nothing is measured, so that gradients take most.
    private Recipe with(Recipe recipe, long memory) {
        return new Recipe(
                recipe.model(),
                recipe.pruning(),
                recipe.calibration(),
                recipe.domains(),
                new Recipe.Evaluation(
                        List.of(),
                        OptionalInt.empty(),
                        OptionalInt.empty(),
                        Path.of(""),
                        0,
                        0,
                        Decoding.GREEDY,
                        OptionalInt.empty(),
                        false),
                resources(memory),
                recipe.output());
    }
}
