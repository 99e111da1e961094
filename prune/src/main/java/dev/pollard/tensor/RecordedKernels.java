package dev.pollard.tensor;

import java.util.ArrayList;
import java.util.List;

/// Operations of a decoder block whose way back is ours: [FusedKernels] and products of libtorch,
/// where its own autograd takes a pass over memory and a temporary for every sign of the formula.
/// Each does what the method of [Tensor] that calls it says.
final class RecordedKernels {
    /// Queries that go through attention together.
    private static final long STRIP = 128;

    private RecordedKernels() {}

    static Tensor rmsNorm(Tape tape, Tensor input, Tensor weight, double epsilon) {
        int width = Math.toIntExact(input.size(-1));
        Tensor x = tape.hold(input.detach().contiguous());
        Tensor w = tape.hold(weight.detach().contiguous());
        Tensor y = x.rmsNorm(w, epsilon);
        return tape.enter(
                y,
                List.of(input, weight),
                gradient -> {
                    Tensor ofX = Tensor.empty(x.shape());
                    Tensor ofWeight = Tensor.zeros(width);
                    FusedKernels.rmsNormBack(
                            x.segment(),
                            w.segment(),
                            gradient.segment(),
                            ofX.segment(),
                            ofWeight.segment(),
                            width,
                            epsilon);
                    return List.of(ofX, ofWeight);
                });
    }

    static Tensor siluTimes(Tape tape, Tensor input, Tensor up) {
        Tensor x = tape.hold(input.detach().contiguous());
        Tensor u = tape.hold(up.detach().contiguous());
        return tape.enter(
                x.siluTimes(u),
                List.of(input, up),
                gradient -> {
                    Tensor ofX = Tensor.empty(x.shape());
                    Tensor ofUp = Tensor.empty(x.shape());
                    FusedKernels.siluTimesBack(
                            x.segment(),
                            u.segment(),
                            gradient.segment(),
                            ofX.segment(),
                            ofUp.segment());
                    return List.of(ofX, ofUp);
                });
    }

    /// The way back turns by the same angles the other way.
    static Tensor rotate(Tape tape, Tensor input, Tensor cos, Tensor sin) {
        Tensor c = tape.hold(cos);
        Tensor back = tape.hold(sin.neg());
        return tape.enter(
                input.detach().rotate(cos, sin),
                List.of(input),
                gradient -> List.of(gradient.rotate(c, back)));
    }

    /// In strips of queries against the keys they see: `Y = P V`, `P = softmax(scale · Q Kᵀ)`. The
    /// way back keeps P: `∂S = scale · P ∘ (∂P − rowsum(P ∘ ∂P))` with `∂P = ∂Y Vᵀ`.
    static Tensor causalAttention(Tape tape, Tensor query, Tensor key, Tensor value, double scale) {
        long groups = key.size(0);
        long shared = query.size(0) / groups;
        long time = query.size(1);
        Tensor q = tape.hold(query.detach()); // [groups · shared, time, width]
        Tensor k = tape.hold(key.detach()); // [groups, time, width]
        Tensor v = tape.hold(value.detach()); // [groups, time, value width]
        var weights = new ArrayList<Tensor>(); // of each strip [groups, shared · rows, seen]
        Tensor y = Tensor.empty(q.size(0), time, v.size(2));
        for (long from = 0; from < time; from += STRIP) {
            long rows = Math.min(STRIP, time - from);
            long seen = from + rows;
            try (var _ = Scope.open()) {
                Tensor p = strip(q, from, rows, groups).matmul(seen(k, seen).transpose(1, 2));
                FusedKernels.causalSoftmax(p.segment(), rows, seen, scale);
                y.narrow(1, from, rows).copy_(heads(p.matmul(seen(v, seen)), shared, rows));
                weights.add(tape.hold(p));
            }
        }
        return tape.enter(
                y,
                List.of(query, key, value),
                gradient -> {
                    Tensor ofQuery = Tensor.empty(q.shape());
                    Tensor ofKey = Tensor.zeros(k.shape());
                    Tensor ofValue = Tensor.zeros(v.shape());
                    for (int i = 0; i < weights.size(); i++) {
                        long from = i * STRIP;
                        long rows = Math.min(STRIP, time - from);
                        long seen = from + rows;
                        try (var _ = Scope.open()) {
                            Tensor p = weights.get(i);
                            Tensor g = strip(gradient, from, rows, groups);
                            Tensor s = g.matmul(seen(v, seen).transpose(1, 2));
                            FusedKernels.causalSoftmaxBack(
                                    p.segment(), s.segment(), rows, seen, scale);
                            ofQuery.narrow(1, from, rows)
                                    .copy_(heads(s.matmul(seen(k, seen)), shared, rows));
                            seen(ofKey, seen)
                                    .add_(s.transpose(1, 2).matmul(strip(q, from, rows, groups)));
                            seen(ofValue, seen).add_(p.transpose(1, 2).matmul(g));
                        }
                    }
                    return List.of(ofQuery, ofKey, ofValue);
                });
    }

    /// The rows of a strip, those of the heads that share a key below each other: `[heads, time,
    /// width]` → `[groups, shared · rows, width]`.
    private static Tensor strip(Tensor x, long from, long rows, long groups) {
        return x.narrow(1, from, rows).reshape(groups, x.size(0) / groups * rows, x.size(2));
    }

    /// `[groups, shared · rows, width]` → `[heads, rows, width]`.
    private static Tensor heads(Tensor x, long shared, long rows) {
        return x.reshape(x.size(0) * shared, rows, x.size(2));
    }

    private static Tensor seen(Tensor x, long seen) {
        return x.narrow(1, 0, seen);
    }
}
