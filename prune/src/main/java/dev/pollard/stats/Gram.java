package dev.pollard.stats;

import dev.pollard.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/// `H = XᵀX / tokens` of the inputs `X [tokens, in]` of one or several layers: symmetric
/// `[in, in]`, float32. A cross Gram `YᵀX / tokens` of two such inputs is not symmetric.
///
/// Layers that read the same activations share one Gram, and what is computed from it (a Cholesky
/// factor, say) is computed once, see [#derive].
public final class Gram implements AutoCloseable {
    private final Tensor matrix;
    private final long tokens;
    private final Map<Object, Object> derived = new HashMap<>();

    /// @param matrix `[in, in]`, both triangles filled, divided by `tokens`; owned by this Gram
    public Gram(Tensor matrix, long tokens) {
        this.matrix = matrix;
        this.tokens = tokens;
    }

    /// `[in, in]` float32, both triangles. Not to be changed.
    public Tensor matrix() {
        return matrix;
    }

    public long tokens() {
        return tokens;
    }

    /// The mean squares of the input channels, `[in]`.
    public float[] diagonal() {
        return derive("diagonal", gram -> gram.matrix.diagonal().toFloats());
    }

    /// A value computed from this Gram, once per `key`: the first caller computes, others wait.
    ///
    /// If the value is [AutoCloseable] it is closed with the Gram; a tensor in it must be kept
    /// beyond the scope it was made in.
    @SuppressWarnings("unchecked") // the key stands for one computation and so for one type
    public synchronized <T> T derive(Object key, Function<Gram, T> compute) {
        Object value = derived.get(key);
        if (value == null) {
            value = compute.apply(this);
            derived.put(key, value);
        }
        return (T) value;
    }

    @Override
    public void close() {
        for (Object value : derived.values()) {
            if (value instanceof AutoCloseable closeable) {
                try {
                    closeable.close();
                } catch (Exception e) {
                    throw new IllegalStateException("closing what was derived from a Gram", e);
                }
            }
        }
        derived.clear();
        matrix.close();
    }
}
