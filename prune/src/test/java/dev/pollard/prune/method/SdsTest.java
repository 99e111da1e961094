package dev.pollard.prune.method;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.model.Compute;
import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Findings;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerError;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerPrunerContract;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Method;
import dev.pollard.prune.RandomLayer;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.solver.Adam;
import dev.pollard.prune.solver.Coordinates;
import dev.pollard.stats.Gram;
import dev.pollard.stats.LayerStats;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SdsTest {
    private static final Sparsity TWO_OF_FOUR = new Sparsity.SemiStructured(2, 4);

    /// All steps of a method's only sweep, one after the other, as the driver takes them.
    private record Steps(List<LayerPruner> steps) implements LayerPruner {
        static Steps of(Method method) {
            return new Steps(((Sweep) method.passes().getFirst()).steps());
        }

        @Override
        public Set<Statistic> needs() {
            var needs = EnumSet.noneOf(Statistic.class);
            steps.forEach(step -> needs.addAll(step.needs()));
            return needs;
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            var earlier = new ArrayList<Tensor>();
            LayerResult result = null;
            for (var step : steps) {
                Tensor weight = earlier.isEmpty() ? layer.weight() : earlier.getLast();
                result =
                        step.prune(
                                new LayerContext(
                                        layer.name(),
                                        weight,
                                        layer.target(),
                                        earlier,
                                        Findings.NONE,
                                        layer.stats(),
                                        layer.seed(),
                                        layer.compute()),
                                sparsity);
                earlier.add(result.weight());
            }
            return result;
        }
    }

    /// Methods that end with the adjustment keep the mask of Wanda, and round.
    private abstract static class Contract extends LayerPrunerContract {
        abstract Map<String, String> settings();

        @Override
        protected LayerPruner pruner() {
            return Steps.of(Methods.create("sds", settings()));
        }

        @Override
        protected long prunedBy(double ratio, int rows, int columns) {
            return rows * Selection.count(columns, ratio);
        }

        @Override
        protected float rounding() {
            return 1e-5f;
        }
    }

    @Nested
    class AllStepsInOneBlock extends Contract {
        @Override
        Map<String, String> settings() {
            return Map.of("base", "wanda", "second", "wanda");
        }
    }

    @Nested
    class AdjustmentAlone extends Contract {
        @Override
        Map<String, String> settings() {
            return Map.of("base", "wanda", "rounds", "0");
        }
    }

    @Nested
    class GradientStepsAndASoftMask extends Contract {
        @Override
        Map<String, String> settings() {
            return Map.of(
                    "base",
                    "wanda",
                    "second",
                    "base",
                    "solver",
                    "gradient",
                    "soft",
                    "5",
                    "rounds",
                    "1");
        }
    }

    // ---- keep ----

    private static Adjust adjust(boolean keepBest) {
        return new Adjust(
                new ComparisonGroup.Row(), 0, 20, Coordinates.SCALED, 0.01, keepBest, true);
    }

    /// A layer pruned by magnitude, fitted to correlated inputs and judged by `heldOut`.
    private static LayerContext pruned(RandomLayer random, Gram heldOut) {
        return pruned(random, heldOut, random.context().stats().gram());
    }

    /// @param all of the tokens fitted to and those held out
    private static LayerContext pruned(RandomLayer random, Gram heldOut, Gram all) {
        var plain = random.context();
        var judge = LayerStats.of(heldOut);
        var split = new LayerStats.Split(plain.stats(), judge);
        var stats =
                new LayerStats(
                        2,
                        plain.stats().inputMeanSquare(),
                        Optional.of(all),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.of(split));
        Tensor weight =
                new ComparisonGroup.Row()
                        .largest(plain.weight(), TWO_OF_FOUR)
                        .applyTo(plain.weight());
        return new LayerContext(
                "layer",
                weight,
                plain.target(),
                List.of(weight),
                Findings.NONE,
                stats,
                0,
                Compute.FLOAT32);
    }

    @Test
    void aLayerThatAdjustmentMakesWorseOnHeldOutTokensIsPutBackAndSaysSo() {
        try (var _ = Scope.open()) {
            // Without correlations the weights that are kept are best left as they are.
            var layer = pruned(RandomLayer.of(20, 64, 1), uncorrelated());
            var judge = layer.stats().split().orElseThrow().heldOut();
            double before = LayerError.of(judge, layer.target(), layer.weight()).relative();
            var last = adjust(false).prune(layer, TWO_OF_FOUR);
            double after = LayerError.of(judge, layer.target(), last.weight()).relative();
            assertTrue(after > before, after + " is not worse than " + before);
            assertEquals(List.of(), last.notes());

            var best = adjust(true).prune(layer, TWO_OF_FOUR);
            assertArrayEquals(layer.weight().toFloats(), best.weight().toFloats());
            assertTrue(best.mask().matches(TWO_OF_FOUR));
            assertEquals(
                    List.of(
                            "kept as the first pruning left it: nothing since is better on tokens held out"),
                    best.notes());
        }
    }

    private static Gram uncorrelated() {
        float[] identity = new float[64 * 64];
        for (int i = 0; i < 64; i++) {
            identity[i * 65] = 1;
        }
        return new Gram(Tensor.of(identity, 64, 64), 100);
    }

    @Test
    void whatIsLearnedFromTheJudgesIsKeptOnlyIfItIsNoWorseOnThem() {
        try (var _ = Scope.open()) {
            var random = RandomLayer.of(20, 64, 1);
            var judge = random.context().stats();
            // As if the tokens held out were not among all: learning from those forgets them.
            var misled = pruned(random, judge.gram(), uncorrelated());
            var best = adjust(true).prune(misled, TWO_OF_FOUR);
            double after = LayerError.of(judge, misled.target(), best.weight()).relative();
            assertEquals(best.heldOutError().orElseThrow(), after, 1e-9);
        }
    }

    @Test
    void withoutTokensHeldOutThereIsNoErrorOnThem() {
        try (var _ = Scope.open()) {
            var random = RandomLayer.of(20, 64, 1);
            var split = pruned(random, random.context().stats().gram());
            var whole =
                    new LayerContext(
                            split.name(),
                            split.weight(),
                            split.target(),
                            split.earlier(),
                            split.findings(),
                            split.stats().fit(),
                            split.seed(),
                            split.compute());
            assertTrue(adjust(true).prune(split, TWO_OF_FOUR).heldOutError().isPresent());
            assertTrue(adjust(true).prune(whole, TWO_OF_FOUR).heldOutError().isEmpty());
        }
    }

    @Test
    void aLayerThatGetsBetterIsKeptWithoutANote() {
        try (var _ = Scope.open()) {
            var random = RandomLayer.of(20, 64, 1);
            var layer = pruned(random, random.context().stats().gram());
            var best = adjust(true).prune(layer, TWO_OF_FOUR);
            assertEquals(List.of(), best.notes());
            var judge = layer.stats();
            double before = LayerError.of(judge, layer.target(), layer.weight()).relative();
            double after = LayerError.of(judge, layer.target(), best.weight()).relative();
            assertTrue(after < before);
            double judged = best.heldOutError().orElseThrow();
            assertTrue(judged < before && judged >= 0.999 * after); // more steps since
        }
    }

    // ---- the three steps on one layer ----

    private static final int SIZE = 256;
    private static final int TOKENS = 4096;

    /// Inputs `[tokens, in]` whose correlations fall by a power law, with four large channels.
    private static Tensor inputs() {
        var random = new Random(11);
        Tensor sources = gaussian(random, TOKENS, SIZE);
        float[] spectrum = new float[SIZE];
        float[] channels = new float[SIZE];
        for (int k = 0; k < SIZE; k++) {
            spectrum[k] = (float) Math.pow(k + 1, -0.5);
            channels[k] = k % 64 == 5 ? 10 : 1;
        }
        return sources.mul(Tensor.of(spectrum, SIZE))
                .matmul(gaussian(random, SIZE, SIZE))
                .mul(Tensor.of(channels, SIZE))
                .div(Math.sqrt(SIZE));
    }

    private static Tensor gaussian(Random random, int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, rows, columns);
    }

    private static LayerStats stats(Tensor x) {
        long tokens = x.size(0);
        return LayerStats.of(new Gram(x.transpose(0, 1).matmul(x).div((double) tokens), tokens));
    }

    private static LayerContext layer() {
        Tensor x = inputs();
        int fit = TOKENS / 8 * 7;
        Tensor toFit = x.narrow(0, 0, fit).contiguous();
        var all =
                LayerStats.joined(
                        Map.of(
                                "layer",
                                stats(toFit).withInputs(Optional.of(toFit), Optional.empty())),
                        Map.of("layer", stats(x.narrow(0, fit, TOKENS - fit).contiguous())));
        Tensor weight = gaussian(new Random(12), SIZE, SIZE).div(Math.sqrt(SIZE));
        return new LayerContext("layer", weight, weight, all.get("layer"), 0);
    }

    private static double error(LayerContext layer, LayerPruner pruner) {
        var result = pruner.prune(layer, TWO_OF_FOUR);
        assertTrue(result.mask().matches(TWO_OF_FOUR));
        return LayerError.of(layer.stats(), layer.target(), result.weight()).relative();
    }

    @ParameterizedTest
    @ValueSource(strings = {"wanda", "sparsegpt"})
    void sdsIsNotBehindItsControlNorThatBehindThePruner(String base) {
        try (var _ = Scope.open()) {
            var layer = layer();
            var sds = Methods.create("sds", Map.of("base", base));
            double initial = error(layer, (LayerPruner) Methods.create(base, Map.of()));
            double control = error(layer, Steps.of(sds.control().orElseThrow().method()));
            double rebuilt = error(layer, Steps.of(sds));
            String errors = "%s: %.3e, %.3e, %.3e".formatted(base, initial, control, rebuilt);
            assertTrue(rebuilt <= 1.02 * control, errors);
            assertTrue(1.02 * control <= initial, errors);
        }
    }

    @Test
    void miniBatchesRebuildALayerToo() {
        try (var _ = Scope.open()) {
            var layer = layer();
            var batches = new Redense.Solver.Batches(new Adam(2, 0.1, 512));
            var rebuilding =
                    redense(
                            Redense.Data.SD,
                            batches,
                            Coordinates.SCALED,
                            Redense.Reduction.MEAN,
                            0,
                            0);
            double sparse = error(layer, new Wanda());
            var dense = new Steps(List.of(new Wanda(), rebuilding)).prune(layer, TWO_OF_FOUR);
            double rebuilt =
                    LayerError.of(layer.stats(), layer.target(), dense.weight()).relative();
            assertTrue(rebuilt < 0.5 * sparse, rebuilt + " after " + sparse);
            var settings = Map.of("base", "wanda", "rounds", "1", "solver", "adam", "epochs", "2");
            double adjusted = error(layer, Steps.of(Methods.create("sds", settings)));
            assertTrue(adjusted < 0.8 * sparse, adjusted + " after " + sparse);
        }
    }

    private static Gram gram(Tensor a, Tensor b) {
        return new Gram(a.transpose(0, 1).matmul(b).div((double) a.size(0)), a.size(0));
    }

    /// A layer whose inputs in the sparse model are others than in the dense one.
    private static LayerContext betweenModels() {
        var random = new Random(5);
        Tensor dense = gaussian(random, 200, 16);
        Tensor sparse = dense.mul(0.8).add(gaussian(random, 200, 16).mul(0.3));
        var stats =
                new LayerStats(
                        200,
                        Optional.empty(),
                        Optional.of(gram(sparse, sparse)),
                        Optional.of(gram(dense, sparse)),
                        Optional.of(gram(dense, dense)),
                        Optional.empty(),
                        Optional.empty(),
                        Optional.empty());
        Tensor w = gaussian(random, 8, 16);
        Tensor pruned = new ComparisonGroup.Row().largest(w, TWO_OF_FOUR).applyTo(w);
        return new LayerContext(
                "layer", pruned, w, List.of(pruned), Findings.NONE, stats, 0, Compute.FLOAT32);
    }

    /// Gradient steps without regularisation.
    private static Redense plain(Redense.Data data, int steps, Coordinates coordinates) {
        var solver = new Redense.Solver.Gradient(steps);
        return redense(data, solver, coordinates, Redense.Reduction.MEAN, 0, 0);
    }

    private static Redense redense(
            Redense.Data data,
            Redense.Solver solver,
            Coordinates coordinates,
            Redense.Reduction reduction,
            double l1,
            double l2) {
        return new Redense(
                new ComparisonGroup.Row(), data, solver, coordinates, reduction, l1, l2, 0, false);
    }

    /// A sum is so many means: the λ count as much less.
    @ParameterizedTest
    @ValueSource(strings = {"gradient", "alternating", "adam"})
    void lambdasAreWeighedAgainstTheErrorAsItIsReduced(String kind) {
        var solver =
                switch (kind) {
                    case "gradient" -> new Redense.Solver.Gradient(5);
                    case "adam" -> new Redense.Solver.Batches(new Adam(1, 0.1, 64));
                    default -> new Redense.Solver.Alternating(5, 0.1, 2);
                };
        try (var _ = Scope.open()) {
            var layer = layer();
            long tokens = layer.stats().fit().gram().tokens();
            var data = Redense.Data.SD;
            var raw = Coordinates.RAW;
            var sum = redense(data, solver, raw, Redense.Reduction.SUM, 0.4 * tokens, 0.2 * tokens);
            var mean = redense(data, solver, raw, Redense.Reduction.MEAN, 0.4, 0.2);
            var none = redense(data, solver, raw, Redense.Reduction.MEAN, 0, 0);
            float[] expected = mean.prune(layer, TWO_OF_FOUR).weight().toFloats();
            assertArrayEquals(expected, sum.prune(layer, TWO_OF_FOUR).weight().toFloats(), 1e-6f);
            float[] unheld = none.prune(layer, TWO_OF_FOUR).weight().toFloats();
            assertFalse(Arrays.equals(expected, unheld));
        }
    }

    /// At the minimum the gradient of the error is zero, whichever the inputs.
    @ParameterizedTest
    @EnumSource(
            value = Redense.Data.class,
            names = {"SD", "DD", "CROSS"})
    void aLayerIsRebuiltOnTheInputsItIsTold(Redense.Data data) {
        try (var _ = Scope.open()) {
            var layer = betweenModels();
            var redense = plain(data, 2000, Coordinates.SCALED);
            Tensor rebuilt = redense.prune(layer, TWO_OF_FOUR).weight();
            var stats = layer.stats();
            // W G = W_d C
            Tensor g = data == Redense.Data.DD ? stats.dense().matrix() : stats.gram().matrix();
            Tensor c = data == Redense.Data.CROSS ? stats.cross().matrix() : g;
            Tensor left = rebuilt.matmul(g).sub(layer.target().matmul(c));
            assertEquals(0, left.abs().max().item(), 1e-3, data.toString());
            double moved = rebuilt.sub(layer.target()).abs().max().item();
            assertEquals(data == Redense.Data.CROSS, moved > 0.05, data + ": " + moved);
        }
    }

    /// How far a few steps come depends on whose inputs they see.
    @Test
    void sparseAndDenseInputsAreOtherWaysToTheSameWeights() {
        try (var _ = Scope.open()) {
            var layer = betweenModels();
            var ways = new ArrayList<float[]>();
            for (var data : List.of(Redense.Data.SD, Redense.Data.DD)) {
                var redense = plain(data, 1, Coordinates.RAW);
                Tensor rebuilt = redense.prune(layer, TWO_OF_FOUR).weight();
                var stats = layer.stats();
                Tensor g = data == Redense.Data.DD ? stats.dense().matrix() : stats.gram().matrix();
                // One step down half the error's gradient, (W_s - W_d) G.
                Tensor slope = layer.weight().sub(layer.target()).matmul(g);
                Tensor step = rebuilt.sub(layer.weight());
                double along = -step.mul(slope).sum().item() / slope.square().sum().item();
                Tensor off = step.add(slope.mul(along));
                assertEquals(0, off.abs().max().item(), 1e-5, data.toString());
                ways.add(rebuilt.toFloats());
            }
            assertFalse(Arrays.equals(ways.get(0), ways.get(1)));
        }
    }

    @ParameterizedTest
    @CsvSource({"sd, ENTERED", "dd, ENTERED", "cross, ENTERED", "kd, LEFT"})
    void onlyRebuiltDataFlowThroughWhatIsRebuilt(String data, Sweep.Flow flow) {
        var sds = Methods.create("sds", Map.of("schedule", "model", "data", data));
        assertEquals(flow, ((Sweep) sds.passes().get(1)).flow());
        assertEquals(Sweep.Flow.LEFT, ((Sweep) sds.passes().get(2)).flow());
    }

    // ---- settings ----

    @Test
    void thePaperPresetIsWhatThePaperHas() {
        var paper = Methods.named("sds").settings(Map.of("preset", "paper", "l2", "0.2"));
        assertEquals(0.1, paper.get(Sds.L1));
        assertEquals(0.2, paper.get(Sds.L2), "what is given wins");
        assertEquals(200, paper.get(Sds.STEPS));
        assertEquals(200, paper.get(Sds.SOFT));
        assertEquals(0, paper.get(Sds.EXACT));
        assertEquals("gradient", paper.get(Sds.SOLVER));
        assertEquals("raw", paper.get(Sds.COORDINATES));
        assertEquals("sum", paper.get(Sds.REDUCTION));
        assertEquals("sd", paper.get(Sds.DATA));
        assertEquals(3, Methods.create("sds", Map.of("preset", "paper")).passes().size());
        var rounds = (Sds) Methods.create("sds", Map.of("preset", "rounds"));
        assertEquals(2, rounds.rounds());
        assertEquals(7, ((Sweep) rounds.passes().getFirst()).steps().size());
    }

    @Test
    void everyOtherMethodIsABase() {
        var others = new ArrayList<>(Methods.all().stream().map(Methods.Entry::key).toList());
        others.remove("sds");
        assertEquals(others, Sds.BASE.options());
        for (String base : others) {
            var before = Methods.create(base, Map.of()).passes();
            int own = before.size() - 1;
            var sds = Methods.create("sds", Map.of("base", base, "schedule", "model"));
            assertEquals(before.subList(0, own), sds.passes().subList(0, own));
            assertEquals(List.of(own, own + 2), sds.candidates());
            assertEquals(own + 1, Driver.alike(sds, sds.control().orElseThrow().method()));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "l1=-0.1 | l1 must be a number in [0, 1000000]: '-0.1'",
                "l2=-1 | l2 must be a number in [0, 1000000]: '-1.0'",
                "steps=0 | steps must be a whole number in [1, 100000]: '0'",
                "steps=1201 | pull=0.1 times growth=2.0 every 6 of steps=1201 ends at 2e+59, more than 1e+30",
                "epochs=0 | epochs must be a whole number in [1, 100000]: '0'",
                "batch=0 | batch must be a whole number in [1, 1048576]: '0'",
                "rate=0 | rate must be a number in [1.0E-9, 1000]: '0.0'",
                "data=both | data must be one of sd, dd, kd, cross: 'both'",
                "data=kd | data=kd needs schedule=model: block by block, nothing before a layer is rebuilt",
                "base=sparsgpt | base must be one of magnitude, wanda, sparsegpt, taylor, dpruner: 'sparsgpt'; did you mean 'sparsegpt'?",
                "base=sds | base must be one of magnitude, wanda, sparsegpt, taylor, dpruner: 'sds'",
                "slover=adam | unknown setting of sds 'slover'; did you mean 'solver'?"
            })
    void aSettingThatMakesNoSenseIsRefusedInOneLine(String setting, String message) {
        var parts = setting.split("=");
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> Methods.create("sds", Map.of(parts[0], parts[1])));
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void onlyMiniBatchesAskForTheInputsThemselves() {
        assertTrue(needs(Map.of()).stream().noneMatch(SdsTest::keeps));
        assertEquals(
                Set.of(Statistic.GRAM, Statistic.HELD_OUT, Statistic.INPUTS),
                needs(Map.of("solver", "adam")));
        assertEquals(
                Set.of(
                        Statistic.GRAM,
                        Statistic.HELD_OUT,
                        Statistic.DENSE_GRAM,
                        Statistic.DENSE_INPUTS),
                needs(Map.of("solver", "adam", "data", "dd")));
        assertEquals(
                Set.of(
                        Statistic.GRAM,
                        Statistic.HELD_OUT,
                        Statistic.CROSS_GRAM,
                        Statistic.INPUTS,
                        Statistic.DENSE_INPUTS),
                needs(Map.of("solver", "adam", "data", "cross")));
    }

    private static boolean keeps(Statistic statistic) {
        return statistic == Statistic.INPUTS || statistic == Statistic.DENSE_INPUTS;
    }

    private static Set<Statistic> needs(Map<String, String> settings) {
        var sds = (Sds) Methods.create("sds", settings);
        return sds.redense().needs();
    }
}
