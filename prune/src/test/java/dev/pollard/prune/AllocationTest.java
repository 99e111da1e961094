package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AllocationTest {
    // ---- how it is written ----

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "uniform | uniform | uniform",
                "owl | owl:lambda=0.08,m=5 | owl, lambda 0.08, m 5",
                "owl:lambda=0.15 | owl:lambda=0.15,m=5 | owl, lambda 0.15, m 5",
                "owl:m=7.5,lambda=0 | owl:lambda=0,m=7.5 | owl, lambda 0, m 7.5"
            })
    void readsAndWritesWhatItIs(String text, String whole, String summary) {
        var allocation = Allocation.parse(text);
        assertEquals(whole, allocation.toString());
        assertEquals(summary, allocation.summary());
        assertEquals(allocation, Allocation.parse(allocation.toString()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "owk | did you mean 'owl'",
                "none | unknown allocation 'none'",
                "owl:lamda=0.1 | did you mean 'lambda'",
                "owl: | '' is not a setting KEY=VALUE of owl",
                "owl:lambda | 'lambda' is not a setting",
                "owl:lambda=0.1, | '' is not a setting",
                "owl:lambda=0.1,lambda=0.2 | lambda of owl twice",
                "owl:lambda=much | lambda of owl must be a number: 'much'",
                "owl:lambda=0.6 | lambda of owl must be in [0, 0.5]: 0.6",
                "owl:lambda=-0.1 | [0, 0.5]: -0.1",
                "owl:lambda=NaN | [0, 0.5]: NaN",
                "owl:m=0.5 | m of owl must be in [1, 1000]: 0.5",
                "uniform:lambda=0.1 | uniform has no settings"
            })
    void refusesWhatItIsNot(String text, String message) {
        var e = assertThrows(IllegalArgumentException.class, () -> Allocation.parse(text));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @Test
    void aPatternTakesTheSameOfEveryLayer() {
        for (String asked : List.of("2:4", "0.995")) {
            var sparsity = Sparsity.parse(asked);
            assertDoesNotThrow(() -> new Allocation.Uniform().check(sparsity));
            var e =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> Allocation.Owl.DEFAULT.check(sparsity));
            assertTrue(e.getMessage().contains("--allocation owl"), e.getMessage());
            assertTrue(e.getMessage().contains(asked), e.getMessage());
        }
        assertDoesNotThrow(() -> Allocation.Owl.DEFAULT.check(Sparsity.parse("0.99")));
    }

    // ---- what it decides ----

    private static double[] ratios(double lambda, double asked, double... outliers) {
        return allot(lambda, asked, outliers).shares().stream()
                .mapToDouble(Allotment.Share::ratio)
                .toArray();
    }

    private static Allotment allot(double lambda, double asked, double... outliers) {
        var byBlock = new LinkedHashMap<Integer, Double>();
        IntStream.range(0, outliers.length).forEach(b -> byBlock.put(b + 3, outliers[b]));
        return Allotment.byOutliers(byBlock, lambda, asked);
    }

    @Test
    void theFormulaOnNumbersByHand() {
        // 2, 6, 3 percent become 0, 0.2, 0.05; less their mean 1/12: what is kept beyond 0.3.
        assertArrayEquals(
                new double[] {0.7 + 1 / 12.0, 0.7 - 0.2 + 1 / 12.0, 0.7 - 0.05 + 1 / 12.0},
                ratios(0.1, 0.7, 2, 6, 3),
                1e-15);
        var allotment = allot(0.1, 0.7, 2, 6, 3);
        assertEquals(List.of(), allotment.notes());
        assertEquals(
                List.of(3, 4, 5), allotment.shares().stream().map(Allotment.Share::block).toList());
        assertEquals(6, allotment.shares().get(1).outliers());
    }

    @Test
    void blocksOfTheSameOutliersGiveWhatWasAsked() {
        assertArrayEquals(new double[] {0.7, 0.7}, ratios(0.08, 0.7, 1.5, 1.5));
        assertArrayEquals(new double[] {0.7, 0.7}, ratios(0, 0.7, 1, 2));
        assertArrayEquals(new double[] {0.7}, ratios(0.08, 0.7, 1));
    }

    @Test
    void theMeanIsWhatWasAsked() {
        var random = new Random(3);
        for (int i = 0; i < 200; i++) {
            double lambda = random.nextDouble() / 2;
            double asked = random.nextDouble() * Allotment.MOST;
            double[] outliers = random.doubles(2 + random.nextInt(40), 0, 5).toArray();
            double[] ratios = ratios(lambda, asked, outliers);
            String drawn = "draw " + i;
            assertEquals(asked, Arrays.stream(ratios).average().orElseThrow(), 1e-12, drawn);
            for (int a = 0; a < ratios.length; a++) {
                assertTrue(ratios[a] >= 0 && ratios[a] <= Allotment.MOST, drawn);
                for (int b = 0; b < a; b++) {
                    assertTrue((outliers[a] - outliers[b]) * (ratios[b] - ratios[a]) >= 0, drawn);
                }
            }
        }
    }

    @Test
    void ratiosBeyondTheBoundsAreHeldThereAndTheOthersMakeUpForIt() {
        // Without bounds 1.1, 0.9, 0.7; what the first cannot give, the others do.
        var high = allot(0.2, 0.9, 1, 2, 3);
        assertArrayEquals(new double[] {0.99, 0.955, 0.755}, ratios(0.2, 0.9, 1, 2, 3), 1e-12);
        assertEquals(1, high.notes().size());
        assertTrue(high.notes().getFirst().startsWith("owl: 1 of 3 blocks"), high.toString());
        assertArrayEquals(new double[] {0.135, 0.015, 0}, ratios(0.1, 0.05, 1, 2.2, 3), 1e-12);
        assertArrayEquals(new double[] {0, 0}, ratios(0.1, 0, 1, 2), 1e-12);
        assertArrayEquals(new double[] {0.99, 0.99}, ratios(0.1, 0.99, 1, 2), 1e-12);
    }
}
