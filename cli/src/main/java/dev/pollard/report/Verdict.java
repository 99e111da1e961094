package dev.pollard.report;

import dev.pollard.recipe.RunRecord.EvaluationFacts;
import java.util.Locale;

/// Whether a difference between dense and pruned is more than noise, and how that is known.
///
/// A difference is called real where chance alone would bring one as large in fewer than one of
/// twenty cases: by McNemar's test if the record has its p-value; else if it is more than
/// [#STANDARD_ERRORS] of its paired standard error; else, where only the errors of both values are
/// known, of their root sum of squares, as if the items were not the same (which is the stricter).
///
/// @param reason what it rests on: `p = 0.003`, `2.9 standard errors`; empty if on nothing
public record Verdict(Kind kind, String reason) {
    /// What a difference is.
    public enum Kind {
        BETTER("better"),
        WORSE("worse"),
        NOISE("noise"),
        SAME("same"),
        UNKNOWN("error unknown"),
        BROKEN("broken");

        private final String word;

        Kind(String word) {
            this.word = word;
        }

        String word() {
            return word;
        }
    }

    private static final double LEAST_P = 0.05;
    private static final double STANDARD_ERRORS = 1.96;

    static Verdict of(EvaluationFacts facts) {
        double difference = facts.pruned() - facts.dense();
        if (!Double.isFinite(facts.pruned())) {
            return new Verdict(Kind.BROKEN, "");
        }
        if (!Double.isFinite(difference)) {
            return new Verdict(Kind.UNKNOWN, "");
        }
        if (difference == 0) {
            return new Verdict(Kind.SAME, "");
        }
        var real = difference > 0 == facts.higherIsBetter() ? Kind.BETTER : Kind.WORSE;
        if (isNumber(facts.pValue())) {
            double p = facts.pValue();
            return new Verdict(
                    p < LEAST_P ? real : Kind.NOISE,
                    p < 0.001 ? "p < 0.001" : String.format(Locale.ROOT, "p = %.3f", p));
        }
        if (isNumber(facts.differenceStderr())) {
            return of(real, difference, facts.differenceStderr(), "");
        }
        if (isNumber(facts.denseStderr()) && isNumber(facts.stderr())) {
            double error = Math.hypot(facts.denseStderr(), facts.stderr());
            return of(real, difference, error, ", unpaired");
        }
        return new Verdict(Kind.UNKNOWN, "");
    }

    private static Verdict of(Kind real, double difference, double error, String how) {
        double errors = Math.abs(difference) / error;
        return new Verdict(
                errors > STANDARD_ERRORS ? real : Kind.NOISE,
                error > 0
                        ? String.format(Locale.ROOT, "%.1f standard errors%s", errors, how)
                        : "standard error 0");
    }

    private static boolean isNumber(Double value) {
        return value != null && Double.isFinite(value);
    }

    /// `worse (p = 0.003)`.
    public String words() {
        return reason.isEmpty() ? kind.word() : "%s (%s)".formatted(kind.word(), reason);
    }
}
