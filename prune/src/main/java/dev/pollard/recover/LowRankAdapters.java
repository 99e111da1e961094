package dev.pollard.recover;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.model.Parameters;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SplittableRandom;

/// LoRA (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685,
/// section 4.1) under a mask: the model computes with
///
/// `W_eff = W + M ⊙ (s · B A)`, `s = alpha / rank`,
///
/// where `W [out, in]` rests, `A [rank, in]` and `B [out, rank]` are trained, and `M` is 1 where
/// `W` is not 0. With `G = dL/dW_eff` the gradients are
///
/// `dB = s (M ⊙ G) Aᵀ`, `dA = s Bᵀ (M ⊙ G)`.
///
/// So what is trained is what [#settle] leaves, mask and all. Training `W + s B A` and cutting it
/// afterwards, as is usual, leaves something that nobody trained.
///
/// As in the authors' code A begins uniform in `±1/√in` and B at 0, so the first step sees `W`.
///
/// Dropout leaves out input features: the columns of A, a draw for each step and matrix that all of
/// the step's tokens share, those that stay divided by `1 - dropout`. The authors draw for every
/// token; that needs the adapter beside the matrix in the forward pass, where no mask can reach its
/// product.
public final class LowRankAdapters implements Trainable {
    /// The sizes of adapters.
    ///
    /// @param rank of `B A`
    /// @param alpha the product counts `alpha / rank`
    /// @param dropout share of a step's input features that an adapter does not see
    public record Setting(int rank, double alpha, double dropout) {
        /// @throws IllegalArgumentException if a number makes no sense
        public Setting {
            if (rank < 1) {
                throw new IllegalArgumentException("rank of adapters: " + rank);
            }
            if (!(alpha > 0) || !Double.isFinite(alpha)) {
                throw new IllegalArgumentException("alpha of adapters: " + alpha);
            }
            if (!(dropout >= 0 && dropout < 1)) {
                throw new IllegalArgumentException(
                        "dropout of adapters, at least 0 and less than 1: " + dropout);
            }
        }

        /// @throws IllegalArgumentException if the matrix has fewer rows or columns than the rank
        public void requireFits(String layer, long rows, long columns) {
            if (rank > Math.min(rows, columns)) {
                throw new IllegalArgumentException(
                        "rank %d is more than %s [%d, %d] can have"
                                .formatted(rank, layer, rows, columns));
            }
        }

        double scale() {
            return alpha / rank;
        }
    }

    /// A step before the first.
    private static final long BEGINNING = -1;

    private final Parameters parameters;
    private final Setting setting;
    private final long seed;
    private final Zeros zeros;
    private final Map<Entry, Adapter> adapters = new LinkedHashMap<>();
    private final SequencedMap<String, Tensor> weights = new LinkedHashMap<>();
    private final List<Tensor> gradients;

    /// @param parameters whose trained weights are matrices
    /// @param keepZeros whether what is 0 now stays 0
    /// @param seed of the first A, and of what dropout leaves out
    /// @throws IllegalArgumentException if a matrix has fewer rows or columns than the rank
    public LowRankAdapters(Parameters parameters, Setting setting, boolean keepZeros, long seed) {
        this.parameters = parameters;
        this.setting = setting;
        this.seed = seed;
        for (var entry : parameters.trained()) {
            var shape = entry.weight().shape();
            setting.requireFits(entry.module(), shape.size(0), shape.size(1));
        }
        this.zeros = new Zeros(parameters, keepZeros);
        for (var entry : parameters.trained()) {
            var random = random(seed, BEGINNING, adapters.size());
            var adapter = new Adapter(parameters.leaf(entry), setting.rank, random);
            adapters.put(entry, adapter);
            weights.put(entry.module() + ".lora_A", adapter.a);
            weights.put(entry.module() + ".lora_B", adapter.b);
        }
        this.gradients =
                adapters.values().stream()
                        .flatMap(adapter -> List.of(adapter.dA, adapter.dB).stream())
                        .toList();
    }

    /// Of a step, or of the beginning, and a matrix.
    private static SplittableRandom random(long seed, long step, int matrix) {
        long ofStep = new SplittableRandom(seed).nextLong() + step;
        long ofMatrix = new SplittableRandom(ofStep).nextLong() + matrix;
        return new SplittableRandom(ofMatrix);
    }

    /// What belongs to one matrix.
    private static final class Adapter implements AutoCloseable {
        final Tensor base; // W, [out, in]
        final Tensor a; // [rank, in]
        final Tensor b; // [out, rank]
        final Tensor dA;
        final Tensor dB;
        final Tensor features; // what the step sees of them, [in]: 0 or 1 / (1 - dropout)

        Adapter(Tensor weight, int rank, SplittableRandom random) {
            long out = weight.size(0);
            long in = weight.size(1);
            try (var scope = Scope.open()) {
                base = scope.keep(Tensor.empty(out, in).copy_(weight.detach()));
                double bound = 1 / Math.sqrt(in);
                float[] first = new float[Math.toIntExact(rank * in)];
                for (int i = 0; i < first.length; i++) {
                    first[i] = (float) random.nextDouble(-bound, bound);
                }
                a = scope.keep(Tensor.of(first, rank, in));
                b = scope.keep(Tensor.zeros(out, rank));
                dA = scope.keep(Tensor.zeros(rank, in));
                dB = scope.keep(Tensor.zeros(out, rank));
                features = scope.keep(Tensor.full(1, in));
            }
        }

        @Override
        public void close() {
            List.of(base, a, b, dA, dB, features).forEach(Tensor::close);
        }
    }

    @Override
    public SequencedMap<String, Tensor> weights() {
        return weights;
    }

    @Override
    public List<Tensor> gradients() {
        return gradients;
    }

    @Override
    public void prepare(long step, Workers workers) {
        var entries = parameters.trained();
        workers.forEach(
                entries.size(),
                (_, i) -> {
                    var adapter = adapters.get(entries.get(i));
                    adapter.dA.zero_();
                    adapter.dB.zero_();
                    Tensor a = adapter.a;
                    if (setting.dropout > 0) {
                        adapter.features.copy_(features(adapter, random(seed, step, i)));
                        a = a.mul(adapter.features);
                    }
                    write(entries.get(i), a);
                });
    }

    private Tensor features(Adapter adapter, SplittableRandom random) {
        float[] seen = new float[Math.toIntExact(adapter.a.size(1))];
        for (int i = 0; i < seen.length; i++) {
            seen[i] =
                    (float) (random.nextDouble() < setting.dropout ? 0 : 1 / (1 - setting.dropout));
        }
        return Tensor.of(seen, seen.length);
    }

    /// `W + M ⊙ (s · B A)` into the model. A zero of W may be negative; the sum is not.
    private void write(Entry weight, Tensor a) {
        var adapter = adapters.get(weight);
        Tensor change = zeros.clear_(weight, adapter.b.matmul(a).mul_(setting.scale()));
        parameters.values(weight).copy_(adapter.base).add_(change);
    }

    @Override
    public void take(Entry weight, int first, List<Tensor> gradients) {
        var adapter = adapters.get(weight);
        double scale = setting.scale();
        Tensor a = adapter.a.mul(adapter.features);
        for (Tensor gradient : gradients) {
            Tensor g = zeros.clear_(weight, gradient.contiguous()); // [out, in]
            adapter.dB.addmm_(g, a.transpose(0, 1), scale);
            adapter.dA.add_(adapter.b.transpose(0, 1).matmul(g).mul_(adapter.features), scale);
        }
    }

    @Override
    public void settle(Workers workers) {
        var entries = parameters.trained();
        workers.forEach(
                entries.size(), (_, i) -> write(entries.get(i), adapters.get(entries.get(i)).a));
    }

    @Override
    public void close() {
        adapters.values().forEach(Adapter::close);
    }
}
