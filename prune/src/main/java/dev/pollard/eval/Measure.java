package dev.pollard.eval;

import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

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

    /// Macro-F1: the mean over the classes c of F(c) = 2 · right(c) / (gold(c) + chosen(c)), which
    /// is the harmonic mean of precision and recall. Classes that are neither gold nor chosen do
    /// not count, as in scikit-learn.
    ///
    /// To first order F(c) moves with a question as `(2 · right − F(c) · (gold + chosen)) /
    /// mean(gold + chosen)`, the three being 0 or 1 for the question.
    ///
    /// @param gold class of every question, from 0
    /// @param chosen class that was chosen
    static Measure macroF1(Metric metric, int[] gold, int[] chosen) {
        int n = gold.length;
        int[] classes =
                IntStream.concat(Arrays.stream(gold), Arrays.stream(chosen))
                        .distinct()
                        .sorted()
                        .toArray();
        double value = 0;
        double[] contributions = new double[n];
        for (int c : classes) {
            int right = 0;
            int members = 0;
            for (int i = 0; i < n; i++) {
                members += (gold[i] == c ? 1 : 0) + (chosen[i] == c ? 1 : 0);
                right += gold[i] == c && chosen[i] == c ? 1 : 0;
            }
            double f = 2.0 * right / members;
            value += f / classes.length;
            for (int i = 0; i < n; i++) {
                int member = (gold[i] == c ? 1 : 0) + (chosen[i] == c ? 1 : 0);
                double moved = (member == 2 ? 2 : 0) - f * member;
                contributions[i] += moved * n / members / classes.length;
            }
        }
        for (int i = 0; i < n; i++) {
            contributions[i] += value; // so that their mean is the value
        }
        return new Measure(metric, value, contributions);
    }

    /// exp of the mean of `losses`, in nats, of which each is that of one item.
    public static Measure perplexity(double[] losses) {
        double value = Math.exp(mean(losses));
        double[] contributions = Arrays.stream(losses).map(loss -> value * loss).toArray();
        return new Measure(Metric.PERPLEXITY, value, contributions);
    }

    /// Of the sum of `losses` over the sum of `units`: its exp, or for [Metric#BITS_PER_BYTE] the
    /// ratio itself in bits.
    ///
    /// @param losses of every item, in nats, summed over its units
    public static Measure perplexity(Metric metric, double[] losses, double[] units) {
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
