package dev.pollard.prune;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Which weights of a matrix compete with each other for being kept, where the pattern leaves it
/// open: a ratio of the matrix may be a ratio of every row, or of every block of columns. In N:M
/// patterns the group is the pattern's own.
public sealed interface ComparisonGroup {
    /// All weights of the matrix.
    record Matrix() implements ComparisonGroup {}

    /// The weights of one row.
    record Row() implements ComparisonGroup {}

    /// The weights of `width` consecutive columns, all rows together.
    record Columns(int width) implements ComparisonGroup {}

    /// Moves the largest entries of `weight`, see [#largest], to `nearest`, where the others become
    /// zero.
    ///
    /// @param weight `[out, in]` float32, contiguous; afterwards what was moved is zero in it
    /// @param nearest of the same shape, contiguous; overwritten
    default void part(Tensor weight, Tensor nearest, Sparsity sparsity) {
        largest(weight, sparsity).part(weight, nearest);
    }

    /// Keeps the weights of largest absolute value, as many as the pattern allows.
    ///
    /// @param weight `[out, in]` float32; in which units decides what is large
    default Mask largest(Tensor weight, Sparsity sparsity) {
        int rows = Math.toIntExact(weight.size(0));
        int columns = Math.toIntExact(weight.size(1));
        try (var _ = Scope.open()) {
            MemorySegment values = weight.contiguous().segment();
            Selection.Scores magnitude =
                    (row, scores) -> {
                        MemorySegment.copy(
                                values,
                                ValueLayout.JAVA_FLOAT,
                                4L * row * columns,
                                scores,
                                0,
                                columns);
                        for (int c = 0; c < columns; c++) {
                            scores[c] = Math.abs(scores[c]);
                        }
                    };
            return switch (sparsity) {
                case Sparsity.SemiStructured(int keep, int of) ->
                        Selection.perGroup(rows, columns, keep, of, magnitude);
                case Sparsity.Unstructured(double ratio) ->
                        switch (this) {
                            case Matrix() -> Selection.perMatrix(rows, columns, ratio, magnitude);
                            case Row() -> Selection.perRow(rows, columns, ratio, magnitude);
                            case Columns(int width) ->
                                    Selection.perColumns(rows, columns, width, ratio, magnitude);
                        };
            };
        }
    }
}
