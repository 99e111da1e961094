package dev.pollard.prune.method;

import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.DomainPass.Penalty;
import dev.pollard.prune.Findings;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Mask;
import dev.pollard.prune.Sparsity;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;
import java.util.Set;

/// Removes the weights that matter least to the domains and to the model in general. For a domain
/// with gradient g and empirical Fisher information F of its loss, the loss changes by `− g W + ½ F
/// W²` when W is removed (Zhang and others, arXiv 2405.06275; Taylor's series with F in place of
/// the Hessian's diagonal), and its absolute value is the score. A penalty on changing generally
/// important weights belongs to the loss:
///
/// - `λ Σ α² G g²`: its derivative, with F for the Hessian's diagonal again, is `2 λ α² G g F`.
///   So g becomes `c g`, and F becomes `c² F`, with `c = 1 + 2 λ α² G F`;
/// - `λ Σ G (W − W⁰)²`: its curvature adds `λ G W²` to the change. At W⁰ it has no slope; after
///   steps away from there the gradients that were found have it in them.
///
/// Scores of several domains are divided by their means and added by the domains' weights.
///
/// @param terms which of the derivatives count
/// @param plus whether `+ g W` stands for `− g W`, as the paper prints it: then steps that raise
///     the loss and its curvature do not add up but cancel
/// @param mixed how much G counts, divided by its mean, beside the score of the domains; ours
/// @param comparison which weights compete
record DualScore(
        Terms terms, boolean plus, Penalty penalty, double mixed, ComparisonGroup comparison)
        implements LayerPruner {
    enum Terms {
        /// `g W`.
        FIRST,
        /// `½ F W²`.
        SECOND,
        BOTH,
        /// None: G alone.
        NONE
    }

    @Override
    public String label() {
        return "pruned by score"; // of Taylor alone it is not dual
    }

    @Override
    public Set<Statistic> needs() {
        return Set.of();
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        Admission.check(layer, sparsity);
        Mask mask;
        try (var _ = Scope.open()) {
            mask = comparison.largest(score(layer), sparsity);
        }
        return new LayerResult(mask.applyTo(layer.weight()), mask, List.of());
    }

    /// `[out, in]`, not negative.
    private Tensor score(LayerContext layer) {
        var known = layer.findings();
        Tensor weight = known.tuned().orElse(layer.weight());
        Tensor sum = Tensor.zeros(weight.shape());
        if (terms != Terms.NONE) {
            for (var domain : known.domains()) {
                sum.add_(score(weight, domain, known).relative(), domain.weight());
            }
        }
        if (mixed > 0 || terms == Terms.NONE) {
            Tensor importance = known.importance().orElseThrow();
            sum.add_(importance.relative(), terms == Terms.NONE ? 1 : mixed);
        }
        return sum;
    }

    private Tensor score(Tensor w, Findings.Domain domain, Findings known) {
        Tensor g = domain.gradient();
        Tensor f = domain.fisher();
        Tensor curvature = Tensor.zeros(w.shape());
        if (penalty.form() != Penalty.Form.NONE) {
            Tensor importance = known.importance().orElseThrow(); // G
            if (penalty.normalised()) {
                importance = importance.relative();
            }
            switch (penalty.form()) {
                case PAPER -> {
                    double factor = 2 * penalty.lambda() * penalty.alpha() * penalty.alpha();
                    Tensor c = importance.mul(f).mul_(factor).add_(1);
                    g = g.mul(c);
                    f = f.mul(c).mul_(c);
                }
                case EWC -> curvature = importance.mul(2 * penalty.lambda());
                case NONE -> {}
            }
        }
        Tensor first = g.mul(w).mul_(plus ? 1 : -1);
        Tensor second = f.add(curvature).mul_(w).mul_(w).mul_(0.5);
        return switch (terms) {
            case FIRST -> first.abs();
            case SECOND -> second.abs();
            case BOTH -> first.add_(second).abs();
            case NONE -> throw new IllegalStateException("no term");
        };
    }
}
