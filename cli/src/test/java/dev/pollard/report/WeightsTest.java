package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.recipe.RunRecord.Histogram;
import dev.pollard.recipe.RunRecord.LayerFacts;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class WeightsTest {
    private static LayerFacts layer(double bound, long... counts) {
        return new LayerFacts(
                "h.0.a",
                2,
                5,
                0,
                0,
                "output",
                0,
                List.of(),
                List.of(),
                new Histogram(bound, Map.of("dense", counts)));
    }

    @Test
    void sharesAreOfAllWeightsAndTheRestIsZeros() {
        var weights = Weights.of(List.of(layer(1, 2, 0, 1, 3)));
        assertArrayEquals(new double[] {0.2, 0, 0.1, 0.3}, weights.shares().get("dense"), 1e-12);
        assertEquals(0.4, weights.zeros("dense"), 1e-12);
        assertEquals(List.of(-0.75, -0.25, 0.25, 0.75), weights.middles());
    }

    @Test
    void binsOfOtherBoundsAreSharedOut() {
        var weights = Weights.of(List.of(layer(1, 4, 4), layer(2, 2, 6), layer(2, 0, 0)));
        assertEquals(2, weights.bound());
        assertArrayEquals(new double[] {6 / 30.0, 10 / 30.0}, weights.shares().get("dense"), 1e-12);
        var narrow =
                Weights.of(List.of(layer(1, 2, 2, 2, 2), layer(1, 0, 0, 0, 0), layer(2, 4, 4)));
        assertArrayEquals(
                new double[] {5 / 30.0, 3 / 30.0, 3 / 30.0, 5 / 30.0},
                narrow.shares().get("dense"),
                1e-12,
                "what lies beyond falls into the last bins");
    }

    @Test
    void histogramsThatMakeNoSenseAreLeftOut() {
        assertTrue(
                Weights.of(
                                List.of(
                                        layer(0, 1, 2),
                                        layer(Double.NaN, 1, 2),
                                        layer(1),
                                        Records.layer("h.0.a", 0.5, 0.1)))
                        .isEmpty());
    }
}
