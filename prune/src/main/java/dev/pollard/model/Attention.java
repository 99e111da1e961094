package dev.pollard.model;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/// Causal attention in the forms that the families need. Masks are made once for the longest
/// sequence so far.
final class Attention {
    /// Queries of a slice.
    private static final int SLICE = 64;

    private final Residents residents;
    private final Map<Integer, PositionTable> windows = new HashMap<>();
    private final PositionTable distances;

    Attention(Residents residents) {
        this.residents = residents;
        this.distances = new PositionTable(residents, Attention::distances);
    }

    /// `[time, heads · width]` → `[heads, time, width]`, a view.
    static Tensor split(Tensor x, int heads, int width) {
        return x.reshape(x.size(0), heads, width).transpose(0, 1);
    }

    /// `[heads, time, width]` → `[time, heads · width]`.
    static Tensor join(Tensor x) {
        return x.transpose(0, 1).reshape(x.size(1), x.size(0) * x.size(2));
    }

    /// Every position sees itself and, of those before it, `window` in all: query
    /// `[heads, time, width]`, key and value `[kv heads, time, width]` → `[heads, time, width]`.
    ///
    /// torch's kernel computes all scores and then masks them. So windows are faster in slices of
    /// queries, each with the keys that they see.
    ///
    /// @param window 0: all of them
    Tensor causal(Tensor query, Tensor key, Tensor value, double scale, int window) {
        int time = Math.toIntExact(query.size(1));
        boolean slides = window != 0 && window < time;
        if (!slides) {
            return Tensor.causalAttention(query, key, value, scale);
        }
        Tensor mask = masks(window).atLeast(time); // [≥ time, ≥ time]
        Tensor[] outputs = new Tensor[Math.ceilDiv(time, SLICE)];
        for (int i = 0; i < outputs.length; i++) {
            int from = i * SLICE;
            int to = Math.min(from + SLICE, time);
            int first = Math.max(0, from - window + 1);
            outputs[i] = // [heads, to - from, width]
                    Tensor.maskedAttention(
                            query.narrow(1, from, to - from),
                            key.narrow(1, first, to - first),
                            value.narrow(1, first, to - first),
                            mask.narrow(0, from, to - from).narrow(1, first, to - first),
                            scale);
        }
        return outputs.length == 1 ? outputs[0] : Tensor.cat(1, outputs);
    }

    /// As [#causal], the scores squashed to `±cap` by tanh before the mask.
    Tensor capped(Tensor query, Tensor key, Tensor value, double scale, int window, double cap) {
        int time = Math.toIntExact(query.size(1));
        int heads = Math.toIntExact(query.size(0));
        int shared = heads / Math.toIntExact(key.size(0));
        Tensor mask = corner(masks(window).atLeast(time), time); // [time, time]
        Tensor[] outputs = new Tensor[heads];
        for (int head = 0; head < heads; head++) {
            try (var scope = Scope.open()) {
                Tensor k = key.select(0, head / shared); // [time, width]
                Tensor scores = query.select(0, head).mul(scale).matmul(k.transpose(0, 1));
                Tensor weights = scores.div(cap).tanh().mul(cap).add(mask).softmax(-1);
                Tensor y = weights.matmul(value.select(0, head / shared)); // [time, width]
                outputs[head] = scope.release(y.unsqueeze(0));
            }
        }
        return Tensor.cat(0, outputs);
    }

    /// Attention with linear biases: scores fall by the head's slope per position of distance
    /// (Press et al., "Train Short, Test Long", arXiv 2108.12409). One head at a time, for the
    /// biases of all heads at once are `heads · time²` numbers.
    Tensor linearlyBiased(Tensor query, Tensor key, Tensor value, double scale, float[] slopes) {
        int time = Math.toIntExact(query.size(1));
        Tensor distance = corner(distances.atLeast(time), time); // [time, time]
        Tensor[] outputs = new Tensor[slopes.length];
        for (int head = 0; head < slopes.length; head++) {
            try (var scope = Scope.open()) {
                outputs[head] =
                        scope.release(
                                Tensor.maskedAttention(
                                        query.narrow(0, head, 1), // [1, time, width]
                                        key.narrow(0, head, 1),
                                        value.narrow(0, head, 1),
                                        distance.mul(slopes[head]),
                                        scale));
            }
        }
        return Tensor.cat(0, outputs);
    }

    /// `[time, time]`: 0 where a row's position sees a column's, -∞ elsewhere.
    private PositionTable masks(int window) {
        synchronized (windows) {
            return windows.computeIfAbsent(
                    window, width -> new PositionTable(residents, time -> mask(time, width)));
        }
    }

    private static Tensor corner(Tensor square, int time) {
        return square.size(0) == time ? square : square.narrow(0, 0, time).narrow(1, 0, time);
    }

    private static Tensor mask(int time, int window) {
        float[] mask = new float[Math.multiplyExact(time, time)];
        Arrays.fill(mask, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < time; i++) {
            int first = window == 0 ? 0 : Math.max(0, i - window + 1);
            Arrays.fill(mask, i * time + first, i * time + i + 1, 0f);
        }
        return Tensor.of(mask, time, time);
    }

    /// `[time, time]`: column minus row, -∞ above the diagonal.
    private static Tensor distances(int time) {
        float[] distances = new float[Math.multiplyExact(time, time)];
        for (int i = 0; i < time; i++) {
            for (int j = 0; j < time; j++) {
                distances[i * time + j] = j <= i ? j - i : Float.NEGATIVE_INFINITY;
            }
        }
        return Tensor.of(distances, time, time);
    }
}
