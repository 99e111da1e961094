package dev.pollard.prune.method;

import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Mask;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.Sweep;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Set;

/// Removes the weights of the smallest magnitude: of the whole matrix, or of every N:M group. Needs
/// no data and changes no other weight; the baseline that every paper compares with (Zhu, Gupta: To
/// prune, or not to prune, arXiv 1710.01878).
public record Magnitude() implements LayerPruner, Method {
    @Override
    public Set<Statistic> needs() {
        return Set.of();
    }

    @Override
    public List<Pass> passes() {
        return List.of(new Sweep(this));
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        Admission.check(layer, sparsity);
        int rows = Math.toIntExact(layer.weight().size(0));
        int columns = Math.toIntExact(layer.weight().size(1));
        Mask mask;
        try (var _ = Scope.open()) {
            MemorySegment weight = layer.weight().contiguous().segment();
            Selection.Scores magnitude =
                    (row, scores) -> {
                        MemorySegment.copy(
                                weight,
                                ValueLayout.JAVA_FLOAT,
                                4L * row * columns,
                                scores,
                                0,
                                columns);
                        for (int c = 0; c < columns; c++) {
                            scores[c] = Math.abs(scores[c]);
                        }
                    };
            mask =
                    switch (sparsity) {
                        case Sparsity.Unstructured(double ratio) ->
                                Selection.perMatrix(rows, columns, ratio, magnitude);
                        case Sparsity.SemiStructured(int keep, int of) ->
                                Selection.perGroup(rows, columns, keep, of, magnitude);
                    };
        }
        return new LayerResult(mask.applyTo(layer.weight()), mask, List.of());
    }
}
