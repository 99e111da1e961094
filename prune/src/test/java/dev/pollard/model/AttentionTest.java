package dev.pollard.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tape;
import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Attention against double loops.
class AttentionTest {
    private static final int WIDTH = 8;
    private static final double SCALE = 0.4;

    private final Residents residents = new Residents();
    private final Attention attention = new Attention(residents);

    @AfterEach
    void free() {
        residents.close();
    }

    /// Score of one query for one key, from their scaled product.
    private interface Score {
        double of(int head, int distance, double product);
    }

    /// `[heads, time, width]` in three nested loops.
    private static float[] naive(
            float[] q, float[] k, float[] v, int heads, int kvHeads, int window, Score score) {
        int time = q.length / heads / WIDTH;
        float[] out = new float[q.length];
        for (int h = 0; h < heads; h++) {
            int kv = h / (heads / kvHeads);
            for (int i = 0; i < time; i++) {
                int first = window == 0 ? 0 : Math.max(0, i - window + 1);
                double total = 0;
                double[] sum = new double[WIDTH];
                for (int j = first; j <= i; j++) {
                    double product = 0;
                    for (int w = 0; w < WIDTH; w++) {
                        product += q[(h * time + i) * WIDTH + w] * k[(kv * time + j) * WIDTH + w];
                    }
                    double weight = Math.exp(score.of(h, i - j, SCALE * product));
                    total += weight;
                    for (int w = 0; w < WIDTH; w++) {
                        sum[w] += weight * v[(kv * time + j) * WIDTH + w];
                    }
                }
                for (int w = 0; w < WIDTH; w++) {
                    out[(h * time + i) * WIDTH + w] = (float) (sum[w] / total);
                }
            }
        }
        return out;
    }

    private static float[] random(int heads, int time, long seed) {
        var random = new Random(seed);
        float[] values = new float[heads * time * WIDTH];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static Tensor tensor(float[] values, int heads) {
        return Tensor.of(values, heads, values.length / heads / WIDTH, WIDTH);
    }

    @ParameterizedTest
    @CsvSource({
        "1, 4, 0",
        "5, 4, 2",
        "63, 2, 0",
        "64, 2, 0",
        "65, 2, 0",
        "64, 2, 63",
        "65, 2, 64",
        "130, 2, 0",
        "130, 2, 1",
        "130, 4, 50",
        "130, 4, 129",
        "130, 4, 130",
        "130, 4, 500",
        "512, 1, 0",
        "513, 1, 0",
        "600, 2, 100",
        "600, 2, 70"
    })
    void everyPositionSeesItsWindow(int time, int kvHeads, int window) {
        float[] q = random(4, time, 1);
        float[] k = random(kvHeads, time, 2);
        float[] v = random(kvHeads, time, 3);
        try (var _ = Scope.open()) {
            Tensor actual =
                    attention.causal(
                            tensor(q, 4),
                            tensor(k, kvHeads),
                            tensor(v, kvHeads),
                            Rows.sequence(time),
                            SCALE,
                            window);
            assertArrayEquals(
                    naive(q, k, v, 4, kvHeads, window, (_, _, product) -> product),
                    actual.toFloats(),
                    2e-5f);
        }
    }

    @Test
    void aMaskOfALongerSequenceServesAShorterOne() {
        try (var _ = Scope.open()) {
            for (int time : new int[] {200, 70, 201, 3, 65}) {
                everyPositionSeesItsWindow(time, 2, 30);
                scoresAreCapped(time, 30);
                scoresFallWithDistance(time);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 0", "20, 0", "20, 7", "130, 0", "130, 40"})
    void scoresAreCapped(int time, int window) {
        float[] q = random(4, time, 4);
        float[] k = random(2, time, 5);
        float[] v = random(2, time, 6);
        try (var _ = Scope.open()) {
            Tensor actual =
                    attention.capped(
                            tensor(q, 4),
                            tensor(k, 2),
                            tensor(v, 2),
                            Rows.sequence(time),
                            SCALE,
                            window,
                            1.5);
            assertArrayEquals(
                    naive(q, k, v, 4, 2, window, (_, _, x) -> 1.5 * Math.tanh(x / 1.5)),
                    actual.toFloats(),
                    2e-5f);
        }
    }

    @ParameterizedTest
    @CsvSource({"1", "20", "130"})
    void scoresFallWithDistance(int time) {
        float[] slopes = {0.5f, 0.25f, 0.125f};
        float[] q = random(3, time, 7);
        float[] k = random(3, time, 8);
        float[] v = random(3, time, 9);
        try (var _ = Scope.open()) {
            Tensor actual =
                    attention.linearlyBiased(
                            tensor(q, 3),
                            tensor(k, 3),
                            tensor(v, 3),
                            Rows.sequence(time),
                            SCALE,
                            slopes);
            assertArrayEquals(
                    naive(q, k, v, 3, 3, 0, (head, distance, x) -> x - slopes[head] * distance),
                    actual.toFloats(),
                    2e-5f);
        }
    }

    /// The derivative of a weighted sum of outputs: windows as wide as the sequence, in slices,
    /// against one piece.
    @Test
    void gradientsPassThroughSlices() {
        int time = 200;
        float[] q = random(4, time, 10);
        float[] k = random(2, time, 11);
        float[] v = random(2, time, 12);
        float[] weights = random(4, time, 13);
        float[][] gradients = new float[2][];
        for (int sliced = 0; sliced < 2; sliced++) {
            try (var _ = Scope.open();
                    var tape = new Tape()) {
                Tensor query = tensor(q, 4).requireGradient();
                Tensor key = tensor(k, 2);
                Tensor value = tensor(v, 2);
                Tensor output; // [4, time, width]
                try (var _ = tape.record()) {
                    output = attend(sliced == 1, query, key, value);
                }
                var found = tape.gradients(output, tensor(weights, 4), List.of(query));
                gradients[sliced] = found.getFirst().orElseThrow().toFloats();
            }
        }
        assertArrayEquals(gradients[0], gradients[1], 2e-5f);
    }

    /// With a window that hides nothing but the first key from the last query.
    private Tensor attend(boolean sliced, Tensor query, Tensor key, Tensor value) {
        int time = Math.toIntExact(query.size(1));
        if (sliced) {
            return attention.causal(query, key, value, Rows.sequence(time), SCALE, time - 1);
        }
        float[] mask = new float[time * time];
        for (int i = 0; i < time; i++) {
            Arrays.fill(mask, i * time + i + 1, (i + 1) * time, Float.NEGATIVE_INFINITY);
        }
        mask[(time - 1) * time] = Float.NEGATIVE_INFINITY;
        return Tensor.maskedAttention(query, key, value, Tensor.of(mask, time, time), SCALE);
    }
}
