package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Against numbers worked out by hand.
class ComparisonTest {
    private static Measure acc(double... right) {
        return Measure.mean(Metric.ACC, right);
    }

    @Test
    void pairsTheDifferenceItemByItem() {
        // Differences 0, 1, -1, -1: mean -1/4, squares 11/4, /3/4.
        var comparison = Comparison.of(acc(1, 0, 1, 1), acc(1, 1, 0, 0));
        assertEquals(-0.25, comparison.difference());
        assertEquals(Math.sqrt(2.75 / 12), comparison.standardError().getAsDouble(), 1e-15);
        assertEquals(2, comparison.onlyFirst());
        assertEquals(1, comparison.onlySecond());
        assertEquals(1, comparison.pValue().getAsDouble());
        assertEquals("noise", comparison.verdict());
    }

    /// 2 Σ C(n, k) / 2ⁿ over k up to the smaller count.
    @ParameterizedTest
    @CsvSource({
        "0, 0, 1",
        "5, 5, 1",
        "0, 6, 0.03125",
        "6, 0, 0.03125",
        "3, 9, 0.14599609375",
        "0, 25, 5.9604644775390625e-8"
    })
    void isExactForFewDiscordantItems(int b, int c, double p) {
        assertEquals(p, Comparison.mcNemar(b, c), 1e-12);
    }

    /// χ² = (|10 − 30| − 1)² / 40 = 9.025, and 0 where the correction takes all.
    @ParameterizedTest
    @CsvSource({"10, 30, 0.0026629", "30, 10, 0.0026629", "20, 20, 1", "20, 21, 1"})
    void isCorrectedForContinuityForMany(int b, int c, double p) {
        assertEquals(p, Comparison.mcNemar(b, c), 1e-6);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 1",
        "0.1, 0.8875370839817152",
        "0.5, 0.4795001221869535",
        "1, 0.15729920705028513",
        "1.9, 0.007209570764742524",
        "2, 0.004677734981047266",
        "2.1, 0.002979466656333036",
        "3, 2.209049699858544e-05",
        "5, 1.5374597944280347e-12",
        "8, 1.1224297172982928e-29"
    })
    void integratesTheTail(double x, double tail) {
        assertEquals(tail, Comparison.erfc(x), 1e-12 + 1e-9 * tail);
    }

    @Test
    void callsADifferenceRealOnlyWhenItIs() {
        double[] dense = new double[100];
        Arrays.fill(dense, 0, 60, 1);
        double[] worse = dense.clone();
        Arrays.fill(worse, 0, 12, 0);
        double[] shuffled = dense.clone();
        Arrays.fill(shuffled, 0, 12, 0);
        Arrays.fill(shuffled, 60, 70, 1);
        assertEquals("real at 5 %", Comparison.of(acc(dense), acc(worse)).verdict());
        assertEquals("noise", Comparison.of(acc(dense), acc(shuffled)).verdict());
        assertEquals("noise", Comparison.of(acc(dense), acc(dense)).verdict());
    }

    @Test
    void comparesPerplexitiesWindowByWindow() {
        double[] dense = new double[40];
        double[] pruned = new double[40];
        for (int i = 0; i < dense.length; i++) {
            dense[i] = 3 + (i % 7) * 0.3; // windows differ much …
            pruned[i] = dense[i] + 0.01 + (i % 2) * 0.001; // … and models little, but always
        }
        var first = Measure.perplexity(dense);
        var comparison = Comparison.of(first, Measure.perplexity(pruned));
        assertTrue(comparison.difference() > 0);
        double paired = comparison.standardError().getAsDouble();
        assertTrue(paired < first.standardError().getAsDouble() / 10, "paired: " + paired);
        assertEquals("real at 5 %", comparison.verdict());
        var same = Comparison.of(first, first);
        assertEquals(0, same.difference());
        assertEquals(1, same.pValue().getAsDouble());
    }

    @Test
    void doesNotJudgeByAFewWindows() {
        var first = Measure.perplexity(new double[] {1, 2, 3});
        var comparison = Comparison.of(first, Measure.perplexity(new double[] {2, 3, 4}));
        assertTrue(comparison.pValue().isEmpty());
        assertEquals("too few items to say", comparison.verdict());
        assertFalse(comparison.standardError().isEmpty());
    }

    @Test
    void refusesWhatCannotBePaired() {
        var two = acc(1, 0);
        assertThrows(IllegalArgumentException.class, () -> Comparison.of(two, acc(1, 0, 1)));
        var other = Measure.perplexity(new double[] {1, 2});
        assertThrows(IllegalArgumentException.class, () -> Comparison.of(two, other));
    }

    @Test
    void givesStandardErrors() {
        assertEquals(0.25, acc(1, 0, 1, 1).standardError().getAsDouble(), 1e-15);
        assertTrue(acc(1).standardError().isEmpty());
        var perplexity = Measure.perplexity(new double[] {2, 4});
        assertEquals(Math.exp(3), perplexity.value(), 1e-12);
        assertEquals(Math.exp(3), perplexity.standardError().getAsDouble(), 1e-12);
        // 30 nats over 13 words; residuals ∓ 20/13, over a mean of 6.5 words.
        double[] losses = {10, 20};
        double[] words = {5, 8};
        var byWord = Measure.perplexity(Metric.WORD_PERPLEXITY, losses, words);
        assertEquals(Math.exp(30.0 / 13), byWord.value(), 1e-12);
        assertEquals(
                Math.exp(30.0 / 13) * 20 / 13 / 6.5, byWord.standardError().getAsDouble(), 1e-12);
        var bits = Measure.perplexity(Metric.BITS_PER_BYTE, losses, words);
        assertEquals(30.0 / 13 / Math.log(2), bits.value(), 1e-12);
        assertEquals(20 / 13.0 / 6.5 / Math.log(2), bits.standardError().getAsDouble(), 1e-12);
    }
}
