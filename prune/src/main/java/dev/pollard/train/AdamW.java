package dev.pollard.train;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.List;

/// Adam with decoupled weight decay (Loshchilov, Hutter: Decoupled Weight Decay Regularization,
/// arXiv 1711.05101, algorithm 2), with bias correction:
///
/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
/// `w ← w − rate · decay · w − rate · m̂ / (√v̂ + ε)`.
///
/// Only matrices decay: norms and biases have no scale to hold down. Means and squares are float32,
/// shaped as the weights.
public final class AdamW implements AutoCloseable {
    /// The constants of the method.
    ///
    /// @param beta1 memory of the mean of gradients
    /// @param beta2 memory of their squares
    /// @param epsilon added to the root of the squares
    /// @param decay what a weight loses per step, times the rate
    public record Setting(double beta1, double beta2, double epsilon, double decay) {
        /// @throws IllegalArgumentException if a memory is not in `[0, 1)` or another is negative
        public Setting {
            if (!(beta1 >= 0 && beta1 < 1) || !(beta2 >= 0 && beta2 < 1)) {
                throw new IllegalArgumentException(
                        "betas of AdamW: %s, %s".formatted(beta1, beta2));
            }
            if (!(epsilon > 0) || !(decay >= 0)) {
                throw new IllegalArgumentException(
                        "epsilon and decay of AdamW: %s, %s".formatted(epsilon, decay));
            }
        }
    }

    private final Setting setting;
    private final List<Tensor> weights;
    private final List<Tensor> means = new ArrayList<>();
    private final List<Tensor> squares = new ArrayList<>();

    /// @param weights changed in place by [#step]; float32, contiguous
    public AdamW(Setting setting, List<Tensor> weights) {
        this.setting = setting;
        this.weights = weights.stream().map(AdamW::plain).toList();
        for (Tensor weight : weights) {
            means.add(kept(weight.shape()));
            squares.add(kept(weight.shape()));
        }
    }

    /// The same memory, unknown to autograd.
    private static Tensor plain(Tensor weight) {
        try (var scope = Scope.open()) {
            return scope.keep(weight.detach());
        }
    }

    private static Tensor kept(long... shape) {
        try (var scope = Scope.open()) {
            return scope.keep(Tensor.zeros(shape));
        }
    }

    /// `m` of every weight.
    public List<Tensor> means() {
        return means;
    }

    /// `v` of every weight.
    public List<Tensor> squares() {
        return squares;
    }

    /// One step.
    ///
    /// @param gradients one for each weight
    /// @param scale what they are multiplied by first
    /// @param rate the learning rate
    /// @param step 1-based
    public void step(
            List<Tensor> gradients, double scale, double rate, long step, Workers workers) {
        double meanCorrection = 1 / (1 - Math.pow(setting.beta1, step));
        double squareCorrection = 1 / (1 - Math.pow(setting.beta2, step));
        workers.forEach(
                weights.size(),
                (_, i) -> {
                    Tensor weight = weights.get(i);
                    Tensor gradient = gradients.get(i);
                    Tensor mean = means.get(i);
                    Tensor square = squares.get(i);
                    mean.mul_(setting.beta1).add_(gradient, (1 - setting.beta1) * scale);
                    square.mul_(setting.beta2)
                            .addcmul_(gradient, gradient, (1 - setting.beta2) * scale * scale);
                    Tensor root = square.mul(squareCorrection).sqrt().add_(setting.epsilon);
                    if (weight.rank() > 1) {
                        weight.mul_(1 - rate * setting.decay);
                    }
                    weight.add_(mean.div(root), -rate * meanCorrection);
                });
    }

    @Override
    public void close() {
        weights.forEach(Tensor::close);
        means.forEach(Tensor::close);
        squares.forEach(Tensor::close);
    }
}
