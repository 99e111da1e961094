package dev.pollard.eval;

import java.util.OptionalDouble;

/// A metric of two models on the same items.
///
/// @param difference of the second model to the first
/// @param standardError of the difference, paired: from the differences item by item
/// @param pValue how probable a difference at least as large is by chance alone, if the models are
///     equally good: by McNemar's test for a share of right items, else by the difference over its
///     standard error (normal distribution); empty for less than [#FEWEST] items of the latter
/// @param onlyFirst items that the first model alone has right; 0 if items are not right or wrong
/// @param onlySecond items that the second alone has right
public record Comparison(
        double difference,
        OptionalDouble standardError,
        OptionalDouble pValue,
        int onlyFirst,
        int onlySecond) {
    /// Items below which the normal distribution is not trusted.
    public static final int FEWEST = 20;

    /// Discordant items below which McNemar's test is exact.
    private static final int EXACT = 26;

    /// Below it a difference is called real.
    private static final double LEVEL = 0.05;

    /// Compares two measures of one metric on the same items, in the same order.
    ///
    /// @throws IllegalArgumentException if metrics or numbers of items differ
    public static Comparison of(Measure first, Measure second) {
        double[] a = first.contributions();
        double[] b = second.contributions();
        if (first.metric() != second.metric() || a.length != b.length) {
            throw new IllegalArgumentException(
                    "%s of %d items and %s of %d cannot be compared"
                            .formatted(first.metric(), a.length, second.metric(), b.length));
        }
        double[] differences = new double[a.length];
        int onlyFirst = 0;
        int onlySecond = 0;
        for (int i = 0; i < a.length; i++) {
            differences[i] = b[i] - a[i];
            onlyFirst += differences[i] < 0 ? 1 : 0;
            onlySecond += differences[i] > 0 ? 1 : 0;
        }
        double difference = second.value() - first.value();
        var error = Measure.standardError(differences);
        if (first.metric().isProportion()) {
            double p = mcNemar(onlyFirst, onlySecond);
            return new Comparison(difference, error, OptionalDouble.of(p), onlyFirst, onlySecond);
        }
        var p =
                error.isEmpty() || a.length < FEWEST
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(normal(difference, error.getAsDouble()));
        return new Comparison(difference, error, p, 0, 0);
    }

    /// What to make of the difference.
    public String verdict() {
        return pValue.isPresent() ? verdict(pValue.getAsDouble()) : "too few items to say";
    }

    /// What to make of a difference with this probability.
    public static String verdict(double pValue) {
        return pValue < LEVEL ? "real at 5 %" : "noise";
    }

    /// McNemar's test (Psychometrika 12, 1947) of `b` against `c` discordant items, two-sided:
    /// exact (binomial) for less than 26 of them, else chi-squared with one degree of freedom and
    /// Edwards' continuity correction (Psychometrika 13, 1948).
    static double mcNemar(int b, int c) {
        int n = b + c;
        if (n < EXACT) {
            double term = Math.pow(0.5, n); // C(n, k) / 2ⁿ
            double tail = 0;
            for (int k = 0; k <= Math.min(b, c); k++) {
                tail += term;
                term *= (double) (n - k) / (k + 1);
            }
            return Math.min(1, 2 * tail);
        }
        double excess = Math.max(0, Math.abs(b - c) - 1);
        return erfc(Math.sqrt(excess * excess / n / 2)); // √χ² is a standard normal's |z|
    }

    private static double normal(double difference, double error) {
        return difference == 0 ? 1 : erfc(Math.abs(difference) / error / Math.sqrt(2));
    }

    /// 2/√π ∫ exp(−t²) from `x` to infinity, for `x` ≥ 0: Taylor's series of erf below 2, beyond it
    /// the continued fraction (Abramowitz and Stegun 7.1.6 and 7.1.14).
    static double erfc(double x) {
        double density = Math.exp(-x * x) / Math.sqrt(Math.PI);
        if (x < 2) {
            double term = 2 * x;
            double sum = term;
            for (int n = 1; n < 60; n++) {
                term *= 2 * x * x / (2 * n + 1);
                sum += term;
            }
            return 1 - density * sum;
        }
        double fraction = x;
        for (int k = 60; k >= 1; k--) {
            fraction = x + k / 2.0 / fraction;
        }
        return density / fraction;
    }
}
