package dev.pollard.prune.solver;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RetargetTest {
    private static final int ROWS = 5;
    private static final int COLUMNS = 12;
    private static final int TOKENS = 300;

    private final Random random = new Random(7);

    private Tensor random(long... shape) {
        int size = 1;
        for (long n : shape) {
            size *= (int) n;
        }
        float[] values = new float[size];
        for (int i = 0; i < size; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, shape);
    }

    private static Tensor gram(Tensor y, Tensor x) {
        return y.transpose(0, 1).matmul(x).mul(1.0 / TOKENS);
    }

    private static double error(Tensor dense, Tensor w, Tensor x, Tensor v) {
        return dense.linear(w).sub(x.linear(v)).square().sum().item() / TOKENS;
    }

    @Test
    void withTheSameInputsTheWeightStays() {
        try (var _ = Scope.open()) {
            Tensor x = random(TOKENS, COLUMNS);
            Tensor w = random(ROWS, COLUMNS);
            Tensor h = gram(x, x);
            assertArrayEquals(w.toFloats(), Retarget.of(w, h, h).toFloats(), 1e-5f);
        }
    }

    @Test
    void noStepFromTheResultMakesTheObjectiveSmaller() {
        try (var _ = Scope.open()) {
            Tensor dense = random(TOKENS, COLUMNS);
            Tensor x = dense.add(random(TOKENS, COLUMNS).mul(0.3));
            Tensor w = random(ROWS, COLUMNS);
            Tensor h = gram(x, x);
            Tensor v = Retarget.of(w, h, gram(dense, x));
            double lambda = 0.01 * h.diagonal().mean().item();
            double best = objective(dense, w, x, v, lambda);
            assertTrue(error(dense, w, x, v) < 0.9 * error(dense, w, x, w), "no gain");
            for (int i = 0; i < 50; i++) {
                Tensor other = v.add(random(ROWS, COLUMNS).mul(1e-2));
                assertTrue(objective(dense, w, x, other, lambda) > best, "step " + i);
            }
            assertEquals(ROWS, v.size(0));
        }
    }

    private static double objective(Tensor dense, Tensor w, Tensor x, Tensor v, double lambda) {
        return error(dense, w, x, v) + lambda * v.sub(w).square().sum().item();
    }
}
