package dev.pollard.eval;

import java.util.Arrays;
import java.util.OptionalDouble;

/// A metric of one model on some items, with what every item adds to it.
///
/// @param contributions one per item: to first order `value` moves with an item as the mean of
///     these does, so that their spread gives the standard error of `value`, and the spread of the
///     differences between two models that of the difference (the delta method)
public record Measure(Metric metric, double value, double[] contributions) {

    /// The mean of `values`.
    static Measure mean(Metric metric, double[] values) {
        return new Measure(metric, mean(values), values);
    }

    /// exp of the mean of `losses`, in nats.
    public static Measure perplexity(double[] losses) {
        double value = Math.exp(mean(losses));
        double[] contributions = Arrays.stream(losses).map(loss -> value * loss).toArray();
        return new Measure(Metric.PERPLEXITY, value, contributions);
    }

    /// Of the sum of `losses` over the sum of `units`: its exp, or for [Metric#BITS_PER_BYTE] the
    /// ratio itself in bits.
    static Measure perplexity(Metric metric, double[] losses, double[] units) {
        double ratio = Arrays.stream(losses).sum() / Arrays.stream(units).sum();
        double value = metric == Metric.BITS_PER_BYTE ? ratio / Math.log(2) : Math.exp(ratio);
        double slope = metric == Metric.BITS_PER_BYTE ? 1 / Math.log(2) : value;
        double unit = mean(units);
        double[] contributions = new double[losses.length];
        for (int i = 0; i < losses.length; i++) {
            contributions[i] = slope * (losses[i] - ratio * units[i]) / unit;
        }
        return new Measure(metric, value, contributions);
    }

    /// The standard error of the value: sample standard deviation over √n. Empty for one item.
    public OptionalDouble standardError() {
        return standardError(contributions);
    }

    /// Sample standard deviation of `values` over √n; empty for less than two.
    static OptionalDouble standardError(double[] values) {
        int n = values.length;
        if (n < 2) {
            return OptionalDouble.empty();
        }
        double mean = mean(values);
        double squares = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
        return OptionalDouble.of(Math.sqrt(squares / (n - 1) / n));
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).sum() / values.length;
    }
}
