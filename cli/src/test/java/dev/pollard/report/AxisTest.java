package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class AxisTest {
    @Test
    void valuesNearZeroAreSeenFromZero() {
        assertEquals(List.of(0.0, 2.0, 4.0, 6.0, 8.0), Axis.fromZero(7.5).ticks());
        assertEquals(List.of(0.0, 10.0, 20.0, 30.0, 40.0), Axis.around(8, 35).ticks());
    }

    @Test
    void valuesFarFromZeroAreSeenFromNearBy() {
        assertEquals(List.of(40.0, 50.0, 60.0, 70.0, 80.0), Axis.around(41, 77).ticks());
    }

    @Test
    void marksNeedNoZero() {
        assertEquals(
                List.of(25.0, 30.0, 35.0, 40.0, 45.0), Axis.between(26, 44, Double.NaN).ticks());
        assertEquals(0, Axis.between(5, 5).low());
    }

    /// Two digits would call 4.25 and 4.3 the same.
    @Test
    void labelsHaveTheDigitsThatTicksNeed() {
        var axis = Axis.between(4.1, 4.9);
        assertEquals(
                List.of("4", "4.2", "4.4", "4.6", "4.8", "5"),
                axis.ticks().stream().map(axis::label).toList());
        var quarters = Axis.between(1, 2);
        assertEquals(
                List.of("1", "1.25", "1.5", "1.75", "2"),
                quarters.ticks().stream().map(quarters::label).toList());
        var large = Axis.between(100_100, 100_900);
        assertEquals("100,200", large.label(large.ticks().get(1)));
    }

    @Test
    void decadesAreSeenAsRatios() {
        var axis = Axis.around(30, 1362, Double.NaN, Double.POSITIVE_INFINITY);
        assertTrue(axis.logarithmic());
        assertEquals(List.of(20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0), axis.ticks());
        assertEquals(0.5, axis.part(200), 1e-9);
        assertEquals(
                List.of(10.0, 100.0, 1000.0, 10_000.0, 100_000.0), Axis.around(30, 53_292).ticks());
    }

    @Test
    void oneValueOrNoneStillMakeAnAxis() {
        assertTrue(Axis.around(5).part(5) <= 1);
        assertEquals(0, Axis.around(0, 0).low());
        assertEquals(1, Axis.around(Double.NaN).high());
        assertFalse(Axis.around(-3).ticks().isEmpty());
    }
}
