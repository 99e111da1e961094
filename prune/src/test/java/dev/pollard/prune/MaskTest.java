package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MaskTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 63, 64, 65, 128, 200})
    void aFullMaskKeepsEverythingAndNothingBeyond(int columns) {
        Mask mask = Mask.full(3, columns);
        assertEquals(3L * columns, mask.kept());
        assertEquals(0, mask.pruned());
        assertEquals(0.0, mask.sparsity());
        assertTrue(mask.isKept(2, columns - 1));
        assertThrows(IndexOutOfBoundsException.class, () -> mask.isKept(2, columns));
        assertThrows(IndexOutOfBoundsException.class, () -> mask.isKept(-1, 0));
    }

    @Test
    void keepsWhatIsNotZeroAndPutsPlusZeroElsewhere() {
        try (var _ = Scope.open()) {
            float[] values = new float[2 * 70];
            values[3] = 1;
            values[69] = -2;
            values[70 + 64] = Float.MIN_VALUE;
            values[70 + 65] = -0f;
            Mask mask = Mask.ofNonZero(Tensor.of(values, 2, 70));
            assertEquals(3, mask.kept());
            assertTrue(mask.isKept(0, 3) && mask.isKept(0, 69) && mask.isKept(1, 64));
            assertEquals(1L << 3, mask.word(0, 0));
            assertEquals(1L << 5, mask.word(0, 1));

            Tensor minusOnes = Tensor.full(-1, 2, 70);
            float[] applied = mask.applyTo(minusOnes).toFloats();
            float[] expected = new float[2 * 70];
            expected[3] = expected[69] = expected[70 + 64] = -1;
            assertArrayEquals(expected, applied);
            assertEquals(-1, minusOnes.toFloats()[0]);
            assertTrue(mask.covers(mask.applyTo(minusOnes)));
            assertFalse(mask.covers(minusOnes));
            assertThrows(IllegalArgumentException.class, () -> mask.applyTo(Tensor.zeros(70, 2)));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 15, 16, 63, 64, 65, 130})
    void keepsWhatIsNotZeroInRowsOfAnyWidth(int columns) {
        try (var _ = Scope.open()) {
            float[] some = {0, 1, -0f, Float.NaN, Float.MIN_VALUE, 0, Float.NEGATIVE_INFINITY};
            float[] values = new float[3 * columns];
            for (int i = 0; i < values.length; i++) {
                values[i] = some[i % some.length];
            }
            Mask mask = Mask.ofNonZero(Tensor.of(values, 3, columns));
            for (int i = 0; i < values.length; i++) {
                assertEquals(values[i] != 0, mask.isKept(i / columns, i % columns), "entry " + i);
            }
        }
    }

    @Test
    void partsAMatrixIntoWhatItKeepsAndTheRest() {
        try (var _ = Scope.open()) {
            float[] values = new float[2 * 70];
            for (int i = 0; i < values.length; i++) {
                values[i] = i + 1;
            }
            float[] mine = values.clone();
            float[] rest = new float[2 * 70];
            for (int i : new int[] {0, 63, 64, 69, 70, 139}) {
                rest[i] = values[i];
                mine[i] = 0;
            }
            Mask mask = Mask.ofNonZero(Tensor.of(mine, 2, 70));
            Tensor left = Tensor.of(values, 2, 70);
            Tensor taken = Tensor.full(-1, 2, 70);
            mask.part(left, taken);
            assertArrayEquals(mine, taken.toFloats());
            assertArrayEquals(rest, left.toFloats());
            assertThrows(
                    IllegalArgumentException.class, () -> mask.part(left, Tensor.zeros(70, 2)));
        }
    }

    @Test
    void theWordsAreCopiedAndChecked() {
        long[] words = {0b1011, 0b0110};
        Mask mask = Mask.of(2, 4, words);
        words[0] = 0;
        assertEquals(5, mask.kept());
        assertEquals(mask, Mask.of(2, 4, new long[] {0b1011, 0b0110}));
        assertNotEquals(mask, Mask.of(2, 4, new long[] {0b1011, 0b0111}));
        assertThrows(IllegalArgumentException.class, () -> Mask.of(2, 4, new long[3]));
        assertThrows(IllegalArgumentException.class, () -> Mask.of(2, 4, new long[] {0b10000, 0}));
    }

    @Test
    void knowsAnNOfMPattern() {
        var twoOfFour = new Sparsity.SemiStructured(2, 4);
        assertTrue(Mask.of(1, 8, new long[] {0b0110_1001}).matches(twoOfFour));
        assertFalse(Mask.of(1, 8, new long[] {0b0010_1101}).matches(twoOfFour));
        assertFalse(Mask.of(1, 8, new long[] {0b0010_1001}).matches(twoOfFour));
        assertFalse(Mask.of(1, 6, new long[] {0b10_1001}).matches(twoOfFour));
    }

    @Test
    void knowsARatioUpToOneRoundingPerGroup() {
        // 3 rows of 5 at a half: 7 of the matrix, or 2 of every row.
        var half = new Sparsity.Unstructured(0.5);
        Mask seven = Mask.of(3, 5, new long[] {0b00111, 0b00011, 0b00111});
        Mask six = Mask.of(3, 5, new long[] {0b00111, 0b00111, 0b00111});
        Mask eight = Mask.of(3, 5, new long[] {0b00111, 0b00011, 0b00011});
        assertTrue(seven.matches(half, 1));
        assertFalse(six.matches(half, 1));
        assertTrue(six.matches(half, 3));
        assertFalse(Mask.full(3, 5).matches(half, 3));
        assertFalse(eight.matches(half, 3));
    }
}
