package dev.pollard.eval;

import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.random.RandomGenerator;

/// Chooses next tokens.
final class Sampler {
    private final Decoding decoding;
    private final RandomGenerator random;

    Sampler(Decoding decoding, RandomGenerator random) {
        this.decoding = decoding;
        this.random = random;
    }

    /// The id that follows, or -1 if the logits hold NaN.
    ///
    /// @param logits `[vocabulary]`, contiguous
    int choose(Tensor logits) {
        int vocabulary = Math.toIntExact(logits.size(0));
        var prediction = NextTokenLoss.prediction(logits.segment(), vocabulary);
        if (decoding.greedy() || prediction.best() < 0) {
            return prediction.best();
        }
        float[] values = logits.toFloats();
        return draw(values, values[prediction.best()]);
    }

    private int draw(float[] logits, float max) {
        double[] weights = new double[logits.length];
        double total = 0;
        for (int i = 0; i < weights.length; i++) {
            weights[i] = Math.exp((logits[i] - max) / decoding.temperature());
            total += weights[i];
        }
        Integer[] order = new Integer[weights.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingDouble((Integer i) -> weights[i]).reversed());
        double nucleus = 0;
        int count = 0;
        while (count < order.length && nucleus < decoding.topP() * total) {
            nucleus += weights[order[count++]];
        }
        double left = random.nextDouble() * nucleus;
        int i = 0;
        while (i < count - 1 && left >= weights[order[i]]) {
            left -= weights[order[i++]];
        }
        return order[i];
    }
}
