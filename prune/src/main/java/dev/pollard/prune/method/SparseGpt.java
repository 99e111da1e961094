package dev.pollard.prune.method;

import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.Cost;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Mask;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.solver.InverseFactor;
import dev.pollard.stats.Gram;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Goes through the columns from left to right, removes weights, and spreads the error each removal
/// makes over the columns still to come, by the optimal brain surgeon's rule (Frantar, Alistarh:
/// SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot, arXiv 2301.00774).
///
/// With `(H + λI)⁻¹ = Uᵀ U` (see [InverseFactor]), removing `w_j` makes the error `e = w_j / U_jj`
/// and changes the later columns by `- e U_j`. What to remove is decided by the lowest `w² /
/// U_jj²`:
///
/// - a ratio: at the start of every block of columns, over all rows of the block together, so that
///   every block has that sparsity;
/// - N:M: when the sweep reaches the group, per row, with the weights as they are by then.
///
/// Differs from the authors' code in one thing: a ratio removes exactly `⌊rows · block · ratio⌋`
/// weights of a block, where theirs removes all up to and including the next score, one more at
/// least. Weights on dead inputs become zero and have the lowest score, so they count among the
/// removed first; those a group or block must keep are kept as zeros.
///
/// @param damping `λ` as a fraction of the mean of H's diagonal
/// @param block columns whose updates of the later columns are made in one matrix product; rounded
///     up to whole groups of an N:M pattern
public record SparseGpt(double damping, int block) implements LayerPruner, Method {
    static final Setting.Real DAMPING =
            new Setting.Real(
                    "damping",
                    0.01,
                    0,
                    1,
                    "added to the diagonal of the inputs' Gram matrix, as a fraction of its mean");
    static final Setting.Whole BLOCK =
            new Setting.Whole(
                    "block",
                    128,
                    1,
                    65536,
                    "columns per block; a ratio is kept in every block by itself");

    /// Rows that one task handles: enough for an efficient matrix product, few enough to share
    /// between threads. Fixed, so that the bytes do not depend on the number of threads.
    private static final int TASK_ROWS = 96;

    /// @throws IllegalArgumentException if the damping is outside `[0, 1]` or the block not
    ///     positive
    public SparseGpt {
        DAMPING.check(damping);
        BLOCK.check(block);
    }

    /// The authors' settings.
    public SparseGpt() {
        this(DAMPING.byDefault(), BLOCK.byDefault());
    }

    record FactorKey(double damping) {}

    @Override
    public Set<Statistic> needs() {
        return Set.of(Statistic.GRAM);
    }

    @Override
    public ComparisonGroup comparison() {
        return new ComparisonGroup.Columns(block);
    }

    /// Two Cholesky factors and an inverse in float64, and an update of the later columns by each.
    @Override
    public Cost cost(long rows, long columns) {
        double square = (double) columns * columns;
        return new Cost(
                32 * columns * columns + 8 * columns * rows,
                8 * square * columns / 3 + square * rows);
    }

    @Override
    public List<Pass> passes() {
        return List.of(new Sweep(this));
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        return prune(layer, sparsity, null);
    }

    /// As [#prune(LayerContext, Sparsity)], and writes down the score of every weight when the
    /// sweep reaches its block: `w² / U_jj²`.
    ///
    /// @param scores `[out, in]`, to be written; null if nobody asks
    LayerResult prune(LayerContext layer, Sparsity sparsity, Tensor scores) {
        Admission.check(layer, sparsity);
        Gram gram = layer.stats().gram();
        Admission.checkWidth(layer, gram.matrix().size(0));
        InverseFactor factor =
                gram.derive(
                        new FactorKey(damping),
                        g -> InverseFactor.of(g.matrix(), g.tokens(), damping));

        int rows = Math.toIntExact(layer.weight().size(0));
        int columns = Math.toIntExact(layer.weight().size(1));
        Tensor weight = Tensor.empty(rows, columns).copy_(layer.weight());
        clearDead(weight, factor.dead());
        long[] kept = new long[Math.multiplyExact(rows, Mask.wordsPerRow(columns))];
        try (var _ = Scope.open()) {
            int width = Math.min(columns, width(sparsity));
            Tensor errors = Tensor.empty(rows, width);
            for (int from = 0; from < columns; from += width) {
                int to = Math.min(columns, from + width);
                if (scores != null) {
                    Tensor block = weight.narrow(1, from, to - from).square();
                    Tensor diagonal = factor.upper().diagonal().narrow(0, from, to - from);
                    scores.narrow(1, from, to - from).copy_(block.div(diagonal.square()));
                }
                pruneBlock(weight, errors, factor, from, to, sparsity, kept);
            }
        }
        return new LayerResult(weight, Mask.of(rows, columns, kept), factor.notes());
    }

    /// Columns per block, in whole groups.
    private int width(Sparsity sparsity) {
        return switch (sparsity) {
            case Sparsity.Unstructured _ -> block;
            case Sparsity.SemiStructured(_, int of) -> Math.ceilDiv(block, of) * of;
        };
    }

    /// Prunes columns `[from, to)` of every row and passes their errors on to the columns after.
    private static void pruneBlock(
            Tensor weight,
            Tensor errors,
            InverseFactor factor,
            int from,
            int to,
            Sparsity sparsity,
            long[] kept) {
        int rows = Math.toIntExact(weight.size(0));
        int columns = Math.toIntExact(weight.size(1));
        var block = new ColumnBlock(factor, from, to);
        MemorySegment weights = weight.segment();
        Removal removal =
                switch (sparsity) {
                    case Sparsity.Unstructured(double ratio) -> {
                        long[] chosen = choose(weights, rows, columns, block, ratio);
                        yield (row, r) -> row.remove(chosen, r);
                    }
                    case Sparsity.SemiStructured(int keep, int of) ->
                            (row, _) -> row.removeInGroups(keep, of);
                };
        int words = Mask.wordsPerRow(columns);
        MemorySegment errorRows = errors.segment();
        long errorStride = errors.size(1);
        eachTask(
                rows,
                (first, last) -> {
                    var row = block.newRow();
                    for (int r = first; r < last; r++) {
                        row.load(weights, (long) r * columns + from);
                        removal.from(row, r);
                        row.store(weights, (long) r * columns + from);
                        row.storeErrors(errorRows, r * errorStride);
                        row.storeKept(kept, r * words, from);
                    }
                    if (to < columns) {
                        try (var _ = Scope.open()) {
                            Tensor rest =
                                    weight.narrow(0, first, last - first)
                                            .narrow(1, to, columns - to);
                            Tensor made =
                                    errors.narrow(0, first, last - first).narrow(1, 0, to - from);
                            Tensor spread =
                                    factor.upper()
                                            .narrow(0, from, to - from)
                                            .narrow(1, to, columns - to);
                            rest.addmm_(made, spread, -1);
                        }
                    }
                });
    }

    /// Takes the weights of row `r` of a block out of it.
    private interface Removal {
        void from(ColumnBlock.Row row, int r);
    }

    /// The weights of a block to keep: words as [Selection#perTile] leaves them.
    private static long[] choose(
            MemorySegment weights, int rows, int columns, ColumnBlock block, double ratio) {
        int width = block.width();
        float[] scores = new float[Math.multiplyExact(rows, width)];
        eachTask(
                rows,
                (first, last) -> {
                    for (int r = first; r < last; r++) {
                        MemorySegment.copy(
                                weights,
                                ValueLayout.JAVA_FLOAT,
                                4 * ((long) r * columns + block.from()),
                                scores,
                                r * width,
                                width);
                        block.score(scores, r * width);
                    }
                });
        long[] words = new long[rows * Mask.wordsPerRow(width)];
        int count = (int) Selection.count(scores.length, ratio);
        Selection.perTile(scores, rows, width, count, words);
        return words;
    }

    private static void clearDead(Tensor weight, int[] dead) {
        if (dead.length > 0) {
            MemorySegment values = weight.segment();
            long columns = weight.size(1);
            for (long r = 0; r < weight.size(0); r++) {
                for (int column : dead) {
                    values.setAtIndex(ValueLayout.JAVA_FLOAT, r * columns + column, 0f);
                }
            }
        }
    }

    private interface Task {
        void run(int firstRow, int lastRow);
    }

    private static void eachTask(int rows, Task task) {
        IntStream.range(0, Math.ceilDiv(rows, TASK_ROWS))
                .parallel()
                .forEach(i -> task.run(i * TASK_ROWS, Math.min(rows, (i + 1) * TASK_ROWS)));
    }
}
