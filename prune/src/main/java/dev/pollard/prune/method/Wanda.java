package dev.pollard.prune.method;

import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Mask;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.solver.UnusableStatisticsException;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;
import java.util.Set;

/// Removes the weights of the smallest `|W_ij| · √(mean x_j²)`: of every row, or of every N:M group
/// of a row. Changes no other weight (Sun, Liu, Bair, Kolter: A Simple and Effective Pruning
/// Approach for Large Language Models, arXiv 2306.11695).
///
/// @param comparison which weights compete if a ratio is asked for: those of a row, in the paper
public record Wanda(ComparisonGroup comparison) implements LayerPruner, Method {
    /// As published.
    public Wanda() {
        this(new ComparisonGroup.Row());
    }

    @Override
    public Set<Statistic> needs() {
        return Set.of(Statistic.INPUT_MEAN_SQUARE);
    }

    @Override
    public List<Pass> passes() {
        return List.of(new Sweep(this));
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        Admission.check(layer, sparsity);
        float[] norms = norms(layer);
        Mask mask;
        try (var _ = Scope.open()) {
            Tensor importance = layer.weight().mul(Tensor.of(norms, norms.length)); // [out, in]
            mask = comparison.largest(importance, sparsity);
        }
        return new LayerResult(mask.applyTo(layer.weight()), mask, List.of());
    }

    private static float[] norms(LayerContext layer) {
        float[] meanSquare = layer.stats().meanSquare();
        Admission.checkWidth(layer, meanSquare.length);
        float[] norms = new float[meanSquare.length];
        for (int c = 0; c < norms.length; c++) {
            norms[c] = (float) Math.sqrt(meanSquare[c]);
            if (!Float.isFinite(norms[c])) { // of a negative number, too
                throw new UnusableStatisticsException(
                        "the mean square of input %d is %s".formatted(c, meanSquare[c]));
            }
        }
        return norms;
    }
}
