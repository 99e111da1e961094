package dev.pollard.prune.method;

import dev.pollard.prune.Mask;
import dev.pollard.prune.Selection;
import dev.pollard.prune.solver.InverseFactor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// SparseGPT's columns `[from, to)`: the diagonal block of `U` on the heap, and the loop that takes
/// one row of weights through it.
///
/// Rows of the block are padded with zeros to whole vectors, and `U` is zero below its diagonal. So
/// a row of `U` is subtracted in whole vectors from the one that holds column `j` on, without a
/// tail on either side: columns before `j` lose nothing.
final class ColumnBlock {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

    private final int from;
    private final int width;
    private final int pitch; // width in whole vectors
    private final float[] upper; // [width, pitch]
    private final float[] diagonal; // [width]
    private final float[] diagonalSquared; // [width]

    ColumnBlock(InverseFactor factor, int from, int to) {
        this.from = from;
        this.width = to - from;
        this.pitch = Math.ceilDiv(width, SPECIES.length()) * SPECIES.length();
        this.upper = new float[Math.multiplyExact(width, pitch)];
        this.diagonal = Arrays.copyOfRange(factor.diagonal(), from, to);
        this.diagonalSquared = new float[width];
        MemorySegment source = factor.upper().segment();
        long columns = factor.upper().size(1);
        for (int i = 0; i < width; i++) {
            MemorySegment.copy(
                    source,
                    ValueLayout.JAVA_FLOAT,
                    4 * ((from + i) * columns + from),
                    upper,
                    i * pitch,
                    width);
            diagonalSquared[i] = diagonal[i] * diagonal[i];
        }
    }

    int from() {
        return from;
    }

    int width() {
        return width;
    }

    /// Replaces the weights of one row at `at` by their scores `w² / U_jj²`.
    void score(float[] weights, int at) {
        for (int i = 0; i < width; i++) {
            float w = weights[at + i];
            weights[at + i] = w * w / diagonalSquared[i];
        }
    }

    Row newRow() {
        return new Row();
    }

    /// One row of weights under way; reused from row to row by one thread.
    final class Row {
        private final float[] weights = new float[pitch];
        private final float[] errors = new float[pitch];
        private final long[] kept = new long[Mask.wordsPerRow(width)];

        void load(MemorySegment source, long element) {
            MemorySegment.copy(source, ValueLayout.JAVA_FLOAT, 4 * element, weights, 0, width);
            Arrays.fill(errors, 0f);
        }

        /// Removes the weights whose bits are 0 in row `row` of `chosen`.
        void remove(long[] chosen, int row) {
            System.arraycopy(chosen, row * kept.length, kept, 0, kept.length);
            for (int k = 0; k < kept.length; k++) {
                int columns = Math.min(64, width - (k << 6));
                for (long gone = ~kept[k] & -1L >>> -columns; gone != 0; gone &= gone - 1) {
                    eliminate((k << 6) + Long.numberOfTrailingZeros(gone));
                }
            }
            clearRemoved();
        }

        /// Of every `of` columns removes the `of - keep` of the lowest score at the time the sweep
        /// gets there.
        void removeInGroups(int keep, int of) {
            Arrays.fill(kept, 0);
            float[] scores = new float[of];
            boolean[] removed = new boolean[of];
            for (int group = 0; group < width; group += of) {
                for (int j = 0; j < of; j++) {
                    float w = weights[group + j];
                    scores[j] = w * w / diagonalSquared[group + j];
                }
                Selection.lowest(scores, 0, of, of - keep, removed);
                for (int j = 0; j < of; j++) {
                    if (removed[j]) {
                        eliminate(group + j);
                    } else {
                        kept[group + j >> 6] |= 1L << group + j;
                    }
                }
            }
            clearRemoved();
        }

        /// Takes column `i` out and changes the columns after it to make up for it.
        private void eliminate(int i) {
            float error = weights[i] / diagonal[i];
            errors[i] = error;
            var minus = FloatVector.broadcast(SPECIES, -error);
            int row = i * pitch;
            for (int j = i & -SPECIES.length(); j < pitch; j += SPECIES.length()) {
                FloatVector.fromArray(SPECIES, upper, row + j)
                        .fma(minus, FloatVector.fromArray(SPECIES, weights, j))
                        .intoArray(weights, j);
            }
        }

        /// What elimination leaves of a removed weight is rounding; it shall be +0.
        private void clearRemoved() {
            for (int i = 0; i < width; i++) {
                weights[i] = (kept[i >> 6] >>> i & 1) != 0 ? weights[i] : 0f;
            }
        }

        void store(MemorySegment target, long element) {
            MemorySegment.copy(weights, 0, target, ValueLayout.JAVA_FLOAT, 4 * element, width);
        }

        void storeErrors(MemorySegment target, long element) {
            MemorySegment.copy(errors, 0, target, ValueLayout.JAVA_FLOAT, 4 * element, width);
        }

        /// Puts the bits of this block into a mask row that starts at `firstWord`; words of other
        /// rows are not touched.
        void storeKept(long[] mask, int firstWord, int column) {
            Mask.place(kept, 0, width, mask, firstWord, column);
        }
    }
}
