package dev.pollard.prune.solver;

import dev.pollard.tensor.Tensor;

/// Re-aims a layer at what the dense layer does in the dense model, given what it will read in the
/// pruned one:
///
/// `argmin_V ‖X_d Wᵀ - X Vᵀ‖² / tokens + λ ‖V - W‖² = (W C + λ W)(H + λ I)⁻¹`
///
/// with `C = X_dᵀ X / tokens`, `H = XᵀX / tokens` and `λ` a fraction of the mean of H's diagonal.
/// It is the least-squares correction for the errors of the layers before; with equal inputs it is
/// W itself.
public final class Retarget {
    private static final double DAMPING = 0.01;

    private Retarget() {}

    /// @param weight W, `[out, in]` float32
    /// @param gram H, `[in, in]` float32
    /// @param cross C, `[in, in]` float32
    /// @return V, `[out, in]` float32, in the current scope
    /// @throws dev.pollard.tensor.NotPositiveDefiniteException if `H + λ I` is not, for it holds
    ///     numbers that are not finite
    public static Tensor of(Tensor weight, Tensor gram, Tensor cross) {
        Tensor h = gram.toFloat64(); // [in, in]
        double lambda = DAMPING * Math.max(gram.diagonal().mean().item(), Float.MIN_NORMAL);
        h.addToDiagonal_(Tensor.full(lambda, h.size(0)).toFloat64());
        Tensor w = weight.toFloat64(); // [out, in]
        Tensor target = w.matmul(cross.toFloat64()).add(w.mul(lambda)); // [out, in]
        return target.matmul(h.cholesky().choleskyInverse()).toFloat32();
    }
}
