package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Against loops in double, at widths that fill vectors and widths that do not.
class FusedKernelsTest {
    private final Random random = new Random(11);

    private float[] random(int size) {
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = (float) (3 * random.nextGaussian());
        }
        return values;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, 33, 64, 576})
    void rmsNormIsThatOfTheFormula(int width) {
        float[] x = random(3 * width);
        float[] weight = random(width);
        float[] expected = new float[x.length];
        for (int r = 0; r < 3; r++) {
            double squares = 0;
            for (int i = 0; i < width; i++) {
                squares += (double) x[r * width + i] * x[r * width + i];
            }
            double scale = 1 / Math.sqrt(squares / width + 1e-5);
            for (int i = 0; i < width; i++) {
                expected[r * width + i] = (float) (x[r * width + i] * scale * weight[i]);
            }
        }
        try (var _ = Scope.open()) {
            Tensor y = Tensor.of(x, 3, width).rmsNorm(Tensor.of(weight, width), 1e-5);
            assertArrayEquals(expected, y.toFloats(), 2e-5f);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 15, 16, 17, 100})
    void siluTimesIsThatOfTheFormula(int size) {
        float[] x = random(size);
        float[] up = random(size);
        x[0] = -200; // its sigmoid is nothing
        float[] expected = new float[size];
        for (int i = 0; i < size; i++) {
            expected[i] = (float) (x[i] / (1 + Math.exp(-x[i])) * up[i]);
        }
        try (var _ = Scope.open()) {
            Tensor y = Tensor.of(x, size).siluTimes(Tensor.of(up, size));
            assertArrayEquals(expected, y.toFloats(), 2e-5f);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 15, 16, 63, 64, 65, 200})
    void whatWasZeroIsClearedAndNothingElse(int size) {
        float[] pruned = random(size);
        for (int i = 0; i < size; i++) {
            pruned[i] = random.nextBoolean() ? pruned[i] : random.nextBoolean() ? 0f : -0f;
        }
        float[] values = random(size);
        values[size / 2] = Float.NaN;
        float[] expected = values.clone();
        for (int i = 0; i < size; i++) {
            expected[i] = pruned[i] == 0 ? 0f : values[i];
        }
        try (var _ = Scope.open()) {
            Tensor cleared = Tensor.of(values, size).clear_(Tensor.of(pruned, size).zeros());
            assertArrayEquals(expected, cleared.toFloats());
        }
    }

    @Test
    void bitsOfAnotherSizeAreRefused() {
        try (var _ = Scope.open()) {
            Tensor x = Tensor.of(random(65), 65);
            assertThrows(IllegalArgumentException.class, () -> x.clear_(new long[1]));
            assertThrows(IllegalArgumentException.class, () -> x.clear_(new long[3]));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 12, 32, 34, 64})
    void rotateIsThatOfTheFormulaForStridedHeads(int width) {
        int time = 5;
        int heads = 3;
        float[] x = random(time * heads * width); // [time, heads, width]
        float[] cos = random(time * width);
        float[] sin = random(time * width);
        float[] expected = new float[x.length]; // [heads, time, width]
        for (int h = 0; h < heads; h++) {
            for (int t = 0; t < time; t++) {
                for (int i = 0; i < width; i++) {
                    int row = (t * heads + h) * width;
                    int other = (i + width / 2) % width;
                    expected[(h * time + t) * width + i] =
                            x[row + i] * cos[t * width + i] + x[row + other] * sin[t * width + i];
                }
            }
        }
        try (var _ = Scope.open()) {
            Tensor y =
                    Tensor.of(x, time, heads, width)
                            .transpose(0, 1)
                            .rotate(Tensor.of(cos, time, width), Tensor.of(sin, time, width));
            assertArrayEquals(expected, y.toFloats(), 2e-5f);
        }
    }

    @Test
    void shortAttentionIsThatOfLongAttention() {
        int time = 150;
        try (var _ = Scope.open()) {
            Tensor q = Tensor.of(random(4 * time * 8), 4, time, 8).mul(0.3);
            Tensor k = Tensor.of(random(2 * time * 8), 2, time, 8).mul(0.3);
            Tensor v = Tensor.of(random(2 * time * 8), 2, time, 8);
            float[] strips = Tensor.causalAttention(q, k, v, 0.35).toFloats();
            // What needs a gradient goes through torch's kernel.
            Tensor whole = Tensor.causalAttention(q.detach().requireGradient(), k, v, 0.35);
            assertArrayEquals(whole.toFloats(), strips, 1e-5f);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 32, 70})
    void mirrorCopiesTheUpperTriangleDown(int n) {
        try (var _ = Scope.open()) {
            float[] x = random(n * n);
            float[] y = Tensor.of(x, n, n).mirrorUpper_().toFloats();
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < n; j++) {
                    assertEquals(x[Math.min(i, j) * n + Math.max(i, j)], y[i * n + j]);
                }
            }
        }
    }
}
