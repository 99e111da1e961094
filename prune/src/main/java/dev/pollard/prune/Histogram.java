package dev.pollard.prune;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// How many weights of a matrix have which value. Exact zeros are left out: they would dwarf the
/// rest, and the sparsity tells how many there are.
///
/// @param bound the bins cover `[-bound, bound]` evenly; what lies beyond is in the outermost
/// @param counts one per bin
public record Histogram(double bound, long[] counts) {
    private static final int BINS = 49; // odd: one in the middle
    private static final double DEVIATIONS = 4;

    /// Over four times the root mean square of `reference`.
    static double bound(Tensor reference) {
        try (var _ = Scope.open()) {
            return DEVIATIONS * Math.sqrt(reference.square().mean().item());
        }
    }

    /// Of `weight [out, in]` float32, finite.
    static Histogram of(Tensor weight, double bound) {
        long[] counts = new long[BINS];
        int columns = Math.toIntExact(weight.size(1));
        float[] row = new float[columns];
        float perUnit = bound > 0 ? (float) (BINS / (2 * bound)) : 0;
        try (var _ = Scope.open()) {
            MemorySegment values = weight.contiguous().segment();
            for (long r = 0; r < weight.size(0); r++) {
                MemorySegment.copy(
                        values, ValueLayout.JAVA_FLOAT, 4 * r * columns, row, 0, columns);
                for (float w : row) {
                    if (w != 0) {
                        int bin = (int) Math.floor(w * perUnit + 0.5f * BINS);
                        counts[Math.clamp(bin, 0, BINS - 1)]++;
                    }
                }
            }
        }
        return new Histogram(bound, counts);
    }
}
