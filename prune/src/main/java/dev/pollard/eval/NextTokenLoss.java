package dev.pollard.eval;

import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.VectorMath;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Negative log-likelihood of ids under rows of logits, in one pass over each row without anything
/// in between: the rows are the largest thing in memory, and torch's would copy them.
final class NextTokenLoss {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();

    private NextTokenLoss() {}

    /// Sum over rows of `log Σ exp(row) − row[id]`, in nats; NaN or infinite if a row holds such
    /// numbers.
    ///
    /// @param logits `[rows, vocabulary]` float32
    /// @param ids of row `r` it is `ids[from + r]`
    static double sum(Tensor logits, int[] ids, int from) {
        int rows = Math.toIntExact(logits.size(0));
        int vocabulary = Math.toIntExact(logits.size(1));
        MemorySegment floats = logits.contiguous().segment();
        double sum = 0;
        for (int r = 0; r < rows; r++) {
            MemorySegment row = floats.asSlice(4L * r * vocabulary, 4L * vocabulary);
            sum += prediction(row, vocabulary).loss(row, ids[from + r]);
        }
        return sum;
    }

    /// What a row of logits says.
    ///
    /// @param logSumExp `log Σ exp(row)`
    /// @param best the most probable id, the first of several; -1 if the row holds NaN
    record Prediction(double logSumExp, int best) {
        /// Negative log-likelihood of `id` under the row it was made of.
        double loss(MemorySegment row, int id) {
            return logSumExp - value(row, id);
        }
    }

    /// @param row `vocabulary` float32 logits
    static Prediction prediction(MemorySegment row, int vocabulary) {
        float max = max(row, vocabulary);
        return new Prediction(logSumExp(row, vocabulary, max), indexOf(row, vocabulary, max));
    }

    private static int indexOf(MemorySegment row, int count, float max) {
        int whole = SPECIES.loopBound(count);
        for (int i = 0; i < whole; i += SPECIES.length()) {
            var found = FloatVector.fromMemorySegment(SPECIES, row, 4L * i, ORDER).eq(max);
            if (found.anyTrue()) {
                return i + found.firstTrue();
            }
        }
        for (int i = whole; i < count; i++) {
            if (value(row, i) == max) {
                return i;
            }
        }
        return -1;
    }

    private static float max(MemorySegment row, int count) {
        int whole = SPECIES.loopBound(count);
        float max = Float.NEGATIVE_INFINITY;
        var maxima = FloatVector.broadcast(SPECIES, max);
        for (int i = 0; i < whole; i += SPECIES.length()) {
            maxima = maxima.max(FloatVector.fromMemorySegment(SPECIES, row, 4L * i, ORDER));
        }
        max = maxima.reduceLanes(VectorOperators.MAX);
        for (int i = whole; i < count; i++) {
            max = Math.max(max, value(row, i));
        }
        return max;
    }

    private static double logSumExp(MemorySegment row, int count, float max) {
        int whole = SPECIES.loopBound(count);
        var sums = FloatVector.zero(SPECIES);
        for (int i = 0; i < whole; i += SPECIES.length()) {
            var x = FloatVector.fromMemorySegment(SPECIES, row, 4L * i, ORDER);
            sums = sums.add(VectorMath.exp(x.sub(max)));
        }
        double sum = VectorMath.sum(sums);
        for (int i = whole; i < count; i++) {
            sum += Math.exp(value(row, i) - max);
        }
        return max + Math.log(sum);
    }

    private static float value(MemorySegment row, int index) {
        return row.get(ValueLayout.JAVA_FLOAT, 4L * index);
    }
}
