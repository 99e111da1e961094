package dev.pollard.prune;

import dev.pollard.prune.LayerReport.ErrorKind;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Tensor;

/// How far a new weight is from the dense one, as seen through the layer's inputs.
///
/// @param relative squared error over squared norm, 0 for the dense weight itself
public record LayerError(double relative, ErrorKind kind) {
    /// Against `dense [out, in]`, with what was gathered: `tr(D H Dᵀ) / tr(W H Wᵀ)`, D the
    /// difference, with a Gram; with the diagonal of H alone, or with none of it, otherwise.
    public static LayerError of(LayerStats stats, Tensor dense, Tensor weight) {
        Tensor difference = weight.sub(dense); // [out, in]
        if (stats.inputGram().isPresent()) {
            Tensor h = stats.gram().matrix(); // [in, in]
            return new LayerError(ratio(energy(difference, h), energy(dense, h)), ErrorKind.OUTPUT);
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

    /// `tr(A H Aᵀ)`.
    private static double energy(Tensor a, Tensor h) {
        return a.matmul(h).mul_(a).sum().item();
    }

    /// A layer of zeros has nothing to lose.
    private static double ratio(double error, double norm) {
        return norm == 0 ? 0 : Math.max(0, error) / norm;
    }
}
