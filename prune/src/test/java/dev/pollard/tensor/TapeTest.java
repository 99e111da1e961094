package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Our operations on the tape against libtorch's own under its own autograd: values and gradients.
class TapeTest {
    private final Random random = new Random(5);

    private Tensor random(long... shape) {
        int size = Math.toIntExact(Arrays.stream(shape).reduce(1, (a, b) -> a * b));
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, shape);
    }

    /// Computes twice, with the tape recording and without.
    private void same(
            int operations, Function<List<Tensor>, Tensor> function, List<Tensor> inputs) {
        inputs.forEach(Tensor::requireGradient);
        float[][] values = new float[2][];
        float[][][] gradients = new float[2][inputs.size()][];
        Tensor arriving = null;
        for (int ours = 0; ours < 2; ours++) {
            try (var tape = new Tape()) {
                Tensor y;
                if (ours == 1) {
                    try (var _ = tape.record()) {
                        y = function.apply(inputs);
                    }
                    assertEquals(operations, tape.operations());
                } else {
                    y = function.apply(inputs);
                }
                if (arriving == null) {
                    arriving = random(y.shape());
                }
                values[ours] = y.toFloats();
                var found = tape.gradients(y, arriving, inputs);
                for (int i = 0; i < inputs.size(); i++) {
                    gradients[ours][i] = found.get(i).orElseThrow().toFloats();
                }
            }
        }
        assertArrayEquals(values[0], values[1], 2e-5f);
        for (int i = 0; i < inputs.size(); i++) {
            assertArrayEquals(gradients[0][i], gradients[1][i], 1e-4f, "of input " + i);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, 33, 192})
    void rmsNorm(int width) {
        try (var _ = Scope.open()) {
            same(
                    1,
                    in -> in.get(0).rmsNorm(in.get(1), 1e-5),
                    List.of(random(5, width), random(width)));
        }
    }

    @Test
    void rmsNormOfHeadsThatLieStrided() {
        try (var _ = Scope.open()) {
            same(
                    1,
                    in -> in.get(0).transpose(0, 1).rmsNorm(in.get(1), 1e-5),
                    List.of(random(5, 3, 20), random(20)));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 15, 16, 1023, 1024, 1025, 3000})
    void siluTimes(int size) {
        try (var _ = Scope.open()) {
            same(1, in -> in.get(0).siluTimes(in.get(1)), List.of(random(size), random(size)));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 12, 32, 66})
    void rotate(int width) {
        try (var _ = Scope.open()) {
            float[] sines = random(4, width).toFloats();
            for (int i = 0; i < sines.length; i++) {
                if (i % width >= width / 2) {
                    sines[i] = -sines[i - width / 2];
                }
            }
            float[] cosines = random(4, width).toFloats();
            for (int i = 0; i < cosines.length; i++) {
                if (i % width >= width / 2) {
                    cosines[i] = cosines[i - width / 2];
                }
            }
            Tensor cos = Tensor.of(cosines, 4, width);
            Tensor sin = Tensor.of(sines, 4, width);
            same(1, in -> in.get(0).transpose(0, 1).rotate(cos, sin), List.of(random(4, 3, width)));
        }
    }

    /// Within a strip, at its edge, over several; own keys, and keys shared by heads.
    @ParameterizedTest
    @CsvSource({"1, 2, 2", "17, 4, 2", "128, 2, 1", "129, 3, 3", "300, 6, 2"})
    void causalAttention(int time, int heads, int groups) {
        try (var _ = Scope.open()) {
            same(
                    1,
                    in -> Tensor.causalAttention(in.get(0), in.get(1), in.get(2), 0.3),
                    List.of(
                            random(heads, time, 9),
                            random(groups, time, 9),
                            random(groups, time, 9)));
        }
    }

    /// The stream goes round a norm and is used again after it; a weight is used twice.
    @Test
    void whatIsUsedTwiceIsCountedTwice() {
        try (var _ = Scope.open()) {
            same(
                    4,
                    in -> {
                        Tensor weight = in.get(1);
                        Tensor norm = in.get(2);
                        Tensor x = in.get(0).linear(weight);
                        Tensor h = x.add(x.rmsNorm(norm, 1e-5).linear(weight));
                        Tensor g = h.rmsNorm(norm, 1e-5);
                        return h.add(g.linear(weight).siluTimes(g)).rmsNorm(norm, 1e-5).add(x);
                    },
                    List.of(random(6, 12), random(12, 12), random(12)));
        }
    }

    @Test
    void whatNeedsNoGradientGetsNone() {
        try (var _ = Scope.open();
                var tape = new Tape()) {
            Tensor x = random(3, 8).requireGradient();
            Tensor other = random(3, 8).requireGradient();
            Tensor y;
            try (var _ = tape.record()) {
                y = x.siluTimes(random(3, 8));
            }
            var found = tape.gradients(y, random(3, 8), List.of(other, x));
            assertTrue(found.get(0).isEmpty());
            assertTrue(found.get(1).isPresent());
        }
    }

    /// The gradient of a mean over rows that have an id, one of them without.
    @ParameterizedTest
    @ValueSource(ints = {2, 16, 50, 4096})
    void crossEntropy(int vocabulary) {
        int[] ids = {1, Tensor.NO_ID, 0, vocabulary - 1};
        try (var _ = Scope.open();
                var tape = new Tape()) {
            Tensor logits = random(ids.length, vocabulary).mul(5).detach().requireGradient();
            Tensor loss = logits.crossEntropy(Tensor.ofIds(ids));
            var expected = tape.gradients(loss, Tensor.full(1), List.of(logits)).getFirst();
            var actual = logits.crossEntropyAndGradient(ids);
            assertEquals(loss.item(), actual.loss(), 1e-5);
            assertArrayEquals(
                    expected.orElseThrow().toFloats(), actual.gradient().toFloats(), 1e-6f);
        }
    }

    @Test
    void anIdOutsideTheVocabularyIsRefused() {
        try (var _ = Scope.open()) {
            Tensor logits = random(1, 4);
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> logits.crossEntropyAndGradient(new int[] {4}));
        }
    }
}
