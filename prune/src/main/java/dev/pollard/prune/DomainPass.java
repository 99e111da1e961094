package dev.pollard.prune;

import java.util.Optional;

/// A pass forward and backward over the text of the domains: for every weight the gradient of the
/// next-token loss and the empirical Fisher information, one pair of [Findings] for each domain.
/// The model's own weights stay as they are.
///
/// @param tuning whether the gradients are taken at the weights as they are, or after some steps
///     down the loss
/// @param orCalibration whether a run without domains may take its calibration text as one
public record DomainPass(Optional<Tuning> tuning, boolean orCalibration) implements Pass {
    /// Plain gradient descent on the loss of the domains and a penalty, the rate rising linearly in
    /// the first tenth of the steps and falling linearly afterwards.
    ///
    /// @param steps how many
    /// @param batch samples of each, drawn from the domains by their weights
    /// @param rate the highest learning rate
    /// @param clip norm of the gradient of all weights together beyond which it is scaled down
    public record Tuning(int steps, int batch, double rate, double clip, Penalty penalty) {}

    /// What holds weights that are generally important, by their [Findings#importance] G.
    ///
    /// @param lambda λ
    /// @param alpha α, the learning rate in the paper's form
    /// @param normalised whether G is divided by its mean over the matrix
    public record Penalty(Form form, double lambda, double alpha, boolean normalised) {
        public enum Form {
            /// Nothing.
            NONE,
            /// `λ Σ α² G g²`: the step that the loss is about to take, weighed.
            PAPER,
            /// `λ Σ G (W − W⁰)²`: the way already gone, weighed, as elastic weight consolidation
            /// has it (Kirkpatrick et al., arXiv 1612.00796).
            EWC
        }

        /// Nothing holds any weight.
        public static Penalty none() {
            return new Penalty(Form.NONE, 0, 0, false);
        }
    }
}
