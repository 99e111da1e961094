package dev.pollard.prune.solver;

import dev.pollard.tensor.NotPositiveDefiniteException;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The upper triangular `U` with `(H + λI)⁻¹ = Uᵀ U`, of the Gram matrix `H = XᵀX / tokens` of a
/// layer's inputs.
///
/// `U_jj²` is the entry `jj` of the inverse once the columns before `j` are eliminated, and row `j`
/// of `U` says how the later columns make up for a change of column `j`: all that the optimal brain
/// surgeon needs when it goes through the columns from left to right (Frantar, Alistarh: SparseGPT,
/// arXiv 2301.00774).
///
/// Instead of factoring, inverting and factoring the inverse, the factor is taken of `H` with rows
/// and columns in reverse order, `J(H + λI)J = L Lᵀ`; then `U = J L⁻¹ J`. That is the same `U` (it
/// is unique) for two thirds of `n³` operations, all in float64.
public final class InverseFactor implements AutoCloseable {
    /// A positive semidefinite matrix cannot be so far off that its own mean does not mend it.
    private static final double LARGEST_DAMPING = 1;

    private static final double SMALLEST_RETRY = 1e-4;

    private final Tensor upper;
    private final float[] diagonal;
    private final int[] dead;
    private final List<String> notes;

    private InverseFactor(Tensor upper, float[] diagonal, int[] dead, List<String> notes) {
        this.upper = upper;
        this.diagonal = diagonal;
        this.dead = dead;
        this.notes = List.copyOf(notes);
    }

    /// Factors `H + λI` with `λ = damping · mean(diag H)`, ten times as much on every failure.
    ///
    /// An input that was zero throughout (a *dead* one, `H_jj = 0`) gets `H_jj = 1 / (2 tokens)`
    /// before the mean is taken, which is the 1 that the authors' code puts into `2 XᵀX`: in effect
    /// the mean counts dead inputs as zero.
    ///
    /// @param gram `[n, n]` float32, symmetric; left as it is
    /// @param tokens input rows behind it
    /// @param damping `λ` as a fraction of the mean of the diagonal, not negative
    /// @throws UnusableStatisticsException if the matrix is not finite, has a negative diagonal, or
    ///     is not positive definite even with `λ` as large as the mean
    /// @throws IllegalArgumentException if the damping is negative or the matrix not square
    public static InverseFactor of(Tensor gram, long tokens, double damping) {
        if (!(damping >= 0)) {
            throw new IllegalArgumentException("damping must not be negative: " + damping);
        }
        if (gram.rank() != 2 || gram.size(0) != gram.size(1)) {
            throw new IllegalArgumentException("a Gram matrix is square: " + gram);
        }
        if (!gram.isFinite()) {
            throw new UnusableStatisticsException(
                    "the Gram matrix of the inputs has NaN or infinite entries: the activations"
                            + " overflow, or the weights before this layer are broken");
        }
        try (var scope = Scope.open()) {
            float[] squares = gram.diagonal().toFloats();
            int n = squares.length;
            double alive = 1.0 / (2 * Math.max(1, tokens));
            int[] dead = new int[n];
            int deadCount = 0;
            double sum = 0;
            for (int j = 0; j < n; j++) {
                if (squares[j] < 0) {
                    throw new UnusableStatisticsException(
                            "entry %d of the Gram matrix's diagonal is negative: %s"
                                    .formatted(j, squares[j]));
                }
                if (squares[j] == 0) {
                    dead[deadCount++] = j;
                }
                sum += squares[j] == 0 ? alive : squares[j];
            }
            double mean = sum / n;
            var notes = new ArrayList<String>();
            if (deadCount > 0) {
                notes.add(
                        "%d of %d inputs were zero on all calibration tokens; their weights are"
                                        .formatted(deadCount, n)
                                + " set to zero");
            }
            for (double fraction = damping; ; ) {
                try {
                    Tensor upper = factor(gram, squares, alive, fraction * mean);
                    return new InverseFactor(
                            scope.keep(upper),
                            upper.diagonal().toFloats(),
                            Arrays.copyOf(dead, deadCount),
                            notes);
                } catch (NotPositiveDefiniteException e) {
                    double next = Math.max(SMALLEST_RETRY, 10 * fraction);
                    if (next > LARGEST_DAMPING) {
                        var failure =
                                new UnusableStatisticsException(
                                        ("the Gram matrix of the inputs is not positive definite"
                                                        + " even with damping %s")
                                                .formatted(fraction));
                        failure.initCause(e);
                        throw failure;
                    }
                    notes.add(
                            "not positive definite with damping %s, tried again with %s"
                                    .formatted(fraction, next));
                    fraction = next;
                }
            }
        }
    }

    private static Tensor factor(Tensor gram, float[] squares, double alive, double lambda) {
        int n = squares.length;
        float[] shift = new float[n];
        for (int j = 0; j < n; j++) {
            shift[n - 1 - j] = (float) (squares[j] == 0 ? alive + lambda : lambda);
        }
        // Freed one by one: at most 12 n² bytes at a time beside the Gram.
        Tensor wide;
        try (Tensor reversed = gram.flip(0, 1)) {
            wide = reversed.toFloat64();
        }
        Tensor lower;
        try (wide) {
            lower = wide.addToDiagonal_(Tensor.of(shift, n)).inverseCholesky_().toFloat32();
        }
        try (lower) {
            return lower.flip(0, 1);
        }
    }

    /// `U [n, n]` float32, zeros below the diagonal. Not to be changed; freed by [#close].
    public Tensor upper() {
        return upper;
    }

    /// `diag U`, `[n]`. Not to be changed.
    public float[] diagonal() {
        return diagonal;
    }

    /// The inputs that were zero throughout, ascending. Not to be changed.
    public int[] dead() {
        return dead;
    }

    /// What had to be done to get here, one sentence each.
    public List<String> notes() {
        return notes;
    }

    @Override
    public void close() {
        upper.close();
    }
}
