package dev.pollard.prune;

import dev.pollard.prune.LayerReport.ErrorKind;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;

/// How far a new weight is from the dense one, as seen through the layer's inputs.
///
/// @param relative squared error over squared norm, 0 for the dense weight itself
public record LayerError(double relative, ErrorKind kind) {
    private static final int BLOCK = 192;

    /// Against `dense [out, in]`, with what was gathered: `tr(D H Dᵀ) / tr(W H Wᵀ)`, D the
    /// difference, with a Gram; with the diagonal of H alone, or with none of it, otherwise.
    public static LayerError of(LayerStats stats, Tensor dense, Tensor weight) {
        Tensor difference = weight.sub(dense); // [out, in]
        if (stats.inputGram().isPresent()) {
            Tensor h = stats.gram().matrix(); // [in, in]
            double norm = stats.gram().derive(new Norm(dense), _ -> energy(dense, h));
            return new LayerError(ratio(energy(difference, h), norm), ErrorKind.OUTPUT);
        }
        if (stats.inputMeanSquare().isPresent()) {
            float[] s = stats.meanSquare();
            Tensor meanSquare = Tensor.of(s, s.length); // [in]
            return new LayerError(
                    ratio(
                            difference.square().mul(meanSquare).sum().item(),
                            dense.square().mul(meanSquare).sum().item()),
                    ErrorKind.DIAGONAL);
        }
        return new LayerError(
                ratio(difference.square().sum().item(), dense.square().sum().item()),
                ErrorKind.WEIGHTS);
    }

    /// What is asked for after every step, of the same tensor and the same tokens.
    private record Norm(Tensor dense) {}

    /// `tr(A H Aᵀ)`, of which only the blocks of H on and above the diagonal are multiplied.
    private static double energy(Tensor a, Tensor h) {
        double sum = 0;
        for (long first = 0; first < h.size(1); first += BLOCK) {
            long width = Math.min(BLOCK, h.size(1) - first);
            try (var _ = Scope.open()) {
                Tensor own = a.narrow(1, first, width);
                Tensor columns = h.narrow(1, first, width);
                Tensor product = own.matmul(columns.narrow(0, first, width));
                product.addmm_(a.narrow(1, 0, first), columns.narrow(0, 0, first), 2);
                sum += product.mul_(own).sum().item();
            }
        }
        return sum;
    }

    /// A layer of zeros has nothing to lose.
    private static double ratio(double error, double norm) {
        return norm == 0 ? 0 : Math.max(0, error) / norm;
    }
}
