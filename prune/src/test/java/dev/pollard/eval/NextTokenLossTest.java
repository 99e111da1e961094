package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class NextTokenLossTest {
    @Test
    void equalsADoubleLoopAtEveryWidth() {
        var random = new Random(1);
        for (int vocabulary : new int[] {1, 2, 7, 15, 16, 17, 31, 64, 1000, 49_153}) {
            float[] logits = new float[3 * vocabulary];
            for (int i = 0; i < logits.length; i++) {
                logits[i] = (float) (10 * random.nextGaussian());
            }
            int[] ids = {-1, 0, vocabulary / 2, vocabulary - 1};
            double expected = 0;
            for (int r = 0; r < 3; r++) {
                double sum = 0;
                for (int v = 0; v < vocabulary; v++) {
                    sum += Math.exp(logits[r * vocabulary + v]);
                }
                expected += Math.log(sum) - logits[r * vocabulary + ids[1 + r]];
            }
            try (var _ = Scope.open()) {
                double loss = NextTokenLoss.sum(Tensor.of(logits, 3, vocabulary), ids, 1);
                assertEquals(expected, loss, 1e-6 * (1 + expected), "width " + vocabulary);
            }
        }
    }

    @Test
    void bearsLargeLogitsAndHidesNoNaN() {
        try (var _ = Scope.open()) {
            float[] large = new float[40];
            large[3] = 1e30f;
            assertEquals(0, NextTokenLoss.sum(Tensor.of(large, 1, 40), new int[] {3}, 0));
            float[] low = new float[40];
            Arrays.fill(low, -1e4f);
            assertEquals(
                    Math.log(40), NextTokenLoss.sum(Tensor.of(low, 1, 40), new int[] {0}, 0), 1e-6);
            for (int at : new int[] {0, 20, 39}) {
                for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                    float[] row = new float[40];
                    row[at] = bad;
                    double loss = NextTokenLoss.sum(Tensor.of(row, 1, 40), new int[] {5}, 0);
                    assertTrue(!Double.isFinite(loss), bad + " at " + at + " gave " + loss);
                }
            }
        }
    }
}
