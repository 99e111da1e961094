package dev.pollard.prune.solver;

import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.VectorMath;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// Conjugate gradients for `V A = B` over some of the entries of V, where every row is a system of
/// its own and has its own step lengths: all of a step but the product with A, row by row within
/// the cache.
final class ConjugateRows {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

    private final Tensor direction; // P [out, in]
    private final MemorySegment p;
    private final MemorySegment v;
    private final MemorySegment r;
    private final MemorySegment kept;
    private final double[] rr; // ‖R‖² of every row
    private final float[] ofP;
    private final float[] ofQ;
    private final float[] ofKept;
    private final float[] other;

    /// @param v `[out, in]` float32, contiguous, as all are; changed with every step
    /// @param r what is left, `B − V A`; changed likewise
    /// @param kept 1 for the entries of V that may change, and 0, where r must be 0 as well
    ConjugateRows(Tensor v, Tensor r, Tensor kept) {
        this.direction = r.copy();
        this.p = direction.segment();
        this.v = v.segment();
        this.r = r.segment();
        this.kept = kept.segment();
        this.rr = new double[Math.toIntExact(v.size(0))];
        int columns = Math.toIntExact(v.size(1));
        this.ofP = new float[columns];
        this.ofQ = new float[columns];
        this.ofKept = new float[columns];
        this.other = new float[columns];
        for (int i = 0; i < rr.length; i++) {
            read(p, i, ofP);
            rr[i] = dot(ofP, ofP);
        }
    }

    /// P, in which V goes next; changed with every step.
    Tensor direction() {
        return direction;
    }

    /// `V ← V + α P`, `R ← R − α Q`, `P ← R + β P`, with `α = ‖R‖² / (P Q)` and β the ratio of the
    /// new ‖R‖² to the old one.
    ///
    /// @param product Q = P A
    void step(Tensor product) {
        MemorySegment q = product.segment();
        for (int i = 0; i < rr.length; i++) {
            read(p, i, ofP);
            read(q, i, ofQ);
            read(kept, i, ofKept);
            for (int j = 0; j < ofQ.length; j++) {
                ofQ[j] *= ofKept[j];
            }
            float alpha = (float) (rr[i] / (dot(ofP, ofQ) + Float.MIN_NORMAL));
            read(v, i, other);
            add(other, ofP, alpha);
            write(other, v, i);
            read(r, i, other);
            add(other, ofQ, -alpha);
            write(other, r, i);
            double left = dot(other, other);
            float beta = (float) (left / (rr[i] + Float.MIN_NORMAL));
            add(other, ofP, beta);
            write(other, p, i);
            rr[i] = left;
        }
    }

    /// `y ← y + factor · x`.
    private static void add(float[] y, float[] x, float factor) {
        for (int j = 0; j < y.length; j++) {
            y[j] += factor * x[j];
        }
    }

    private static double dot(float[] x, float[] y) {
        int whole = SPECIES.loopBound(x.length);
        var sums = FloatVector.zero(SPECIES);
        for (int j = 0; j < whole; j += SPECIES.length()) {
            sums =
                    FloatVector.fromArray(SPECIES, x, j)
                            .fma(FloatVector.fromArray(SPECIES, y, j), sums);
        }
        double sum = VectorMath.sum(sums);
        for (int j = whole; j < x.length; j++) {
            sum += (double) x[j] * y[j];
        }
        return sum;
    }

    private static void read(MemorySegment from, int row, float[] to) {
        MemorySegment.copy(from, ValueLayout.JAVA_FLOAT, 4L * row * to.length, to, 0, to.length);
    }

    private static void write(float[] from, MemorySegment to, int row) {
        MemorySegment.copy(
                from, 0, to, ValueLayout.JAVA_FLOAT, 4L * row * from.length, from.length);
    }
}
