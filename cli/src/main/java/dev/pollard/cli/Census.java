package dev.pollard.cli;

import dev.pollard.format.StoredTensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What the numbers of one tensor are.
///
/// @param zeros how many are +0 or -0
/// @param notFinite how many are NaN or infinite
/// @param patterns N:M patterns (N kept of M along the rows) that a sparse matrix satisfies
record Census(long zeros, long notFinite, List<String> patterns) {
    private static final int CHUNK = 1 << 16;
    private static final int MAGNITUDE = 0x7fffffff;
    private static final int LARGEST_FINITE = 0x7f7fffff;

    /// Reads every number of `tensor`.
    ///
    /// @return empty if its storage cannot be read as real numbers
    static Optional<Census> of(StoredTensor tensor) {
        long elements = tensor.shape().elements();
        long columns =
                tensor.shape().rank() == 0 ? 1 : tensor.shape().size(tensor.shape().rank() - 1);
        // The same bits as float32, so that zero and NaN are integer comparisons that C2 turns
        // into vector code.
        int[] bits = new int[(int) Math.min(CHUNK, elements)];
        var segment = MemorySegment.ofArray(bits);
        long zeros = 0;
        long notFinite = 0;
        boolean matrix = tensor.shape().rank() == 2;
        boolean twoOfFour = matrix && columns % 4 == 0;
        boolean fourOfEight = matrix && columns % 8 == 0;
        for (long from = 0; from < elements; from += CHUNK) {
            int count = (int) Math.min(CHUNK, elements - from);
            try {
                tensor.readFloats(from, count, segment);
            } catch (IllegalArgumentException e) {
                return Optional.empty(); // complex numbers, or a quantisation without decoder
            }
            zeros += zeros(bits, count);
            notFinite += notFinite(bits, count);
            twoOfFour = twoOfFour && atLeastHalfZero(bits, count, 4);
            fourOfEight = fourOfEight && atLeastHalfZero(bits, count, 8);
        }
        var patterns = new ArrayList<String>();
        if (twoOfFour && elements > 0) {
            patterns.add("2:4");
        }
        if (fourOfEight && elements > 0) {
            patterns.add("4:8");
        }
        return Optional.of(new Census(zeros, notFinite, List.copyOf(patterns)));
    }

    private static int zeros(int[] bits, int count) {
        int zeros = 0;
        for (int i = 0; i < count; i++) {
            zeros += ((bits[i] & MAGNITUDE) - 1) >>> 31; // only 0 - 1 is negative
        }
        return zeros;
    }

    private static int notFinite(int[] bits, int count) {
        int notFinite = 0;
        for (int i = 0; i < count; i++) {
            notFinite += (LARGEST_FINITE - (bits[i] & MAGNITUDE)) >>> 31;
        }
        return notFinite;
    }

    /// Chunks begin on whole groups, for their length is a power of two.
    private static boolean atLeastHalfZero(int[] bits, int count, int group) {
        for (int start = 0; start < count; start += group) {
            int zeros = 0;
            for (int i = start; i < start + group; i++) {
                zeros += ((bits[i] & MAGNITUDE) - 1) >>> 31;
            }
            if (2 * zeros < group) {
                return false;
            }
        }
        return true;
    }
}
