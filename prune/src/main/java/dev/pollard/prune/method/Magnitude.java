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
import dev.pollard.stats.Statistic;
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
    public ComparisonGroup comparison() {
        return new ComparisonGroup.Matrix();
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        Admission.check(layer, sparsity);
        Mask mask = comparison().largest(layer.weight(), sparsity);
        return new LayerResult(mask.applyTo(layer.weight()), mask, List.of());
    }
}
