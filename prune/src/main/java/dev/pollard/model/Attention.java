package dev.pollard.model;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.ArrayList;
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

    /// Every position sees itself and, of those before it, `window` in all: query `[heads, rows,
    /// width]`, key and value `[kv heads, rows, width]` → `[heads, rows, width]`.
    ///
    /// torch's kernel computes all scores and then masks them. So windows are faster in slices of
    /// queries, each with the keys that they see.
    ///
    /// @param window 0: all of them
    Tensor causal(Tensor query, Tensor key, Tensor value, Rows rows, double scale, int window) {
        return bySegment(
                rows,
                query,
                key,
                value,
                (q, k, v) ->
                        window != 0 && window < k.size(1)
                                ? sliding(q, k, v, scale, window)
                                : Tensor.causalAttention(q, k, v, scale));
    }

    private Tensor sliding(Tensor query, Tensor key, Tensor value, double scale, int window) {
        int time = Math.toIntExact(query.size(1));
        int before = Math.toIntExact(key.size(1)) - time;
        Tensor mask = masks(window).atLeast(SLICE + window - 1);
        Tensor[] outputs = new Tensor[Math.ceilDiv(time, SLICE)];
        for (int i = 0; i < outputs.length; i++) {
            int from = i * SLICE;
            int rows = Math.min(SLICE, time - from);
            int first = Math.max(0, before + from - window + 1);
            int seen = before + from + rows - first;
            outputs[i] = // [heads, rows, width]
                    Tensor.maskedAttention(
                            query.narrow(1, from, rows),
                            key.narrow(1, first, seen),
                            value.narrow(1, first, seen),
                            mask.narrow(0, seen - rows, rows).narrow(1, 0, seen),
                            scale);
        }
        return outputs.length == 1 ? outputs[0] : Tensor.cat(1, outputs);
    }

    /// As [#causal], the scores squashed to `±cap` by tanh before the mask.
    Tensor capped(
            Tensor query,
            Tensor key,
            Tensor value,
            Rows rows,
            double scale,
            int window,
            double cap) {
        return bySegment(rows, query, key, value, (q, k, v) -> capped(q, k, v, scale, window, cap));
    }

    private Tensor capped(
            Tensor query, Tensor key, Tensor value, double scale, int window, double cap) {
        int seen = Math.toIntExact(key.size(1));
        int heads = Math.toIntExact(query.size(0));
        int shared = heads / Math.toIntExact(key.size(0));
        Tensor mask = last(masks(window).atLeast(seen), query.size(1), seen); // [time, seen]
        Tensor[] outputs = new Tensor[heads];
        for (int head = 0; head < heads; head++) {
            try (var scope = Scope.open()) {
                Tensor k = key.select(0, head / shared); // [seen, width]
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
    Tensor linearlyBiased(
            Tensor query, Tensor key, Tensor value, Rows rows, double scale, float[] slopes) {
        return bySegment(
                rows, query, key, value, (q, k, v) -> linearlyBiased(q, k, v, scale, slopes));
    }

    private Tensor linearlyBiased(
            Tensor query, Tensor key, Tensor value, double scale, float[] slopes) {
        int seen = Math.toIntExact(key.size(1));
        Tensor distance = last(distances.atLeast(seen), query.size(1), seen); // [time, seen]
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

    /// Attention of one segment: query `[heads, time, width]`, key and value `[kv heads, seen,
    /// width]`, the queries' own the last of them → `[heads, time, width]`.
    @FunctionalInterface
    private interface Kernel {
        Tensor attend(Tensor query, Tensor key, Tensor value);
    }

    /// Lets every segment attend to what it sees, and keeps the keys and values of those that ask
    /// for it.
    private static Tensor bySegment(
            Rows rows, Tensor query, Tensor key, Tensor value, Kernel kernel) {
        if (rows.isSequence()) {
            return kernel.attend(query, key, value);
        }
        Tensor queries = query.branching();
        Tensor keys = key.branching();
        Tensor values = value.branching();
        var outputs = new ArrayList<Tensor>();
        for (var segment : rows.segments()) {
            try (var scope = Scope.open()) {
                Tensor k = Rows.seen(segment, keys); // [kv heads, seen, width]
                Tensor v = Rows.seen(segment, values); // [kv heads, seen, width]
                var before = segment.before();
                var kept = segment.kept();
                if (kept != null) {
                    if (kept != before) {
                        kept.clear();
                        if (before != null) {
                            kept.append(before.keys(), before.values());
                        }
                    }
                    kept.append(k, v);
                    k = kept.keys();
                    v = kept.values();
                } else if (before != null) {
                    k = Tensor.cat(1, before.keys(), k);
                    v = Tensor.cat(1, before.values(), v);
                }
                Tensor q = queries.narrow(1, segment.row(), segment.length());
                outputs.add(scope.release(kernel.attend(q, k, v)));
            }
        }
        return Tensor.cat(1, outputs.toArray(Tensor[]::new));
    }

    /// `[time, time]`: 0 where a row's position sees a column's, -∞ elsewhere.
    private PositionTable masks(int window) {
        synchronized (windows) {
            return windows.computeIfAbsent(
                    window, width -> new PositionTable(residents, time -> mask(time, width)));
        }
    }

    /// The rows of the last `time` of `seen` positions: `[≥ seen, ≥ seen]` → `[time, seen]`.
    private static Tensor last(Tensor square, long time, int seen) {
        return square.narrow(0, seen - time, time).narrow(1, 0, seen);
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
