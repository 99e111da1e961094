package dev.pollard.prune.method;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.Parameters;
import dev.pollard.model.TinyLlama;
import dev.pollard.prune.BlockStore;
import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.DomainPass.Penalty;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Findings;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerReport;
import dev.pollard.prune.Mask;
import dev.pollard.prune.RandomLayer;
import dev.pollard.prune.RunEvent;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.Texts;
import dev.pollard.recipe.WorkFolder;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass;
import dev.pollard.train.GradientPass.Activations;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DPrunerTest {
    private static final Sparsity HALF = new Sparsity.Unstructured(0.5);
    private static final int ROWS = 6;
    private static final int COLUMNS = 20;

    @TempDir private Path folder;
    private int runs;

    // ---- general importance ----

    /// Against the inverse by Gauss and Jordan.
    @ParameterizedTest
    @EnumSource(GeneralImportance.Form.class)
    void generalImportanceIsTheErrorOfRemoval(GeneralImportance.Form form) {
        double damping = 0.01;
        var random = RandomLayer.of(ROWS, COLUMNS, 4);
        try (var _ = Scope.open()) {
            var layer = random.context();
            var result = new GeneralImportance(form, damping).prune(layer, HALF);
            float[] actual = result.findings().importance().orElseThrow().toFloats();
            double[] denominators = inverseDiagonal(random, damping, form);
            for (int i = 0; i < actual.length; i++) {
                // All columns are in one block, so SparseGPT scores the weights as they came.
                double w = random.weight()[i];
                double expected = w * w / (2 * denominators[i % COLUMNS]);
                assertEquals(expected, actual[i], 1e-4 * expected, "weight " + i);
            }
            if (form == GeneralImportance.Form.PLAIN) {
                assertArrayEquals(random.weight(), result.weight().toFloats());
            } else {
                assertArrayEquals(
                        new SparseGpt().prune(layer, HALF).weight().toFloats(),
                        result.weight().toFloats());
            }
        }
    }

    /// `[H⁻¹]_jj`, or the same once the columns before j are eliminated.
    private static double[] inverseDiagonal(
            RandomLayer layer, double damping, GeneralImportance.Form form) {
        double[][] h = new double[COLUMNS][COLUMNS];
        for (int t = 0; t < layer.tokens(); t++) {
            for (int i = 0; i < COLUMNS; i++) {
                for (int j = 0; j < COLUMNS; j++) {
                    h[i][j] +=
                            (double) layer.inputs()[t * COLUMNS + i]
                                    * layer.inputs()[t * COLUMNS + j]
                                    / layer.tokens();
                }
            }
        }
        double mean = IntStream.range(0, COLUMNS).mapToDouble(i -> h[i][i]).average().orElseThrow();
        for (int i = 0; i < COLUMNS; i++) {
            h[i][i] += damping * mean;
        }
        double[] diagonal = new double[COLUMNS];
        for (int j = 0; j < COLUMNS; j++) {
            int from = form == GeneralImportance.Form.PLAIN ? 0 : j;
            int n = COLUMNS - from;
            double[][] rest = new double[n][];
            for (int i = 0; i < n; i++) {
                rest[i] = Arrays.copyOfRange(h[from + i], from, COLUMNS);
            }
            diagonal[j] = inverse(rest)[j - from][j - from];
        }
        return diagonal;
    }

    private static double[][] inverse(double[][] a) {
        int n = a.length;
        double[][] inverse = new double[n][n];
        for (int i = 0; i < n; i++) {
            inverse[i][i] = 1;
        }
        for (int p = 0; p < n; p++) {
            double pivot = a[p][p];
            for (int j = 0; j < n; j++) {
                a[p][j] /= pivot;
                inverse[p][j] /= pivot;
            }
            for (int i = 0; i < n; i++) {
                double factor = i == p ? 0 : a[i][p];
                for (int j = 0; j < n; j++) {
                    a[i][j] -= factor * a[p][j];
                    inverse[i][j] -= factor * inverse[p][j];
                }
            }
        }
        return inverse;
    }

    @Test
    void aWeightOnADeadInputDoesNotMatterInGeneral() {
        try (var _ = Scope.open()) {
            var layer = RandomLayer.of(ROWS, COLUMNS, 4, 3).context();
            var importance =
                    new GeneralImportance(GeneralImportance.Form.PLAIN, 0.01)
                            .prune(layer, HALF)
                            .findings()
                            .importance()
                            .orElseThrow();
            assertEquals(0, importance.narrow(1, 3, 1).abs().max().item());
        }
    }

    // ---- the dual score ----

    private static float[] random(long seed, boolean positive) {
        var random = new Random(seed);
        float[] values = new float[ROWS * COLUMNS];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
            values[i] = positive ? values[i] * values[i] : values[i];
        }
        return values;
    }

    private static Tensor matrix(float[] values) {
        return Tensor.of(values, ROWS, COLUMNS);
    }

    private static LayerContext known(float[] weight, double[] domainWeights) {
        Tensor w = matrix(weight);
        Findings findings = Findings.ofImportance(matrix(random(11, true)));
        for (int d = 0; d < domainWeights.length; d++) {
            findings = both(findings, domain(d, domainWeights[d]));
        }
        var layer = RandomLayer.of(ROWS, COLUMNS, 4).context();
        return new LayerContext(
                "layer", w, w, List.of(), findings, layer.stats(), 0, Compute.FLOAT32);
    }

    private static Findings both(Findings a, Findings b) {
        var all = new LinkedHashMap<>(a.byName());
        all.putAll(b.byName());
        return new Findings(all);
    }

    private static Findings domain(int d, double weight) {
        return new Findings(
                Map.of(
                        "gradient:" + d, matrix(random(20 + d, false)),
                        "fisher:" + d, matrix(random(30 + d, true)),
                        "weight:" + d, Tensor.full(weight, 1)));
    }

    @ParameterizedTest
    @CsvSource({
        "NONE, false, false",
        "NONE, true, false",
        "PAPER, false, true",
        "PAPER, true, false",
        "EWC, false, true",
        "EWC, false, false"
    })
    void theScoreIsThatOfTheFormulas(Penalty.Form form, boolean plus, boolean normalised) {
        double lambda = 0.7;
        double alpha = 0.5;
        float[] w = random(1, false);
        float[] g = random(20, false);
        float[] f = random(30, true);
        float[] importance = random(11, true);
        double mean = 0;
        for (float value : importance) {
            mean += value / importance.length;
        }
        double[] scores = new double[w.length];
        for (int i = 0; i < w.length; i++) {
            double general = normalised ? importance[i] / mean : importance[i];
            double c =
                    form == Penalty.Form.PAPER
                            ? 1 + 2 * lambda * alpha * alpha * general * f[i]
                            : 1;
            double slope = g[i] * c * w[i];
            double curve = 0.5 * f[i] * c * c * w[i] * w[i];
            double held = form == Penalty.Form.EWC ? lambda * general * w[i] * w[i] : 0;
            scores[i] = Math.abs((plus ? slope : -slope) + curve + held);
        }
        var penalty = new Penalty(form, lambda, alpha, normalised);
        assertKeepsTheHighest(
                scores,
                new DualScore(DualScore.Terms.BOTH, plus, penalty, 0, new ComparisonGroup.Matrix()),
                w,
                1);
    }

    private static double[] relative(double[] scores) {
        double mean = Arrays.stream(scores).average().orElseThrow();
        return Arrays.stream(scores).map(s -> s / mean).toArray();
    }

    /// The default: `½ F W²` over its mean, and G over its own, `mix` times.
    @ParameterizedTest
    @ValueSource(doubles = {0, 0.7, 3})
    void theDefaultScoreIsThatOfItsFormula(double mix) {
        float[] w = random(1, false);
        float[] f = random(30, true);
        float[] importance = random(11, true);
        double[] curve = new double[w.length];
        double[] general = new double[w.length];
        for (int i = 0; i < w.length; i++) {
            curve[i] = 0.5 * f[i] * w[i] * w[i];
            general[i] = importance[i];
        }
        double[] domain = relative(curve);
        double[] whole = relative(general);
        double[] scores = new double[w.length];
        Arrays.setAll(scores, i -> domain[i] + mix * whole[i]);
        var set = Map.of("mix", Double.toString(mix));
        var method = (DPruner) Methods.create("dpruner", set);
        assertKeepsTheHighest(scores, (DualScore) method.score(), w, 1);
    }

    private static final Penalty NO_PENALTY = new Penalty(Penalty.Form.NONE, 0, 0, false);

    @Test
    void scoresOfDomainsAreAddedRelativeToTheirMeans() {
        float[] w = random(1, false);
        double[] sum = new double[w.length];
        double[] weights = {1, 0.25};
        for (int d = 0; d < 2; d++) {
            float[] g = random(20 + d, false);
            double mean = 0;
            for (int i = 0; i < w.length; i++) {
                mean += Math.abs(g[i] * w[i]) / w.length;
            }
            for (int i = 0; i < w.length; i++) {
                sum[i] += weights[d] * Math.abs(g[i] * w[i]) / mean;
            }
        }
        assertKeepsTheHighest(
                sum,
                new DualScore(
                        DualScore.Terms.FIRST, false, NO_PENALTY, 0, new ComparisonGroup.Matrix()),
                w,
                weights);
    }

    @Test
    void generalImportanceMayDecideAlone() {
        float[] importance = random(11, true);
        double[] scores = new double[importance.length];
        Arrays.setAll(scores, i -> importance[i]);
        assertKeepsTheHighest(
                scores,
                new DualScore(
                        DualScore.Terms.NONE, false, NO_PENALTY, 0, new ComparisonGroup.Matrix()),
                random(1, false));
    }

    private static void assertKeepsTheHighest(
            double[] scores, DualScore score, float[] weight, double... domains) {
        try (var _ = Scope.open()) {
            var result = score.prune(known(weight, domains), HALF);
            double[] sorted = scores.clone();
            Arrays.sort(sorted);
            int removed = (int) Selection.count(scores.length, 0.5);
            float[] actual = result.weight().toFloats();
            for (int i = 0; i < scores.length; i++) {
                assertEquals(
                        scores[i] >= sorted[removed] ? weight[i] : 0, actual[i], "weight " + i);
            }
            assertEquals(removed, result.mask().pruned());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"matrix", "row", "columns"})
    void countsAreExactInEveryGroup(String group) {
        var method = (Taylor) Methods.create("taylor", Map.of("group", group, "order", "second"));
        try (var _ = Scope.open()) {
            for (var sparsity : List.of(HALF, new Sparsity.SemiStructured(2, 4))) {
                var result =
                        method.score().prune(known(random(1, false), new double[] {1}), sparsity);
                assertTrue(result.mask().matches(sparsity));
                assertTrue(result.mask().covers(result.weight()));
            }
        }
    }

    // ---- through a model ----

    private static final int[][] GENERAL = TinyLlama.ids(4, 20, TinyLlama.VOCABULARY, 3);
    private static final int[][] DOMAIN = TinyLlama.ids(6, 20, TinyLlama.VOCABULARY / 2, 4);

    private static final Texts TEXTS =
            new Texts(GENERAL, List.of(new Texts.Domain("half", 1, DOMAIN)));

    private Path model() throws IOException {
        Path model = folder.resolve("model");
        return model.toFile().exists() ? model : new TinyLlama(3).write(model);
    }

    private static Driver.Settings settings() {
        return new Driver.Settings(
                Inputs.PRUNED, _ -> true, Compute.FLOAT32, 5, 1L << 40, Optional.empty());
    }

    private Map<String, float[]> run(Map<String, String> set, int workers) throws IOException {
        return run(set, workers, folder.resolve("work" + runs++), _ -> {});
    }

    private Map<String, float[]> run(Map<String, String> set, Sparsity sparsity)
            throws IOException {
        return run(set, sparsity, 2, folder.resolve("work" + runs++), _ -> {});
    }

    private Map<String, float[]> run(
            Map<String, String> set, int workers, Path work, Consumer<RunEvent> listener)
            throws IOException {
        return run(set, HALF, workers, work, listener);
    }

    private Map<String, float[]> run(
            Map<String, String> set,
            Sparsity sparsity,
            int workers,
            Path work,
            Consumer<RunEvent> listener)
            throws IOException {
        var method = Methods.create("dpruner", set);
        try (var model = Model.open(model());
                var crew = new Workers(workers);
                var store = WorkFolder.open(work, new LinkedHashMap<>(), true, false)) {
            new Driver(model, method, _ -> sparsity, settings(), (_, w) -> w, crew, store, listener)
                    .run(TEXTS);
            var weights = new LinkedHashMap<String, float[]>();
            for (int b = 0; b < model.config().blocks(); b++) {
                try (var _ = Scope.open()) {
                    store.load(method.passes().size() - 1, b)
                            .orElseThrow()
                            .weights()
                            .forEach((name, weight) -> weights.put(name, weight.toFloats()));
                }
            }
            return weights;
        }
    }

    private Map<String, float[]> dense() throws IOException {
        var dense = new LinkedHashMap<String, float[]>();
        try (var model = Model.open(model());
                var _ = Scope.open()) {
            for (var entry : model.checkpoint().prunable()) {
                dense.put(entry.module(), model.weight(entry).toFloats());
            }
        }
        return dense;
    }

    /// The last pass again, by hand, from gradients that a pass of the test's own took.
    @Test
    void theModelIsPrunedByTheGradientsOfItsDomain() throws IOException {
        var pruned = run(Map.of("score", "domain", "terms", "both", "exact", "0"), 2);
        var sums = new ConcurrentHashMap<String, double[][]>();
        try (var model = Model.open(model());
                var parameters = Parameters.of(model, e -> e.weight().prunable());
                var workers = new Workers(1)) {
            var samples = Arrays.stream(DOMAIN).map(ids -> new int[][] {ids}).toList();
            new GradientPass(parameters, Activations.RECOMPUTED, Compute.FLOAT32, workers)
                    .run(
                            samples,
                            (weight, _, gradients) -> {
                                for (var gradient : gradients) {
                                    float[] g = gradient.toFloats();
                                    double[][] sum =
                                            sums.computeIfAbsent(
                                                    weight.module(), _ -> new double[2][g.length]);
                                    for (int i = 0; i < g.length; i++) {
                                        sum[0][i] += g[i] / (double) DOMAIN.length;
                                        sum[1][i] += g[i] * (double) g[i] / DOMAIN.length;
                                    }
                                }
                            });
        }
        dense().forEach(
                        (name, w) -> {
                            double[][] sum = sums.get(name);
                            Integer[] order = new Integer[w.length];
                            Arrays.setAll(order, i -> i);
                            double[] scores = new double[w.length];
                            Arrays.setAll(
                                    scores,
                                    i ->
                                            Math.abs(
                                                    0.5 * sum[1][i] * w[i] * w[i]
                                                            - sum[0][i] * w[i]));
                            double[] sorted = scores.clone();
                            Arrays.sort(sorted);
                            double cut = sorted[w.length / 2];
                            for (int i = 0; i < w.length; i++) {
                                if (Math.abs(scores[i] - cut) > 1e-3 * cut) {
                                    assertEquals(
                                            scores[i] > cut ? w[i] : 0, pruned.get(name)[i], name);
                                }
                            }
                        });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "penalty=ewc exact=0",
                "penalty=paper general=sequential exact=0",
                "penalty=mix exact=4",
                "penalty=ewc tune=3 weights=tuned batch=3 exact=0",
                "score=general exact=2 fit=calibration"
            })
    void sameBytesAfterEveryInterruption(String words) throws IOException {
        var set = new LinkedHashMap<String, String>();
        for (String word : words.split(" ")) {
            set.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
        }
        var expected = run(set, 2);
        if (words.contains("exact=0") && !words.contains("tune")) { // Grams are added up by worker
            assertSame(expected, run(set, 1));
        }
        for (int at = 0; at < 14; at += 3) {
            Path work = folder.resolve("interrupted" + at + words.hashCode());
            int end = at;
            var seen = new int[1];
            try {
                run(
                        set,
                        2,
                        work,
                        event -> {
                            if (!(event instanceof RunEvent.LayerDone) && seen[0]++ == end) {
                                throw new IllegalStateException("interrupted");
                            }
                        });
            } catch (IllegalStateException e) {
                assertEquals("interrupted", e.getMessage());
            }
            assertSame(expected, run(set, 2, work, _ -> {}));
        }
    }

    private static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, weight) -> assertArrayEquals(weight, actual.get(name), name));
    }

    @Test
    void stepsGoDownTheLossAndAPenaltyHoldsThemBack() throws IOException {
        var losses = new ArrayList<Double>();
        Map<String, String> steps =
                Map.of("tune", "12", "batch", "6", "weights", "tuned", "exact", "0");
        var free = new LinkedHashMap<>(steps);
        free.put("score", "domain");
        var moved =
                run(
                        free,
                        2,
                        folder.resolve("free"),
                        event -> {
                            if (event instanceof RunEvent.SamplesDone s
                                    && s.what().equals("tuning")) {
                                losses.add(s.loss());
                            }
                        });
        assertEquals(12, losses.size());
        double first = losses.subList(0, 3).stream().mapToDouble(l -> l).average().orElseThrow();
        double last = losses.subList(9, 12).stream().mapToDouble(l -> l).average().orElseThrow();
        assertTrue(last < first, "from " + first + " to " + last);

        var held = new LinkedHashMap<>(steps);
        held.putAll(Map.of("penalty", "ewc", "lambda", "100"));
        assertTrue(distance(run(held, 2)) < 0.7 * distance(moved), "held back");
    }

    /// Of the weights that are kept from the dense ones.
    private double distance(Map<String, float[]> weights) throws IOException {
        double sum = 0;
        int count = 0;
        for (var dense : dense().entrySet()) {
            float[] w = weights.get(dense.getKey());
            for (int i = 0; i < w.length; i++) {
                if (w[i] != 0) {
                    sum += Math.pow(w[i] - dense.getValue()[i], 2);
                    count++;
                }
            }
        }
        return Math.sqrt(sum / count);
    }

    /// The fit under the mask aims at what tuning left, not back at the dense model.
    @Test
    void tunedWeightsStayTunedUnderTheFit() throws IOException {
        var tuned = Map.of("tune", "12", "batch", "6", "weights", "tuned", "score", "domain");
        var plain = new LinkedHashMap<>(tuned);
        plain.put("exact", "0");
        var fitted = new LinkedHashMap<>(tuned);
        fitted.put("exact", "40");
        var few = new Sparsity.Unstructured(0.02);
        double moved = distance(run(plain, few));
        assertEquals(moved, distance(run(fitted, few)), 0.1 * moved);
    }

    /// After steps away from the dense weights a penalty by distance has a slope, which is part of
    /// the gradient of the regularised loss.
    @Test
    void theSlopeOfThePenaltyIsInTheGradient() throws IOException {
        var set = new LinkedHashMap<String, String>();
        set.putAll(Map.of("penalty", "ewc", "tune", "3", "exact", "0", "importance", "raw"));
        set.put("lambda", "1e-3"); // the steps are the same but for some last bits
        Path weak = folder.resolve("weak");
        run(set, 2, weak, _ -> {});
        set.put("lambda", "2e-3");
        Path twice = folder.resolve("twice");
        run(set, 2, twice, _ -> {});
        String name = "model.layers.1.mlp.up_proj";
        try (var a = WorkFolder.open(weak, new LinkedHashMap<>(), true, false);
                var b = WorkFolder.open(twice, new LinkedHashMap<>(), true, false);
                var _ = Scope.open()) {
            Tensor importance =
                    a.load(0, 1).orElseThrow().findings().get(name).importance().orElseThrow();
            var findings = a.load(1, 1).orElseThrow().findings().get(name);
            Tensor tuned = findings.tuned().orElseThrow();
            Tensor dense = Tensor.of(dense().get(name), tuned.size(0), tuned.size(1));
            Tensor slope = importance.mul(2e-3).mul_(tuned.sub(dense));
            Tensor more =
                    b.load(1, 1)
                            .orElseThrow()
                            .findings()
                            .get(name)
                            .domains()
                            .getFirst()
                            .gradient()
                            .sub(findings.domains().getFirst().gradient());
            double largest = slope.abs().max().item();
            assertTrue(largest > 0);
            assertEquals(0, more.sub(slope).abs().max().item(), 0.05 * largest + 1e-8);
        }
    }

    /// The weights after one step, by layer, and the general importance if there is one.
    private record Step(Map<String, float[]> tuned, Map<String, float[]> importance) {}

    private Step step(Map<String, String> set) throws IOException {
        var all = new LinkedHashMap<>(Map.of("tune", "1", "batch", "1", "rate", "0.01"));
        all.putAll(set);
        Path work = folder.resolve("step" + runs++);
        run(all, 2, work, _ -> {});
        var step = new Step(new LinkedHashMap<>(), new LinkedHashMap<>());
        int domains = set.containsKey("score") ? 0 : 1; // the pass
        try (var store = WorkFolder.open(work, new LinkedHashMap<>(), true, false)) {
            for (int b = 0; b < 3; b++) {
                try (var _ = Scope.open()) {
                    store.load(domains, b)
                            .orElseThrow()
                            .findings()
                            .forEach(
                                    (n, f) ->
                                            step.tuned.put(n, f.tuned().orElseThrow().toFloats()));
                    if (domains > 0) {
                        store.load(0, b)
                                .orElseThrow()
                                .findings()
                                .forEach(
                                        (n, f) ->
                                                step.importance.put(
                                                        n,
                                                        f.importance().orElseThrow().toFloats()));
                    }
                }
            }
        }
        return step;
    }

    @Test
    void aStepIsAsLongAsItsRateAndTheClippedGradientSay() throws IOException {
        var dense = dense();
        double[] squared = new double[2];
        String[] clips = {"0.05", "0.1"};
        for (int i = 0; i < 2; i++) {
            var step = step(Map.of("score", "domain", "exact", "0", "clip", clips[i]));
            for (var tuned : step.tuned.entrySet()) {
                float[] w = dense.get(tuned.getKey());
                for (int k = 0; k < w.length; k++) {
                    squared[i] += Math.pow(tuned.getValue()[k] - w[k], 2);
                }
            }
        }
        assertEquals(0.01 * 0.05, Math.sqrt(squared[0]), 1e-5);
        assertEquals(0.01 * 0.1, Math.sqrt(squared[1]), 1e-5);
    }

    /// Of one sample F is g², so the paper's penalty adds `2 λ α² G g³` to g.
    @Test
    void thePapersPenaltyIsInTheStep() throws IOException {
        var dense = dense();
        double rate = 10; // that the cube shows beside the rounding of W
        var set = Map.of("exact", "0", "clip", "1e9", "importance", "raw", "rate", "" + rate);
        var free = new LinkedHashMap<>(set);
        free.put("score", "domain");
        var plain = step(free);
        var held = new LinkedHashMap<>(set);
        held.putAll(Map.of("penalty", "paper", "lambda", "1e9", "alpha", "1"));
        var step = step(held);
        double largest = 0;
        double furthest = 0;
        for (var layer : step.tuned.entrySet()) {
            float[] w = dense.get(layer.getKey());
            float[] without = plain.tuned.get(layer.getKey());
            float[] importance = step.importance.get(layer.getKey());
            for (int k = 0; k < w.length; k++) {
                double g = (w[k] - without[k]) / rate;
                double added = 2e9 * importance[k] * g * g * g;
                double actual = (without[k] - layer.getValue()[k]) / rate;
                largest = Math.max(largest, Math.abs(added));
                furthest = Math.max(furthest, Math.abs(added - actual));
            }
        }
        assertTrue(largest > 0);
        assertEquals(0, furthest, 1e-3 * largest);
    }

    @ParameterizedTest
    @CsvSource({"paper, 0.5", "default, 0.5", "paper, 2:4"})
    void everyPresetPrunes(String preset, String pattern) throws IOException {
        var sparsity = Sparsity.parse(pattern);
        for (float[] weight : run(Map.of("preset", preset), sparsity).values()) {
            int zeros = 0;
            for (float w : weight) {
                zeros += w == 0 ? 1 : 0;
            }
            assertEquals(weight.length / 2, zeros);
        }
    }

    @Test
    void thePaperPresetIsWhatThePaperHas() {
        var paper = (DPruner) Methods.create("dpruner", Map.of("preset", "paper"));
        var penalty = new Penalty(Penalty.Form.PAPER, 0.1, 0.03, false);
        assertEquals(
                new DualScore(DualScore.Terms.BOTH, true, penalty, 0, new ComparisonGroup.Matrix()),
                paper.score());
        var general = (GeneralImportance) paper.general().orElseThrow();
        assertEquals(GeneralImportance.Form.SEQUENTIAL, general.form());
        assertTrue(paper.adjust().isEmpty());
    }

    @Test
    void compensationKeepsTheMaskAndLessensTheError() throws IOException {
        var plain = run(Map.of("penalty", "mix", "exact", "0"), 2);
        var reports = new LinkedHashMap<Integer, Double>();
        var adjusted =
                run(
                        Map.of("penalty", "mix", "exact", "20"),
                        2,
                        folder.resolve("exact"),
                        event -> {
                            if (event instanceof RunEvent.LayerDone(LayerReport layer)
                                    && layer.pass() == 2
                                    && layer.name().endsWith("layers.0.mlp.up_proj")) {
                                reports.put(layer.step(), layer.relativeError());
                            }
                        });
        assertTrue(reports.get(1) < 0.8 * reports.get(0), reports.toString());
        String first = "model.layers.0.self_attn.q_proj"; // behind it inputs differ
        float[] a = plain.get(first);
        float[] b = adjusted.get(first);
        for (int i = 0; i < a.length; i++) {
            assertEquals(a[i] == 0, b[i] == 0);
        }
        assertFalse(Arrays.equals(a, b));
    }

    @Test
    void settingsThatCannotBeAreRefused() {
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> Methods.create("dpruner", Map.of("weights", "tuned")));
        assertTrue(e.getMessage().startsWith("weights=tuned needs steps"), e.getMessage());
        for (String bad : List.of("lambda=-1", "tune=-1", "penalty=all", "rate=0")) {
            var set = Map.of(bad.split("=")[0], bad.split("=")[1]);
            assertThrows(IllegalArgumentException.class, () -> Methods.create("dpruner", set), bad);
        }
    }

    /// What stands in the store is what the library's own masks know.
    @Test
    void findingsAreKeptInTheStore() throws IOException {
        Path work = folder.resolve("store");
        run(Map.of("penalty", "ewc"), 2, work, _ -> {});
        try (var store = WorkFolder.open(work, new LinkedHashMap<>(), true, false);
                var _ = Scope.open()) {
            BlockStore.Committed general = store.load(0, 1).orElseThrow();
            assertTrue(general.weights().isEmpty(), "weights that nothing changed are not stored");
            var found = general.findings().get("model.layers.1.mlp.up_proj");
            assertTrue(found.importance().isPresent());
            var domains =
                    store.load(1, 1).orElseThrow().findings().get("model.layers.1.mlp.up_proj");
            assertEquals("half", domains.domains().getFirst().name());
            assertEquals(1.0, domains.domains().getFirst().weight());
            assertTrue(Mask.ofNonZero(domains.domains().getFirst().fisher()).sparsity() < 0.5);
        }
    }
}
