package dev.pollard.prune.method;

import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.Cost;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Mask;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.solver.Adam;
import dev.pollard.prune.solver.Coordinates;
import dev.pollard.prune.solver.LeastSquares;
import dev.pollard.stats.Gram;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/// SDS's second step: from the sparse weights W_s, all entries free, back towards the outputs of
/// the dense layer, but not all the way: the weights that come back stay small, and so the model
/// that results is dense and easy to prune.
///
/// `W_r = argmin ‖W_d X_t − W X‖² + λ₁ ‖W‖₁ + λ₂ ‖W‖²`, started at W_s (Li et al., arXiv
/// 2408.10473, eq. 3). Without the residue of W_s the minimum would be W_d itself, or near it: what
/// holds W_r back is how far the solver goes.
///
/// @param comparison which weights compete: those of the method that pruned
/// @param data whose inputs the layer is rebuilt on
/// @param solver how the minimum is approached
/// @param coordinates units of the weights
/// @param reduction of the error over tokens, which the λ are weighed against
/// @param l1 λ₁, times the mean absolute weight
/// @param l2 λ₂
/// @param damping added to the diagonal of the Gram, as a fraction of its mean
/// @param heldOut whether tokens are kept from it, on which what follows is judged
record Redense(
        ComparisonGroup comparison,
        Data data,
        Solver solver,
        Coordinates coordinates,
        Reduction reduction,
        double l1,
        double l2,
        double damping,
        boolean heldOut)
        implements LayerPruner {
    /// Inputs of student and teacher.
    enum Data {
        /// Both of the sparse model (the paper's SD-data).
        SD,
        /// Both of the dense model (DD-data).
        DD,
        /// Both of the model rebuilt so far (KD-data).
        KD,
        /// Student of the sparse model, teacher of the dense.
        CROSS
    }

    /// What the squared error of a layer is, of those of its tokens. The paper does not say.
    enum Reduction {
        MEAN,
        SUM
    }

    /// How the minimum is approached, and how W_s holds on.
    sealed interface Solver {
        /// So many proximal gradient steps, and no more.
        record Gradient(int steps) implements Solver {}

        /// So many steps between the minimum near a sparse matrix and the sparse matrix near it,
        /// see [LeastSquares#approach]. After one step: the minimum with `ρ ‖W − W_s‖²` added.
        record Alternating(int steps, double rho, double growth) implements Solver {}

        /// On the inputs themselves, some tokens at a time: the paper's epochs.
        record Batches(Adam adam) implements Solver {}
    }

    @Override
    public String label() {
        return "dense again";
    }

    @Override
    public Set<Statistic> needs() {
        var needs = EnumSet.of(Statistic.GRAM);
        if (data == Data.DD) {
            needs.add(Statistic.DENSE_GRAM);
        }
        if (data == Data.CROSS) {
            needs.add(Statistic.CROSS_GRAM);
        }
        if (heldOut) {
            needs.add(Statistic.HELD_OUT);
        }
        boolean kept = solver instanceof Solver.Batches;
        if (kept && data != Data.DD) {
            needs.add(Statistic.INPUTS);
        }
        if (kept && (data == Data.DD || data == Data.CROSS)) {
            needs.add(Statistic.DENSE_INPUTS);
        }
        return needs;
    }

    /// A product of the weights with a matrix `[in, in]` in every step and one before the first; an
    /// inverse at every growth of the pull.
    @Override
    public Cost cost(long rows, long columns) {
        return switch (solver) {
            case Solver.Gradient(int steps) -> cost(rows, columns, 1 + steps);
            case Solver.Batches(Adam adam) ->
                    new Cost(
                            cost(rows, columns, 1).bytes() + 48 * rows * columns,
                            4.0 * rows * columns * adam.epochs() * SOME_TOKENS);
            case Solver.Alternating(int steps, _, _) -> {
                var products = cost(rows, columns, 1 + steps);
                int inverses = Math.ceilDiv(steps, LeastSquares.SAME_RHO);
                double square = (double) columns * columns;
                yield new Cost(
                        products.bytes() + 4 * inverses * columns * columns,
                        products.operations() + 2 * square * columns * inverses);
            }
        };
    }

    private static final int SOME_TOKENS = 16_384; // how many there will be nobody knows here

    /// Of so many products in [LeastSquares]: copies of the weights, the Gram in its coordinates
    /// and once in float64.
    static Cost cost(long rows, long columns, int products) {
        return new Cost(
                32 * rows * columns + 24 * columns * columns,
                2.0 * rows * columns * columns * products);
    }

    @Override
    public LayerResult prune(LayerContext layer, Sparsity sparsity) {
        Admission.check(layer, sparsity);
        var stats = layer.stats().fit();
        Gram inputs = data == Data.DD ? stats.dense() : stats.gram();
        Admission.checkWidth(layer, inputs.matrix().size(0));
        Optional<Gram> cross = data == Data.CROSS ? Optional.of(stats.cross()) : Optional.empty();
        try (var scope = Scope.open()) {
            var error =
                    LeastSquares.of(
                            layer.target(), inputs, cross, coordinates, damping, layer.compute());
            Tensor start = error.enter(layer.weight());
            // The errors here are means.
            double share = reduction == Reduction.SUM ? 1.0 / inputs.tokens() : 1;
            double l1 = share * this.l1;
            double l2 = share * this.l2;
            Tensor dense =
                    switch (solver) {
                        case Solver.Gradient(int steps) -> error.descend(start, steps, l1, l2);
                        case Solver.Batches(Adam adam) ->
                                stepped(error, layer, start, adam, l1, l2);
                        case Solver.Alternating(int steps, double rho, double growth) ->
                                error.approach(
                                        start,
                                        steps,
                                        rho,
                                        growth,
                                        l1,
                                        l2,
                                        (v, nearest) -> comparison.part(v, nearest, sparsity));
                    };
            Tensor weight = error.leave(dense);
            int rows = Math.toIntExact(weight.size(0));
            int columns = Math.toIntExact(weight.size(1));
            return new LayerResult(scope.release(weight), Mask.full(rows, columns), List.of());
        }
    }

    private Tensor stepped(
            LeastSquares error, LayerContext layer, Tensor start, Adam adam, double l1, double l2) {
        var stats = layer.stats().fit();
        Tensor inputs = data == Data.DD ? stats.keptDenseInputs() : stats.keptInputs();
        Optional<Tensor> teacher =
                data == Data.CROSS ? Optional.of(stats.keptDenseInputs()) : Optional.empty();
        var order = new Random(31 * layer.seed() + layer.name().hashCode());
        return error.descend(start, layer.target(), inputs, teacher, adam, l1, l2, order);
    }
}
