package dev.pollard.prune.solver;

import dev.pollard.stats.Gram;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Optional;
import java.util.Random;

/// A layer's output error as a function of its weights, and ways down it:
///
/// `f(W) = ‖W_d X_t − W X‖² / tokens + λ ‖W − W_d‖²`
///
/// for dense weights W_d, inputs X and the teacher's inputs X_t, mostly X itself. In the
/// coordinates `V = W S` it is `tr(V A Vᵀ) − 2 tr(V Bᵀ)` and a constant, with A of [Normal] and `B
/// = (W_d C + λ W_d) S⁻¹`, `C = X_t Xᵀ / tokens`; half its gradient is `V A − B`. So a step costs
/// one product `[out, in] · [in, in]`, however many tokens there were.
public final class LeastSquares {
    /// Steps after which [#approach] pulls harder.
    public static final int SAME_RHO = 6;

    private final Normal normal;
    private final Tensor b; // [out, in]

    /// The nearest matrix of a pattern: the largest entries stay, the others become zero.
    @FunctionalInterface
    public interface Projection {
        Tensor nearest(Tensor v);
    }

    private LeastSquares(Normal normal, Tensor b) {
        this.normal = normal;
        this.b = b;
    }

    /// @param dense W_d, `[out, in]` float32
    /// @param inputs the Gram of X
    /// @param cross C, if the teacher's inputs are others
    /// @param damping λ as a fraction of the mean of the Gram's diagonal
    /// @throws UnusableStatisticsException if the Gram is not finite
    public static LeastSquares of(
            Tensor dense,
            Gram inputs,
            Optional<Gram> cross,
            Coordinates coordinates,
            double damping) {
        var normal = Normal.of(inputs, coordinates, damping);
        try (var scope = Scope.open()) {
            Tensor aim =
                    cross.isPresent()
                            ? dense.matmul(cross.get().matrix()).add_(dense, normal.lambda())
                            : dense.matmul(normal.damped());
            return new LeastSquares(normal, scope.release(aim.div(normal.scale())));
        }
    }

    /// V of W, `[out, in]`.
    public Tensor enter(Tensor weight) {
        return weight.mul(normal.scale());
    }

    /// W of V, `[out, in]`.
    public Tensor leave(Tensor v) {
        return v.div(normal.scale());
    }

    /// `B − V A`, the direction of steepest descent.
    private Tensor descent(Tensor v) {
        return b.copy().addmm_(v, normal.matrix(), -1);
    }

    private double step() {
        return 1 / normal.largestEigenvalue();
    }

    /// Proximal gradient descent from `start` on `f + λ₁ u ‖V‖₁ + λ₂ ‖V‖²`, u the mean absolute
    /// value of `start`, with step 1 / L, L the largest eigenvalue of A: on half of it, that is,
    /// whose smooth part has the gradient `V A − B + λ₂ V`.
    ///
    /// @param l1 λ₁
    /// @param l2 λ₂
    /// @return V after `steps` steps, in the current scope
    public Tensor descend(Tensor start, int steps, double l1, double l2) {
        Tensor v = start.copy();
        double threshold = step() * l1 / 2 * start.abs().mean().item();
        for (int k = 0; k < steps; k++) {
            try (var _ = Scope.open()) {
                Tensor next = descent(v).mul_(step()).add_(v);
                v.copy_(shrunk(next, threshold)).mul_(1 / (1 + step() * l2));
            }
        }
        return v;
    }

    /// As [#descend(Tensor, int, double, double)] has it, but on the inputs themselves, some tokens
    /// at a time: many cheap, uneven steps.
    ///
    /// @param dense W_d, `[out, in]`
    /// @param inputs X, `[tokens, in]`
    /// @param teacher X_t, row for row the same tokens, if they are others
    /// @param order draws the order of the batches
    /// @return V, in the current scope
    public Tensor descend(
            Tensor start,
            Tensor dense,
            Tensor inputs,
            Optional<Tensor> teacher,
            Adam adam,
            double l1,
            double l2,
            Random order) {
        Adam.Gradient gradient =
                (v, first, tokens) -> {
                    Tensor x = inputs.narrow(0, first, tokens);
                    Tensor w = leave(v);
                    Tensor away = w.sub(dense);
                    Tensor error = // [tokens, out]
                            teacher.isPresent()
                                    ? x.linear(w)
                                            .sub(
                                                    teacher.get()
                                                            .narrow(0, first, tokens)
                                                            .linear(dense))
                                    : x.linear(away);
                    Tensor g = error.transpose(0, 1).matmul(x).mul_(1.0 / tokens);
                    return g.add_(away, normal.lambda()).div(normal.scale()).add_(v, l2);
                };
        return adam.descend(start, inputs.size(0), gradient, l1, order);
    }

    /// Towards a dense V near which there is a sparse one: alternates between
    ///
    /// - `V = argmin f + ρ ‖V − (Z − U)‖² + λ₂ ‖V‖²`, solved exactly,
    /// - `Z` = what is nearest to `V + U` in the pattern, and
    /// - `U = U + V − Z`,
    ///
    /// from `Z = start`, `U = 0`. The first V is the proximal point of `start`; the further it goes
    /// on, and the larger ρ, the nearer V is to the pattern. This is the method of multipliers that
    /// ALPS prunes with (Meng et al., arXiv 2406.07831, eq. 4), with V in place of Z as the result.
    ///
    /// @param rho ρ in the first steps
    /// @param growth factor of ρ after every [#SAME_RHO] steps
    /// @param l1 soft threshold of the result, times the mean absolute value of `start`
    /// @return V, dense, in the current scope
    public Tensor approach(
            Tensor start,
            int steps,
            double rho,
            double growth,
            double l1,
            double l2,
            Projection pattern) {
        try (var scope = Scope.open()) {
            Tensor z = start.copy();
            Tensor u = Tensor.zeros(start.shape());
            Tensor v = start.copy();
            for (int k = 0; k < steps; k++) {
                if (k > 0 && k % SAME_RHO == 0) {
                    rho *= growth;
                    u.mul_(1 / growth); // ρ U is the multiplier, and stays
                }
                try (var _ = Scope.open()) {
                    Tensor aim = b.copy().add_(z, rho).add_(u, -rho);
                    v.copy_(aim.matmul(normal.inverse(rho + l2)));
                    if (k < steps - 1) {
                        u.add_(v);
                        z.copy_(pattern.nearest(u));
                        u.add_(z, -1);
                    }
                }
            }
            return scope.release(shrunk(v, l1 * start.abs().mean().item()));
        }
    }

    private static Tensor shrunk(Tensor v, double threshold) {
        return threshold > 0 ? v.softThreshold(threshold) : v;
    }

    /// Projected gradient descent from `start`: after every step the mask is chosen anew.
    ///
    /// @return V of the pattern, in the current scope
    public Tensor descendSparse(Tensor start, int steps, Projection pattern) {
        Tensor v = start.copy();
        for (int k = 0; k < steps; k++) {
            try (var _ = Scope.open()) {
                Tensor next = descent(v).mul_(step()).add_(v);
                v.copy_(pattern.nearest(next));
            }
        }
        return v;
    }

    /// The minimum of f over some of the weights, by conjugate gradients: every row is a
    /// system of its own, and has its own step lengths.
    ///
    /// @param kept `[out, in]`, 1 where a weight may differ from 0, and 0
    /// @return V, zero where `kept` is, in the current scope
    public Tensor solve(Tensor start, Tensor kept, int steps) {
        try (var scope = Scope.open()) {
            Tensor v = start.mul(kept);
            Tensor r = descent(v).mul_(kept);
            Tensor p = r.copy();
            Tensor rr = squaredRows(r); // [out, 1]
            for (int k = 0; k < steps; k++) {
                try (var _ = Scope.open()) {
                    Tensor q = p.matmul(normal.matrix()).mul_(kept);
                    Tensor alpha = rr.div(p.mul(q).sum(1).unsqueeze(1).add_(Float.MIN_NORMAL));
                    v.addcmul_(p, alpha, 1);
                    r.addcmul_(q, alpha, -1);
                    Tensor left = squaredRows(r);
                    p.mul_(left.div(rr.add_(Float.MIN_NORMAL))).add_(r);
                    rr.copy_(left);
                }
            }
            return scope.release(v);
        }
    }

    private static Tensor squaredRows(Tensor r) {
        return r.square().sum(1).unsqueeze(1);
    }
}
