package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollard.recipe.RunRecord.EvaluationFacts;
import dev.pollard.report.Verdict.Kind;
import org.junit.jupiter.api.Test;

class VerdictTest {
    private static Verdict verdict(
            boolean higherIsBetter,
            double dense,
            double pruned,
            Double denseError,
            Double error,
            Double differenceError,
            Double p) {
        return Verdict.of(
                new EvaluationFacts(
                        "t",
                        "m",
                        higherIsBetter,
                        dense,
                        pruned,
                        null,
                        denseError,
                        error,
                        differenceError,
                        p,
                        null,
                        null,
                        null,
                        0,
                        0,
                        0,
                        0,
                        "none",
                        "",
                        false));
    }

    @Test
    void testOfTheItemsDecidesWhereThereIsOne() {
        assertEquals(
                new Verdict(Kind.WORSE, "p = 0.049"),
                verdict(true, 0.6, 0.5, 1.0, 1.0, 1.0, 0.049));
        assertEquals(Kind.NOISE, verdict(true, 0.6, 0.5, 0.0, 0.0, 0.0, 0.05).kind());
    }

    @Test
    void elseThePairedErrorAndElseBoth() {
        assertEquals(
                new Verdict(Kind.WORSE, "2.0 standard errors"),
                verdict(false, 10, 12, null, 9.0, 1.0, null));
        assertEquals(Kind.NOISE, verdict(false, 10, 11.9, null, null, 1.0, null).kind());
        assertEquals(
                new Verdict(Kind.NOISE, "1.0 standard errors, unpaired"),
                verdict(false, 10, 15, 3.0, 4.0, null, null));
        assertEquals(Kind.UNKNOWN, verdict(false, 10, 15, null, 4.0, null, null).kind());
    }

    @Test
    void betterIsWhatTheMetricCallsBetter() {
        assertEquals(Kind.BETTER, verdict(true, 0.5, 0.6, null, null, 0.01, null).kind());
        assertEquals(Kind.BETTER, verdict(false, 12, 10, null, null, 0.01, null).kind());
        assertEquals(Kind.WORSE, verdict(true, 0.6, 0.5, null, null, 0.0, null).kind());
        assertEquals(Kind.SAME, verdict(true, 0.5, 0.5, null, null, 0.0, null).kind());
    }

    @Test
    void valuesThatAreNoNumbersAreBroken() {
        assertEquals(Kind.BROKEN, verdict(false, 10, Double.NaN, 1.0, 1.0, 1.0, 0.5).kind());
        assertEquals(Kind.UNKNOWN, verdict(false, Double.NaN, 1, 1.0, 1.0, 1.0, 0.5).kind());
        assertEquals(
                Kind.UNKNOWN, verdict(false, 10, 11, 1.0, Double.NaN, Double.NaN, null).kind());
    }
}
