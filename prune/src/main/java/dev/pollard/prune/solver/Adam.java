package dev.pollard.prune.solver;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.Collections;
import java.util.Random;

/// Mini-batch descent with step lengths of its own for every entry (Kingma, Ba: Adam: A Method for
/// Stochastic Optimization, arXiv 1412.6980), with bias correction and the usual decays 0.9 and
/// 0.999. L1 enters by a soft threshold after each step, in the metric of the step: entry `ij` is
/// shrunk by its own step length times the threshold.
///
/// Nothing depends on units: the rate is a fraction of the mean absolute value of the start, and
/// the ε under the fraction is one of the first gradient.
///
/// @param epochs how often every token is seen
/// @param rate how far a first step moves every entry, in mean absolute values of the start
/// @param batch tokens of a step; the last of an epoch may have fewer
public record Adam(int epochs, double rate, int batch) {
    private static final double DECAY = 0.9;
    private static final double SQUARE_DECAY = 0.999;
    private static final double EPSILON = 1e-8;

    /// Half the gradient at `v` of the smooth part of what is minimised, over some tokens.
    @FunctionalInterface
    interface Gradient {
        /// @return `[out, in]`, in the current scope
        Tensor at(Tensor v, long first, long tokens);
    }

    /// Goes through batches of neighbouring tokens, in every epoch in another order.
    ///
    /// @param tokens how many there are
    /// @param l1 λ₁ as [LeastSquares#descend] has it
    /// @param order draws the order of the batches
    /// @return where it ends, in the current scope
    Tensor descend(Tensor start, long tokens, Gradient gradient, double l1, Random order) {
        try (var scope = Scope.open()) {
            double unit = start.abs().mean().item();
            Tensor v = start.copy();
            Tensor mean = Tensor.zeros(start.shape());
            Tensor square = Tensor.zeros(start.shape());
            var batches = new Integer[Math.toIntExact((tokens + batch - 1) / batch)];
            Arrays.setAll(batches, i -> i);
            double epsilon = 0;
            int step = 0;
            for (int epoch = 0; epoch < epochs; epoch++) {
                Collections.shuffle(Arrays.asList(batches), order);
                for (int i : batches) {
                    long first = (long) i * batch;
                    step++;
                    try (var _ = Scope.open()) {
                        Tensor g = gradient.at(v, first, Math.min(batch, tokens - first));
                        if (step == 1) {
                            epsilon = EPSILON * Math.sqrt(g.square().mean().item());
                        }
                        mean.mul_(DECAY).add_(g, 1 - DECAY);
                        square.mul_(SQUARE_DECAY).addcmul_(g, g, 1 - SQUARE_DECAY);
                        Tensor root =
                                square.mul(1 / (1 - Math.pow(SQUARE_DECAY, step)))
                                        .sqrt()
                                        .add_(epsilon + Float.MIN_NORMAL);
                        Tensor length = Tensor.full(rate * unit, start.shape()).div(root);
                        v.addcmul_(mean, length, -1 / (1 - Math.pow(DECAY, step)));
                        if (l1 > 0) {
                            shrink_(
                                    v,
                                    length.mul_(l1 / 2 * unit)); // the gradient is half of it, too
                        }
                    }
                }
            }
            return scope.release(v);
        }
    }

    /// Moves every entry towards zero by a threshold of its own, and to zero if it is nearer.
    private static void shrink_(Tensor v, Tensor threshold) {
        Tensor above = v.sub(threshold).relu();
        Tensor below = v.add(threshold).neg().relu();
        v.copy_(above.sub(below));
    }
}
