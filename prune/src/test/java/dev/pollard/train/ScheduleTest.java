package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.train.Schedule.Shape;
import org.junit.jupiter.api.Test;

class ScheduleTest {
    private static final double EXACT = 1e-12;

    @Test
    void cosineRisesToThePeakAndFallsToTheFloor() {
        var schedule = new Schedule(Shape.COSINE, 1, 10, 111, 0, 0.1);
        assertEquals(0.1, schedule.rate(0), EXACT);
        assertEquals(1, schedule.rate(9), EXACT);
        assertEquals(1, schedule.rate(10), EXACT);
        assertEquals(0.55, schedule.rate(60), EXACT); // half way
        assertEquals(0.1, schedule.rate(110), EXACT);
    }

    @Test
    void aLineFallsByTheSameInEveryStepAndTheLastOneStillMoves() {
        var schedule = new Schedule(Shape.LINEAR, 1, 10, 110, 0, 0.2);
        assertEquals(1, schedule.rate(9), EXACT);
        assertEquals(1, schedule.rate(10), EXACT);
        assertEquals(0.6, schedule.rate(60), EXACT);
        assertEquals(0.208, schedule.rate(109), EXACT);
        assertEquals(1, new Schedule(Shape.LINEAR, 1, 3, 3, 0, 0).rate(2), EXACT);
    }

    @Test
    void aPlateauIsHeldUntilTheDescent() {
        var schedule = new Schedule(Shape.WSD, 2, 10, 121, 21, 0);
        assertEquals(0.2, schedule.rate(0), EXACT);
        for (long step = 9; step <= 100; step++) {
            assertEquals(2, schedule.rate(step), EXACT);
        }
        assertEquals(2 * (1 - Math.sqrt(0.25)), schedule.rate(105), EXACT);
        assertEquals(0, schedule.rate(120), EXACT);
    }

    @Test
    void theEndMayMoveWhileThePeakIsHeld() {
        var wsd = new Schedule(Shape.WSD, 1, 10, 120, 20, 0);
        assertTrue(wsd.mayEndAt(90, 70));
        assertTrue(wsd.mayEndAt(500, 100));
        assertFalse(wsd.mayEndAt(90, 71), "would already be falling");
        assertFalse(wsd.mayEndAt(500, 101), "has begun to fall");
        assertTrue(wsd.mayEndAt(120, 110), "the end it had");
        var cosine = new Schedule(Shape.COSINE, 1, 10, 120, 0, 0);
        assertTrue(cosine.mayEndAt(120, 50));
        assertFalse(cosine.mayEndAt(130, 50));
    }

    @Test
    void whatMakesNoSenseIsRefused() {
        assertThrows(
                IllegalArgumentException.class, () -> new Schedule(Shape.WSD, 1, 60, 100, 60, 0));
        assertThrows(
                IllegalArgumentException.class, () -> new Schedule(Shape.COSINE, 0, 1, 9, 0, 0));
        assertThrows(
                IllegalArgumentException.class, () -> new Schedule(Shape.COSINE, 1, 1, 9, 0, 2));
        assertThrows(
                IllegalArgumentException.class, () -> new Schedule(Shape.COSINE, 1, 1, 0, 0, 0));
    }
}
