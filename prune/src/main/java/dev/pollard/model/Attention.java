package dev.pollard.model;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/// Causal attention in the forms that the families need. Masks are made once for the longest
/// sequence so far.
final class Attention {
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
    /// @param window 0: all of them
    Tensor causal(Tensor query, Tensor key, Tensor value, double scale, int window) {
        int time = Math.toIntExact(query.size(1));
        return window == 0 || time <= window
                ? Tensor.causalAttention(query, key, value, scale)
                : Tensor.maskedAttention(query, key, value, mask(time, window), scale);
    }

    /// As [#causal], the scores squashed to `±cap` by tanh before the mask.
    Tensor capped(Tensor query, Tensor key, Tensor value, double scale, int window, double cap) {
        int time = Math.toIntExact(query.size(1));
        int heads = Math.toIntExact(query.size(0));
        int shared = heads / Math.toIntExact(key.size(0));
        Tensor mask = mask(time, window); // [time, time]
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
    private Tensor mask(int time, int window) {
        PositionTable table;
        synchronized (windows) {
            table =
                    windows.computeIfAbsent(
                            window, width -> new PositionTable(residents, n -> mask(n, n, width)));
        }
        return corner(table.atLeast(time), time);
    }

    private static Tensor corner(Tensor square, int time) {
        return square.size(0) == time
                ? square
                : square.narrow(0, 0, time).narrow(1, 0, time).contiguous();
    }

    private static Tensor mask(int rows, int columns, int window) {
        float[] mask = new float[Math.multiplyExact(rows, columns)];
        Arrays.fill(mask, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < rows; i++) {
            int first = window == 0 ? 0 : Math.max(0, i - window + 1);
            Arrays.fill(mask, i * columns + first, i * columns + i + 1, 0f);
        }
        return Tensor.of(mask, rows, columns);
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
