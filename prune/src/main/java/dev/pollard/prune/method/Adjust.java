package dev.pollard.prune.method;

import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.Cost;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerError;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.solver.Coordinates;
import dev.pollard.prune.solver.LeastSquares;
import dev.pollard.stats.LayerStats;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/// SDS's sparse weight adjustment: from pruned weights towards the outputs of the dense layer,
/// `W = M ⊙ argmin ‖W_d X − W X‖²` (Li et al., arXiv 2408.10473, eq. 4). First some gradient steps
/// in which the mask M is soft, chosen anew after each by magnitude, then the best weights under
/// the mask that came out, by conjugate gradients.
///
/// @param comparison which weights compete: those of the method that pruned
/// @param soft gradient steps with a soft mask
/// @param exact conjugate gradient steps with the mask fixed
/// @param coordinates units in which weights are stepped through and compared
/// @param damping added to the diagonal of the Gram, as a fraction of its mean
/// @param keepBest whether a layer that is worse, on the tokens held out, than an earlier sparse
///     step left it is put back
/// @param relearns whether a layer that is not put back then learns from those tokens as well, if
///     it gets no worse on them; not if they are to judge the model, too
record Adjust(
        ComparisonGroup comparison,
        int soft,
        int exact,
        Coordinates coordinates,
        double damping,
        boolean keepBest,
        boolean relearns)
        implements LayerPruner {
    /// The same with `times` as many steps.
    Adjust times(int times) {
        return new Adjust(
                comparison, times * soft, times * exact, coordinates, damping, keepBest, relearns);
    }

    /// The same, but it never learns from the tokens held out.
    Adjust withoutRelearning() {
        return new Adjust(comparison, soft, exact, coordinates, damping, keepBest, false);
    }

    @Override
    public String label() {
        return "adjusted";
    }

    @Override
    public Set<Statistic> needs() {
        return keepBest
                ? EnumSet.of(Statistic.GRAM, Statistic.HELD_OUT)
                : EnumSet.of(Statistic.GRAM);
    }

    /// A product of the weights with the Gram in every step, one before the first and one after the
    /// last, and one to judge each result by.
    @Override
    public Cost cost(long rows, long columns) {
        int again = keepBest && relearns ? 2 + Math.ceilDiv(exact, 2) : 0;
        return Redense.cost(rows, columns, 4 + soft + exact + again);
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        Admission.check(layer, sparsity);
        Admission.checkWidth(layer, layer.stats().gram().matrix().size(0));
        try (var scope = Scope.open()) {
            var stats = keepBest ? layer.stats().fit() : layer.stats();
            var error = error(layer, stats);
            Tensor v = error.enter(layer.weight());
            v =
                    error.descendSparse(
                            v, soft, (next, nearest) -> comparison.part(next, nearest, sparsity));
            var mask = comparison.largest(v, sparsity);
            Tensor kept = mask.applyTo(Tensor.full(1, v.shape()));
            Tensor weight = mask.applyTo(error.leave(error.solve(v, kept, exact)));
            if (!keepBest) {
                return new LayerResult(scope.release(weight), mask, List.of());
            }
            // The paper's early exit, layer by layer.
            var split = layer.stats().split(); // of a single sequence there is none
            var judge = split.map(LayerStats.Split::heldOut).orElse(stats);
            double judged = LayerError.of(judge, layer.target(), weight).relative();
            String tokens = split.isPresent() ? "tokens held out" : "all tokens";
            var earlier = better(layer, sparsity, judge, tokens, judged);
            if (earlier.isPresent()) {
                scope.release(earlier.get().weight());
                return earlier.get();
            }
            if (relearns && split.isPresent()) { // judged, it may learn from those tokens as well
                var all = error(layer, layer.stats());
                v = all.solve(all.enter(weight), kept, Math.ceilDiv(exact, 2));
                Tensor learned = mask.applyTo(all.leave(v));
                if (LayerError.of(judge, layer.target(), learned).relative() <= judged) {
                    weight = learned;
                }
            }
            var heldOut = split.isPresent() ? OptionalDouble.of(judged) : OptionalDouble.empty();
            return new LayerResult(scope.release(weight), mask, List.of(), heldOut);
        }
    }

    private LeastSquares error(LayerContext layer, LayerStats stats) {
        return LeastSquares.of(
                layer.target(),
                stats.gram(),
                Optional.empty(),
                coordinates,
                damping,
                layer.compute());
    }

    /// What an earlier sparse step left in the groups of this one, if its error on the judge's
    /// tokens is less than `least`.
    private Optional<LayerResult> better(
            LayerContext layer, Sparsity sparsity, LayerStats judge, String tokens, double least) {
        Optional<LayerResult> best = Optional.empty();
        String step = "the first pruning";
        for (var weight : layer.earlier()) {
            var mask = comparison.largest(weight, sparsity);
            if (!mask.covers(weight)) { // a dense step, or one of other groups
                continue;
            }
            double error = LayerError.of(judge, layer.target(), weight).relative();
            if (error < least) {
                least = error;
                String note =
                        "kept as %s left it: nothing since is better on %s".formatted(step, tokens);
                best = Optional.of(new LayerResult(weight.copy(), mask, List.of(note)));
            }
            step = "a later step";
        }
        return best;
    }
}
