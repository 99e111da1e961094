package dev.pollard.prune.method;

import dev.pollard.prune.Cost;
import dev.pollard.prune.Findings;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Mask;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.solver.InverseFactor;
import dev.pollard.stats.Gram;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Set;

/// How much each weight matters to the model in general: the error that its removal makes of the
/// layer's output, when all weights of its row make up for it as well as they can,
///
/// `G_ij = W_ij² / (2 [H⁻¹]_jj)`
///
/// with `H = X Xᵀ / tokens` (Zhang, Liu, Zhao and others, "Pruning as a Domain-specific LLM
/// Extractor", arXiv 2405.06275, after the optimal brain surgeon; it is half of the squared error,
/// where with a Hessian of `2 H` it would be all of it). It is left as a finding; what happens to
/// the weights is for nobody but the blocks behind.
///
/// @param form of `[H⁻¹]_jj` and of the weights
/// @param damping added to the Gram's diagonal, as a fraction of its mean
record GeneralImportance(Form form, double damping) implements LayerPruner {
    enum Form {
        /// Of the dense model: its weights, its inputs, the plain inverse.
        PLAIN,
        /// As a run of SparseGPT sees them: weights that made up for the columns removed before,
        /// the inverse without those columns, the inputs of the model pruned so far.
        SEQUENTIAL
    }

    @Override
    public String label() {
        return "general importance";
    }

    @Override
    public Set<Statistic> needs() {
        return Set.of(Statistic.GRAM);
    }

    @Override
    public Cost cost(long rows, long columns) {
        return sparseGpt().cost(rows, columns);
    }

    private SparseGpt sparseGpt() {
        return new SparseGpt(damping, SparseGpt.BLOCK.byDefault());
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        Admission.check(layer, sparsity);
        try (var scope = Scope.open()) {
            Tensor importance = Tensor.empty(layer.weight().shape());
            var result =
                    switch (form) {
                        case PLAIN -> plain(layer, importance);
                        case SEQUENTIAL -> sparseGpt().prune(layer, sparsity, importance);
                    };
            if (result.weight() != layer.weight()) {
                scope.release(result.weight());
            }
            scope.release(importance.mul_(0.5));
            return result.with(Findings.ofImportance(importance));
        }
    }

    private LayerResult plain(LayerContext layer, Tensor importance) {
        Gram gram = layer.stats().gram();
        Admission.checkWidth(layer, gram.matrix().size(0));
        InverseFactor factor =
                gram.derive(
                        new SparseGpt.FactorKey(damping),
                        g -> InverseFactor.of(g.matrix(), g.tokens(), damping));
        Tensor inverse = factor.upper().square().sum(0); // [in], the diagonal of Uᵀ U
        importance.copy_(layer.weight().square().div(inverse));
        Tensor alive = Tensor.full(1, importance.size(1));
        for (int column : factor.dead()) {
            alive.narrow(0, column, 1).zero_();
        }
        importance.mul_(alive);
        var mask =
                Mask.full(Math.toIntExact(importance.size(0)), Math.toIntExact(importance.size(1)));
        return new LayerResult(layer.weight(), mask, factor.notes());
    }
}
