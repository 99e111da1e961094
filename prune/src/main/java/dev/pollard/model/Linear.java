package dev.pollard.model;

import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;

/// A linear layer inside a decoder block: `y = x Wᵀ + b`, weight `[out, in]` float32 whatever the
/// file's orientation and dtype are.
public final class Linear {
    private final String name;
    private final String input;
    private final Compute compute;
    private final Tensor bias; // [out], or null
    private Tensor weight; // [out, in] float32
    private Tensor operand; // the weight in the dtype of the product

    /// @param name the checkpoint's name of the module, without `.weight`
    /// @param input see [#input]
    Linear(String name, String input, Tensor weight, Optional<Tensor> bias, Compute compute) {
        this.name = Objects.requireNonNull(name);
        this.input = Objects.requireNonNull(input);
        this.compute = compute;
        this.bias = bias.orElse(null);
        replace(weight);
    }

    /// The checkpoint's name of the module: `model.layers.3.mlp.up_proj`.
    public String name() {
        return name;
    }

    /// What it reads: the same word for all layers of the block that are given the same tensor.
    public String input() {
        return input;
    }

    /// `[out, in]`, float32.
    public Tensor weight() {
        return weight;
    }

    public long rows() {
        return weight.size(0);
    }

    public long columns() {
        return weight.size(1);
    }

    /// Puts another weight of the same shape in place, alive as long as the block is used.
    ///
    /// @throws IllegalArgumentException if the shape differs
    public void replace(Tensor weight) {
        if (this.weight != null && !Arrays.equals(this.weight.shape(), weight.shape())) {
            throw new IllegalArgumentException(
                    "%s is %s, not %s".formatted(name, this.weight, weight));
        }
        this.weight = weight;
        this.operand = compute == Compute.BFLOAT16 ? weight.toBFloat16() : weight;
    }

    /// `[time, in]` → `[time, out]`, float32.
    Tensor forward(Tensor x, Tap tap) {
        if (!tap.input(this, x)) {
            return Tensor.zeros(1, 1).expand(x.size(0), rows());
        }
        if (compute == Compute.BFLOAT16) {
            Tensor y = x.toBFloat16().linear(operand).toFloat32();
            return bias == null ? y : y.add_(bias);
        }
        return bias == null ? x.linear(operand) : x.linear(operand, bias);
    }

    @Override
    public String toString() {
        return name + Arrays.toString(weight.shape());
    }
}
