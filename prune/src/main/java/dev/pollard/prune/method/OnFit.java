package dev.pollard.prune.method;

import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.Cost;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Sparsity;
import dev.pollard.stats.Statistic;
import java.util.EnumSet;
import java.util.Set;

/// A pruner that does not see the tokens held out, so that they can judge it.
record OnFit(LayerPruner pruner) implements LayerPruner {
    @Override
    public String label() {
        return pruner.label();
    }

    @Override
    public Set<Statistic> needs() {
        var needs = EnumSet.noneOf(Statistic.class);
        needs.addAll(pruner.needs());
        if (!needs.isEmpty()) {
            needs.add(Statistic.HELD_OUT);
        }
        return needs;
    }

    @Override
    public ComparisonGroup comparison() {
        return pruner.comparison();
    }

    @Override
    public Cost cost(long rows, long columns) {
        return pruner.cost(rows, columns);
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        return pruner.prune(layer.withStats(layer.stats().fit()), sparsity);
    }
}
