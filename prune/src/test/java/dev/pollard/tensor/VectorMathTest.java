package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

class VectorMathTest {
    private static float[] exp(float... x) {
        float[] padded = Arrays.copyOf(x, FloatVector.SPECIES_PREFERRED.length());
        var y = VectorMath.exp(FloatVector.fromArray(FloatVector.SPECIES_PREFERRED, padded, 0));
        return Arrays.copyOf(y.toArray(), x.length);
    }

    @Test
    void expIsRightWithinThreeUnits() {
        for (float x = -87.3f; x < 88.3f; x += 0.0137f) {
            double expected = Math.exp(x);
            assertEquals(expected, exp(x)[0], 3 * Math.ulp((float) expected), "x = " + x);
        }
        assertEquals(1f, exp(0f)[0]);
    }

    @Test
    void expStaysFiniteAtItsEndsAndKeepsNaN() {
        assertTrue(exp(Float.NEGATIVE_INFINITY)[0] < 2e-38f);
        assertTrue(Float.isFinite(exp(1000f)[0]));
        assertTrue(Float.isNaN(exp(Float.NaN)[0]));
    }

    @Test
    void compiledCodeGivesTheBitsOfInterpretedCode() {
        float[] x = {-3.7f, 0.123f, 1.9f, 17.25f};
        float[] first = exp(x);
        for (int i = 0; i < 50_000; i++) {
            assertArrayEquals(first, exp(x), 0f);
        }
    }
}
