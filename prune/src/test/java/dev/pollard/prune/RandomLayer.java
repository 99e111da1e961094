package dev.pollard.prune;

import dev.pollard.stats.Gram;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Tensor;
import java.util.Random;

/// A layer drawn from a seed: weights `[rows, columns]` and correlated inputs `[tokens, columns]`
/// of uneven size, row-major.
public record RandomLayer(int rows, int columns, int tokens, float[] weight, float[] inputs) {
    public static RandomLayer of(int rows, int columns, long seed, int... deadInputs) {
        var random = new Random(seed);
        float[] weight = new float[rows * columns];
        for (int i = 0; i < weight.length; i++) {
            weight[i] = (float) (random.nextGaussian() / Math.sqrt(columns));
        }
        int tokens = 2 * columns + 8;
        float[] inputs = new float[tokens * columns];
        double[] scale = random.doubles(columns, 0.2, 3).toArray();
        for (int t = 0; t < tokens; t++) {
            double common = random.nextGaussian();
            for (int c = 0; c < columns; c++) {
                inputs[t * columns + c] =
                        (float) (scale[c] * (random.nextGaussian() + 0.7 * common));
            }
            for (int c : deadInputs) {
                inputs[t * columns + c] = 0;
            }
        }
        return new RandomLayer(rows, columns, tokens, weight, inputs);
    }

    /// The layer with other weights.
    public RandomLayer withWeight(float[] weight) {
        return new RandomLayer(rows, columns, tokens, weight, inputs);
    }

    /// With a Gram of its own, in the current scope.
    public LayerContext context() {
        Tensor x = Tensor.of(inputs, tokens, columns);
        Tensor w = Tensor.of(weight, rows, columns);
        var gram = new Gram(x.transpose(0, 1).matmul(x).div(tokens), tokens);
        return new LayerContext("layer", w, w, LayerStats.of(gram), 0);
    }
}
