package dev.pollard.prune;

import dev.pollard.stats.Statistic;
import java.util.Set;

/// The mathematics of one matrix: a pure function, without files, model or globals.
///
/// Implementations are records: their components are the hyper-parameters.
public interface LayerPruner {
    /// What this step does, for people: two or three words.
    default String label() {
        return "pruned";
    }

    /// What the driver must gather of the layer's inputs.
    Set<Statistic> needs();

    /// Which weights compete for being kept.
    default ComparisonGroup comparison() {
        return new ComparisonGroup.Row();
    }

    /// What a layer `[rows, columns]` takes, roughly: for the plan of a run.
    default Cost cost(long rows, long columns) {
        return new Cost(8 * rows * columns, 0);
    }

    /// @return a new weight; the tensors of `layer` are left as they are. A step that is not the
    ///     method's last may return a full mask: the layer is dense again
    /// @throws IllegalArgumentException if the pattern does not fit the layer
    LayerResult prune(LayerContext layer, Sparsity sparsity);
}
