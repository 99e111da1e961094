package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class AdamWTest {
    private static final AdamW.Setting SETTING = new AdamW.Setting(0.9, 0.95, 1e-8, 0.1);

    /// Against the algorithm of the paper in double precision, number by number.
    @Test
    void stepsAreThoseOfThePaper() {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        var random = new Random(seed);
        try (var workers = new Workers(2);
                var _ = Scope.open()) {
            Tensor matrix = Tensor.of(floats(random, 12), 3, 4).requireGradient();
            Tensor vector = Tensor.of(floats(random, 5), 5).requireGradient();
            var naive = List.of(new Naive(matrix, 0.1), new Naive(vector, 0));
            try (var optimizer = new AdamW(SETTING, List.of(matrix, vector))) {
                for (int step = 1; step <= 20; step++) {
                    float[] g = floats(random, 12);
                    float[] h = floats(random, 5);
                    double rate = 0.01 * step;
                    double scale = 1.0 / step;
                    optimizer.step(
                            List.of(Tensor.of(g, 3, 4), Tensor.of(h, 5)),
                            scale,
                            rate,
                            step,
                            workers);
                    naive.get(0).step(g, scale, rate, step);
                    naive.get(1).step(h, scale, rate, step);
                }
            }
            assertArrayEquals(naive.get(0).weights, doubles(matrix), 1e-4);
            assertArrayEquals(naive.get(1).weights, doubles(vector), 1e-4);
        }
    }

    private static final class Naive {
        final double[] weights;
        final double[] m;
        final double[] v;
        final double decay;

        Naive(Tensor start, double decay) {
            weights = doubles(start);
            m = new double[weights.length];
            v = new double[weights.length];
            this.decay = decay;
        }

        void step(float[] gradient, double scale, double rate, int step) {
            for (int i = 0; i < weights.length; i++) {
                double g = gradient[i] * scale;
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.95 * v[i] + 0.05 * g * g;
                double mean = m[i] / (1 - Math.pow(0.9, step));
                double square = v[i] / (1 - Math.pow(0.95, step));
                weights[i] -= rate * (mean / (Math.sqrt(square) + 1e-8) + decay * weights[i]);
            }
        }
    }

    private static float[] floats(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static double[] doubles(Tensor tensor) {
        float[] values = tensor.detach().toFloats();
        double[] doubles = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            doubles[i] = values[i];
        }
        return doubles;
    }

    @Test
    void constantsThatMakeNoSenseAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new AdamW.Setting(1, 0.95, 1e-8, 0.1));
        assertThrows(IllegalArgumentException.class, () -> new AdamW.Setting(0.9, -0.1, 1e-8, 0.1));
        assertThrows(IllegalArgumentException.class, () -> new AdamW.Setting(0.9, 0.95, 0, 0.1));
        assertThrows(IllegalArgumentException.class, () -> new AdamW.Setting(0.9, 0.95, 1e-8, -1));
    }
}
