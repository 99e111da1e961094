package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Parameters;
import dev.pollard.model.Shared;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass.Activations;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Gradients against golden values of transformers (see the README beside the fixtures), and
/// against
/// differences of losses where there are none.
@Tag("shared")
class GradientPassTest {
    private static final int ROWS = 2;

    private static final Predicate<Entry> PRUNABLE = entry -> entry.weight().prunable();

    static List<String> modelsWithGradients() throws IOException {
        try (Stream<Path> folders = Files.list(Shared.MODELS)) {
            return folders.filter(f -> Files.exists(f.resolve("golden-grad.safetensors")))
                    .map(folder -> folder.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("modelsWithGradients")
    void equalTheReference(String name) throws IOException {
        var folder = Shared.MODELS.resolve(name);
        var expected = Shared.golden(folder.resolve("golden-grad.safetensors"));
        float loss = expected.remove("loss")[0];
        for (var activations : Activations.values()) {
            var run = Run.of(name, samples(name), PRUNABLE, activations, 2);
            assertEquals(loss, (run.losses[0] + run.losses[1]) / ROWS, 2e-5);
            assertEquals(expected.size(), run.sums.size());
            expected.forEach(
                    (key, golden) -> {
                        // transformers' names have the prefix even where the file lacks it
                        var weight =
                                run.sums.keySet().stream()
                                        .filter(n -> key.endsWith(n))
                                        .findFirst()
                                        .orElseThrow();
                        float[] actual = run.sums.get(weight);
                        for (int i = 0; i < actual.length; i++) {
                            actual[i] /= ROWS;
                        }
                        if (name.startsWith("gpt2")) { // whose file is [in, out]
                            actual = transposed(actual, run.rows.get(weight));
                        }
                        double largest = Shared.distance(golden, new float[golden.length]);
                        double distance = Shared.distance(golden, actual);
                        assertTrue(
                                distance <= 1e-4 * largest + 1e-6,
                                () -> key + " is off by " + distance);
                    });
        }
    }

    /// What is kept is decided by memory, so it must not show.
    @ParameterizedTest
    @MethodSource("modelsWithGradients")
    void areTheSameWhateverIsKept(String name) throws IOException {
        var samples = samples(name);
        var kept = Run.of(name, samples, _ -> true, Activations.KEPT, 2);
        var recomputed = Run.of(name, samples, _ -> true, Activations.RECOMPUTED, 2);
        assertArrayEquals(kept.losses, recomputed.losses);
        kept.sums.forEach((key, sum) -> assertArrayEquals(sum, recomputed.sums.get(key), key));
    }

    /// Sequences that go together, of every family: their mean.
    @ParameterizedTest
    @MethodSource("modelsWithGradients")
    void sequencesGoTogether(String name) throws IOException {
        var samples = samples(name);
        var apart = Run.of(name, samples, _ -> true, Activations.KEPT, 2);
        int[][] both = samples.stream().map(sample -> sample[0]).toArray(int[][]::new);
        var together = Run.of(name, List.<int[][]>of(both), _ -> true, Activations.KEPT, 2);
        assertEquals((apart.losses[0] + apart.losses[1]) / ROWS, together.losses[0], 1e-5);
        apart.sums.forEach(
                (key, sum) -> {
                    float[] mean = new float[sum.length];
                    for (int i = 0; i < sum.length; i++) {
                        mean[i] = sum[i] / ROWS;
                    }
                    double largest = Shared.distance(mean, new float[mean.length]);
                    double distance = Shared.distance(mean, together.sums.get(key));
                    assertTrue(
                            distance <= 1e-4 * largest + 1e-6,
                            () -> key + " is off by " + distance);
                });
    }

    private static float[] transposed(float[] x, int rows) {
        int columns = x.length / rows;
        float[] y = new float[x.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                y[j * rows + i] = x[i * columns + j];
            }
        }
        return y;
    }

    /// Embeddings, norms, biases and heads: for each a step in a random direction.
    @ParameterizedTest
    @ValueSource(
            strings = {"llama-rope3-bias-tied", "gpt2", "opt-350m-like", "gemma3", "bloom", "phi3"})
    void areTheSlopeOfTheLoss(String name) throws IOException {
        var samples = samples(name);
        var run = Run.of(name, samples, _ -> true, Activations.KEPT, 2);
        try (var model = Model.open(Shared.MODELS.resolve(name));
                var parameters = Parameters.of(model, _ -> true);
                var workers = new Workers(2)) {
            var pass = new GradientPass(parameters, Activations.KEPT, Compute.FLOAT32, workers);
            var random = new Random(7);
            for (var entry : parameters.entries()) {
                float[] slope = run.sums.get(entry.name());
                float[] direction = new float[slope.length];
                double expected = 0;
                for (int i = 0; i < slope.length; i++) {
                    direction[i] = Math.copySign(1, slope[i]) * random.nextFloat();
                    expected += (double) slope[i] * direction[i];
                }
                double step = 2e-3 / Math.max(expected, 0.02);
                double up = lossAfter(parameters, entry, direction, step, pass, samples);
                double down = lossAfter(parameters, entry, direction, -step, pass, samples);
                double actual = (up - down) / (2 * step);
                assertEquals(expected, actual, 0.02 * Math.abs(expected) + 2e-4, entry.name());
            }
        }
    }

    private static double lossAfter(
            Parameters parameters,
            Entry entry,
            float[] direction,
            double step,
            GradientPass pass,
            List<int[][]> samples) {
        try (var _ = Scope.open()) {
            Tensor values = parameters.values(entry);
            Tensor before = Tensor.empty(values.shape()).copy_(values);
            values.add_(Tensor.of(direction, values.shape()), step);
            double loss = 0;
            for (double sampleLoss : pass.run(samples, (_, _, _) -> {})) {
                loss += sampleLoss;
            }
            values.copy_(before);
            return loss;
        }
    }

    @ParameterizedTest
    @EnumSource(Activations.class)
    void areTheSameBitsForAnyNumberOfWorkers(Activations activations) throws IOException {
        var samples = new ArrayList<>(samples("llama"));
        samples.add(new int[][] {samples.get(0)[0], samples.get(1)[0]}); // two in one
        var one = Run.of("llama", samples, _ -> true, activations, 1);
        var three = Run.of("llama", samples, _ -> true, activations, 3);
        assertArrayEquals(one.losses, three.losses);
        assertEquals((one.losses[0] + one.losses[1]) / 2, one.losses[2], 1e-5);
        one.sums.forEach((name, sum) -> assertArrayEquals(sum, three.sums.get(name), name));
    }

    @Test
    void onlyWhatIsTrainedIsReceived() throws IOException {
        Predicate<Entry> last = entry -> entry.name().endsWith("layers.1.mlp.down_proj.weight");
        var run = Run.of("llama", samples("llama"), last, Activations.KEPT, 2);
        var all = Run.of("llama", samples("llama"), _ -> true, Activations.KEPT, 2);
        assertEquals(1, run.sums.size());
        // Blocks that are not recorded round a little differently.
        run.sums.forEach((name, sum) -> assertArrayEquals(all.sums.get(name), sum, 1e-6f));
    }

    @Test
    void aLossThatIsNotFiniteNamesSampleAndLayer() throws IOException {
        try (var model = Model.open(Shared.MODELS.resolve("llama"));
                var parameters = Parameters.of(model, PRUNABLE);
                var workers = new Workers(2);
                var _ = Scope.open()) {
            var broken =
                    parameters.entries().stream()
                            .filter(e -> e.name().endsWith("layers.1.mlp.up_proj.weight"))
                            .findFirst()
                            .orElseThrow();
            parameters.values(broken).mul_(Double.POSITIVE_INFINITY);
            var pass = new GradientPass(parameters, Activations.KEPT, Compute.FLOAT32, workers);
            var e =
                    assertThrows(
                            NonFiniteLossException.class,
                            () -> pass.run(samples("llama"), (_, _, _) -> {}));
            assertEquals(
                    "the loss of sample 0 (not finite from block 1 on, first in what"
                            + " model.layers.1.mlp.down_proj reads) is NaN",
                    e.getMessage());
            var later =
                    assertThrows(
                            NonFiniteLossException.class,
                            () -> pass.run(samples("llama"), 7, (_, _, _) -> {}));
            assertTrue(later.getMessage().contains("sample 7 "), later.getMessage());
        }
    }

    @Test
    void aSampleMustPredictSomething() throws IOException {
        var samples = List.<int[][]>of(new int[][] {{5}, {7}});
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> Run.of("llama", samples, PRUNABLE, Activations.KEPT, 1));
        assertEquals("a sample without a token to predict", e.getMessage());
    }

    private static List<int[][]> samples(String name) throws IOException {
        var golden = Shared.golden(Shared.MODELS.resolve(name).resolve("golden.safetensors"));
        var samples = new ArrayList<int[][]>();
        for (int row = 0; row < ROWS; row++) {
            samples.add(new int[][] {Shared.ids(golden.get("input_ids"), ROWS, row)});
        }
        return samples;
    }

    /// @param sums of every weight's gradients over the samples, in the order of the samples
    private record Run(double[] losses, Map<String, float[]> sums, Map<String, Integer> rows) {
        static Run of(
                String name,
                List<int[][]> samples,
                Predicate<Entry> trained,
                Activations activations,
                int count)
                throws IOException {
            var sums = new ConcurrentHashMap<String, float[]>();
            var rows = new ConcurrentHashMap<String, Integer>();
            try (var model = Model.open(Shared.MODELS.resolve(name));
                    var parameters = Parameters.of(model, trained);
                    var workers = new Workers(count)) {
                var pass = new GradientPass(parameters, activations, Compute.FLOAT32, workers);
                double[] losses =
                        pass.run(
                                samples,
                                (weight, _, gradients) -> {
                                    rows.put(weight.name(), (int) gradients.getFirst().size(0));
                                    for (var gradient : gradients) {
                                        sums.merge(weight.name(), gradient.toFloats(), Run::plus);
                                    }
                                });
                return new Run(losses, sums, rows);
            }
        }

        private static float[] plus(float[] a, float[] b) {
            for (int i = 0; i < a.length; i++) {
                a[i] += b[i];
            }
            return a;
        }
    }
}
