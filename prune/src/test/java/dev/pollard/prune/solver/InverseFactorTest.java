package dev.pollard.prune.solver;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InverseFactorTest {
    private Scope scope;

    @BeforeEach
    void openScope() {
        scope = Scope.open();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 64, 150})
    void isTheUpperFactorOfTheDampedInverse(int n) {
        Tensor gram = gram(n, 3 * n, n);
        try (var factor = InverseFactor.of(gram, 3L * n, 0.01)) {
            double lambda = 0.01 * gram.diagonal().mean().item();
            Tensor damped = gram.toFloat64().addToDiagonal_(Tensor.full(lambda, n)).toFloat32();
            Tensor u = factor.upper();
            // Uᵀ U (H + λI) = I
            Tensor product = u.transpose(0, 1).matmul(u).matmul(damped);
            float[] identity = new float[n * n];
            float[] upper = u.toFloats();
            for (int i = 0; i < n; i++) {
                identity[i * n + i] = 1;
                assertEquals(upper[i * n + i], factor.diagonal()[i]);
                assertTrue(factor.diagonal()[i] > 0);
                for (int j = 0; j < i; j++) {
                    assertEquals(0, upper[i * n + j]);
                }
            }
            assertArrayEquals(identity, product.toFloats(), 2e-4f);
            assertEquals(0, factor.dead().length);
            assertEquals(0, factor.notes().size());
        }
    }

    @Test
    void deadInputsCountAsOneInTwiceTheSum() {
        // H = diag(3, 0, 1), 50 tokens: the dead input gets 1/100, the mean is 4.01/3.
        Tensor gram = Tensor.of(new float[] {3, 0, 0, 0, 0, 0, 0, 0, 1}, 3, 3);
        try (var factor = InverseFactor.of(gram, 50, 0.3)) {
            double lambda = 0.3 * 4.01 / 3;
            assertEquals(1 / Math.sqrt(3 + lambda), factor.diagonal()[0], 1e-6);
            assertEquals(1 / Math.sqrt(0.01 + lambda), factor.diagonal()[1], 1e-6);
            assertArrayEquals(new int[] {1}, factor.dead());
            assertTrue(factor.notes().getFirst().startsWith("1 of 3 inputs"));
        }
    }

    @Test
    void dampingGrowsTenfoldUntilItIsEnoughAndSaysSo() {
        // Eigenvalues 2 and -0.05: needs λ > 0.05, mean 0.975.
        Tensor gram = Tensor.of(new float[] {0.975f, 1.025f, 1.025f, 0.975f}, 2, 2);
        try (var factor = InverseFactor.of(gram, 10, 0.001)) {
            assertEquals(2, factor.notes().size());
            assertTrue(factor.notes().getLast().endsWith("tried again with 0.1"));
        }
        try (var factor = InverseFactor.of(gram, 10, 0)) {
            assertEquals(4, factor.notes().size(), factor.notes()::toString);
        }
    }

    @Test
    void aMatrixThatDampingCannotMendIsRefused() {
        Tensor gram = Tensor.of(new float[] {1, 5, 5, 1}, 2, 2);
        var e =
                assertThrows(
                        UnusableStatisticsException.class, () -> InverseFactor.of(gram, 10, 0.01));
        assertTrue(e.getMessage().contains("not positive definite"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
    void aGramThatIsNotFiniteIsRefused(float value) {
        Tensor gram = Tensor.of(new float[] {1, value, value, 1}, 2, 2);
        var e =
                assertThrows(
                        UnusableStatisticsException.class, () -> InverseFactor.of(gram, 10, 0.01));
        assertTrue(e.getMessage().contains("NaN or infinite"), e.getMessage());
    }

    @Test
    void aNegativeDiagonalIsRefused() {
        Tensor gram = Tensor.of(new float[] {1, 0, 0, -1}, 2, 2);
        assertThrows(UnusableStatisticsException.class, () -> InverseFactor.of(gram, 10, 0.01));
    }

    private static Tensor gram(int n, int tokens, long seed) {
        var random = new Random(seed);
        float[] x = new float[n * tokens];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        Tensor inputs = Tensor.of(x, tokens, n);
        return inputs.transpose(0, 1).matmul(inputs).div(tokens);
    }
}
