package dev.pollard.recover;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.format.DType;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.ModelWriter;
import dev.pollard.model.Parameters;
import dev.pollard.model.Tap;
import dev.pollard.model.TinyLlama;
import dev.pollard.recover.LowRankAdapters.Setting;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass;
import dev.pollard.train.GradientPass.Activations;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Gradients of what is trained against differences of losses, and the zeros.
class TrainableTest {
    private static final Predicate<Entry> LINEAR = entry -> entry.weight().prunable();
    private static final long STEP = 5;

    @TempDir private Path folder;
    private Model model;
    private Parameters parameters;
    private Workers workers;
    private GradientPass pass;
    private final List<int[][]> samples = new ArrayList<>();

    @BeforeEach
    void open() throws IOException {
        model = Model.open(Pruned.write(folder.resolve("pruned"), 2, DType.F32));
        parameters = Parameters.of(model, LINEAR);
        workers = new Workers(2);
        pass = new GradientPass(parameters, Activations.KEPT, Compute.FLOAT32, workers);
        for (int[] ids : TinyLlama.ids(3, 12, TinyLlama.VOCABULARY, 1)) {
            samples.add(new int[][] {ids});
        }
    }

    @AfterEach
    void close() {
        workers.close();
        parameters.close();
        model.close();
    }

    private LowRankAdapters adapters(double dropout, boolean keepZeros) {
        return new LowRankAdapters(parameters, new Setting(3, 6, dropout), keepZeros, 11);
    }

    private double loss(Trainable trainable) {
        trainable.prepare(STEP, workers);
        return Arrays.stream(pass.run(samples, trainable)).sum();
    }

    private static void stir(Trainable trainable) {
        var random = new Random(5);
        for (Tensor weight : trainable.weights().values()) {
            try (var _ = Scope.open()) {
                float[] noise = new float[(int) weight.elements()];
                for (int i = 0; i < noise.length; i++) {
                    noise[i] = (float) random.nextGaussian() / 8;
                }
                weight.add_(Tensor.of(noise, weight.shape()));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"0, true", "0, false", "0.4, true", "0.4, false"})
    void gradientsOfAdaptersAreTheSlopeOfTheLoss(double dropout, boolean keepZeros) {
        try (var trainable = adapters(dropout, keepZeros)) {
            stir(trainable);
            assertSlopes(trainable);
        }
    }

    @Test
    void gradientsOfMatricesAreTheSlopeOfTheLoss() {
        try (var trainable = new FullMatrices(parameters, true)) {
            assertSlopes(trainable);
        }
    }

    private void assertSlopes(Trainable trainable) {
        loss(trainable);
        var slopes = trainable.gradients().stream().map(Tensor::toFloats).toList();
        var names = List.copyOf(trainable.weights().keySet());
        var random = new Random(7);
        for (int w = 0; w < names.size(); w++) {
            Tensor weight = trainable.weights().get(names.get(w));
            float[] slope = slopes.get(w);
            float[] direction = new float[slope.length];
            double expected = 0;
            for (int i = 0; i < slope.length; i++) {
                // Where the slope is 0, at a zero, the direction is not: it may not matter.
                direction[i] = Math.copySign(random.nextFloat(), slope[i]);
                expected += (double) slope[i] * direction[i];
            }
            double step = 2e-3 / Math.max(expected, 0.02);
            double actual =
                    (lossAfter(trainable, weight, direction, step)
                                    - lossAfter(trainable, weight, direction, -step))
                            / (2 * step);
            assertTrue(expected > 0, names.get(w));
            assertEquals(expected, actual, 0.02 * expected + 2e-4, names.get(w));
        }
    }

    private double lossAfter(Trainable trainable, Tensor weight, float[] direction, double step) {
        try (var _ = Scope.open()) {
            Tensor before = Tensor.empty(weight.shape()).copy_(weight);
            weight.add_(Tensor.of(direction, weight.shape()), step);
            double loss = loss(trainable);
            weight.copy_(before);
            return loss;
        }
    }

    @Test
    void theFirstStepSeesTheModelAsItIs() {
        var before = matrices();
        try (var trainable = adapters(0.4, true)) {
            trainable.prepare(0, workers);
            matrices().forEach((name, values) -> assertArrayEquals(before.get(name), values));
            var a = trainable.weights().entrySet().iterator().next();
            assertEquals("model.layers.0.self_attn.q_proj.lora_A", a.getKey());
            double bound = 1 / Math.sqrt(a.getValue().size(1));
            double mean = 0;
            for (float value : a.getValue().toFloats()) {
                assertTrue(Math.abs(value) <= bound);
                mean += Math.abs(value) / a.getValue().elements();
            }
            assertEquals(bound / 2, mean, 0.15 * bound); // uniform
        }
    }

    @Test
    void zerosStayThroughWhateverIsTrained() {
        var before = matrices();
        try (var trainable = adapters(0, true)) {
            stir(trainable);
            trainable.settle(workers);
            assertZerosStay(before);
        }
    }

    @Test
    void zerosOfMatricesAreSetAgain() {
        var before = matrices();
        try (var trainable = new FullMatrices(parameters, true)) {
            stir(trainable);
            trainable.settle(workers);
            assertZerosStay(before);
        }
    }

    private void assertZerosStay(Map<String, float[]> before) {
        matrices()
                .forEach(
                        (name, after) -> {
                            assertNotEquals(
                                    Arrays.hashCode(before.get(name)), Arrays.hashCode(after));
                            for (int i = 0; i < after.length; i++) {
                                boolean zero = before.get(name)[i] == 0;
                                assertEquals(zero, Float.floatToRawIntBits(after[i]) == 0, name);
                            }
                        });
    }

    @Test
    void withoutAMaskZerosAreTrained() {
        try (var trainable = adapters(0, false)) {
            stir(trainable);
            trainable.settle(workers);
            matrices()
                    .forEach(
                            (name, after) -> {
                                for (float value : after) {
                                    assertTrue(value != 0, name);
                                }
                            });
        }
    }

    /// What is drawn for a step is the same whenever it comes, and another for another step.
    @Test
    void dropoutIsAFunctionOfSeedAndStep() {
        try (var trainable = adapters(0.4, true)) {
            stir(trainable);
            trainable.prepare(3, workers);
            var three = matrices();
            trainable.prepare(4, workers);
            var four = matrices();
            trainable.prepare(3, workers);
            matrices()
                    .forEach(
                            (name, again) -> {
                                assertArrayEquals(three.get(name), again);
                                assertNotEquals(
                                        Arrays.hashCode(four.get(name)), Arrays.hashCode(again));
                            });
        }
    }

    private Map<String, float[]> matrices() {
        var matrices = new TreeMap<String, float[]>();
        try (var _ = Scope.open()) {
            for (var entry : parameters.trained()) {
                matrices.put(entry.name(), parameters.values(entry).toFloats());
            }
        }
        return matrices;
    }

    /// The folder that is written computes what was trained, but for the rounding of its dtype.
    @ParameterizedTest
    @CsvSource({"float32, 1e-6", "bfloat16, 0.05"})
    void whatIsWrittenComputesWhatWasTrained(String dtype, double tolerance) throws IOException {
        try (var trainable = adapters(0, true)) {
            stir(trainable);
            trainable.settle(workers);
            new ModelWriter(model.checkpoint(), dtype)
                    .write(
                            folder.resolve("written"),
                            layer ->
                                    Optional.of(
                                            parameters.values(
                                                    model.checkpoint().named(layer + ".weight"))));
        }
        int[] ids = samples.getFirst()[0];
        try (var written = Model.open(folder.resolve("written"));
                var _ = Scope.open()) {
            float[] expected = logits(ids).toFloats();
            float[] actual = written.forward(ids, Compute.FLOAT32).toFloats();
            float[] before = model.forward(ids, Compute.FLOAT32).toFloats();
            double size = distance(expected, new float[expected.length]);
            assertTrue(distance(expected, actual) <= tolerance * size);
            assertTrue(distance(expected, before) > 0.1 * size);
        }
    }

    private Tensor logits(int[] ids) {
        Tensor x = parameters.decoder().embed(ids);
        for (int b = 0; b < model.config().blocks(); b++) {
            x = parameters.decoder().block(b, Compute.FLOAT32).forward(x, Tap.NONE);
        }
        return parameters.decoder().logits(x).detach();
    }

    private static double distance(float[] a, float[] b) {
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }

    @Test
    void aRankLargerThanALayerIsRefused() {
        var setting = new Setting(9, 16, 0);
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> new LowRankAdapters(parameters, setting, true, 0));
        assertEquals(
                "rank 9 is more than model.layers.0.self_attn.k_proj [8, 16] can have",
                e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0,1,0", "1,0,0", "1,NaN,0", "1,1,1", "1,1,-0.1", "1,1,NaN"})
    void sizesThatMakeNoSenseAreRefused(String sizes) {
        var words = sizes.split(",");
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        new Setting(
                                Integer.parseInt(words[0]),
                                Double.parseDouble(words[1]),
                                Double.parseDouble(words[2])));
    }
}
