package dev.pollard.prune.solver;

import dev.pollard.model.Compute;
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
/// coordinates `V = W S`, `V_d = W_d S`, half its gradient is `(V − V_d) A − E` with A of [Normal]
/// and `E = W_d (C − X Xᵀ / tokens) S⁻¹`, `C = X_t Xᵀ / tokens`, which is 0 where the teacher reads
/// what the student reads. So a step costs one product `[out, in] · [in, in]`, however many tokens
/// there were; and as what is multiplied is a distance from V_d, a step may be rounded to
/// bfloat16: the error is a fraction of the step.
public final class LeastSquares {
    /// Steps after which [#approach] pulls harder.
    public static final int SAME_RHO = 6;

    private final Normal normal;
    private final Tensor aim; // V_d [out, in]
    private final Optional<Tensor> e; // [out, in]
    private final Compute steps;

    /// The nearest matrix of a pattern: the largest entries stay, the others become zero.
    @FunctionalInterface
    public interface Projection {
        /// @param v what is projected; afterwards what stayed is zero in it
        /// @param nearest overwritten
        void part(Tensor v, Tensor nearest);
    }

    private LeastSquares(Normal normal, Tensor aim, Optional<Tensor> e, Compute steps) {
        this.normal = normal;
        this.aim = aim;
        this.e = e;
        this.steps = steps;
    }

    /// @param dense W_d, `[out, in]` float32
    /// @param inputs the Gram of X
    /// @param cross C, if the teacher's inputs are others
    /// @param damping λ as a fraction of the mean of the Gram's diagonal
    /// @param steps dtype of the products in [#approach] and the descents; [#solve] has float32
    /// @throws UnusableStatisticsException if the Gram is not finite
    public static LeastSquares of(
            Tensor dense,
            Gram inputs,
            Optional<Gram> cross,
            Coordinates coordinates,
            double damping,
            Compute steps) {
        var normal = Normal.of(inputs, coordinates, damping);
        var e =
                cross.map(
                        c -> {
                            try (var scope = Scope.open()) {
                                Tensor apart = c.matrix().sub(inputs.matrix());
                                return scope.release(dense.matmul(apart).div(normal.scale()));
                            }
                        });
        return new LeastSquares(normal, dense.mul(normal.scale()), e, steps);
    }

    /// V of W, `[out, in]`.
    public Tensor enter(Tensor weight) {
        return weight.mul(normal.scale());
    }

    /// W of V, `[out, in]`.
    public Tensor leave(Tensor v) {
        return v.div(normal.scale());
    }

    /// `(V_d − V) A + E`, the direction of steepest descent.
    private Tensor descent(Tensor v, Factor a) {
        Tensor direction = a.times(aim.sub(v));
        e.ifPresent(direction::add_);
        return direction;
    }

    /// A symmetric matrix `[in, in]` that many others are multiplied by.
    ///
    /// @param matrix in the dtype in which it is multiplied
    private record Factor(Tensor matrix, Compute compute) {
        static Factor of(Tensor matrix, Compute compute) {
            return new Factor(compute == Compute.BFLOAT16 ? matrix.toBFloat16() : matrix, compute);
        }

        /// `left [out, in]` times it, float32.
        Tensor times(Tensor left) {
            return compute == Compute.BFLOAT16
                    ? left.toBFloat16().matmul(matrix).toFloat32()
                    : left.matmul(matrix);
        }
    }

    private double step() {
        return 1 / normal.largestEigenvalue();
    }

    /// Proximal gradient descent from `start` on `f + λ₁ u ‖V‖₁ + λ₂ ‖V‖²`, u the mean absolute
    /// value of `start`, with step 1 / L, L the largest eigenvalue of A: on half of it, that is,
    /// whose smooth part has the gradient `(V − V_d) A − E + λ₂ V`.
    ///
    /// @param l1 λ₁
    /// @param l2 λ₂
    /// @return V after `steps` steps, in the current scope
    public Tensor descend(Tensor start, int steps, double l1, double l2) {
        try (var scope = Scope.open()) {
            var a = Factor.of(normal.matrix(), this.steps);
            Tensor v = start.copy();
            double threshold = step() * l1 / 2 * start.abs().mean().item();
            for (int k = 0; k < steps; k++) {
                try (var _ = Scope.open()) {
                    Tensor next = descent(v, a).mul_(step()).add_(v);
                    v.copy_(shrunk(next, threshold)).mul_(1 / (1 + step() * l2));
                }
            }
            return scope.release(v);
        }
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
            Tensor v = Tensor.empty(start.shape());
            Factor inverse = null;
            for (int k = 0; k < steps; k++) {
                if (k % SAME_RHO == 0) {
                    if (k > 0) {
                        rho *= growth;
                        u.mul_(1 / growth); // ρ U is the multiplier, and stays
                    }
                    inverse = Factor.of(normal.inverse(rho + l2), this.steps);
                }
                try (var _ = Scope.open()) {
                    // V − V_d = (ρ (Z − U) − (ρ + λ₂) V_d + E) (A + (ρ + λ₂) I)⁻¹
                    Tensor pull = aim.mul(-(rho + l2)).add_(z, rho).add_(u, -rho);
                    e.ifPresent(pull::add_);
                    Tensor fromAim = inverse.times(pull);
                    if (k == steps - 1) {
                        v.copy_(aim).add_(fromAim);
                    } else {
                        u.add_(aim).add_(fromAim);
                        pattern.part(u, z);
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
        try (var scope = Scope.open()) {
            var a = Factor.of(normal.matrix(), this.steps);
            Tensor v = start.copy();
            for (int k = 0; k < steps; k++) {
                try (var _ = Scope.open()) {
                    Tensor next = descent(v, a).mul_(step()).add_(v);
                    pattern.part(next, v);
                }
            }
            return scope.release(v);
        }
    }

    /// The minimum of f over some of the weights, by conjugate gradients: every row is a
    /// system of its own, and has its own step lengths.
    ///
    /// @param kept `[out, in]`, 1 where a weight may differ from 0, and 0
    /// @return V, zero where `kept` is, in the current scope
    public Tensor solve(Tensor start, Tensor kept, int steps) {
        try (var scope = Scope.open()) {
            Tensor v = start.mul(kept);
            // Rounded, A would not be positive definite any more.
            var a = Factor.of(normal.matrix(), Compute.FLOAT32);
            Tensor r = descent(v, a).mul_(kept);
            var rows = new ConjugateRows(v, r, kept);
            for (int k = 0; k < steps; k++) {
                try (var _ = Scope.open()) {
                    rows.step(a.times(rows.direction()));
                }
            }
            return scope.release(v);
        }
    }
}
