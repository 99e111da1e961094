package dev.pollard.stats;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/// Gathers statistics of what enters the layers of one block, worker by worker.
///
/// Every worker adds to sums of its own, and [#finish] adds those in worker order: the same worker
/// count gives the same bits. Layers that are given the same tensor object one after the other
/// share one statistic.
public final class InputStats implements AutoCloseable {
    /// Rows summed in float32 before they go into the float64 total.
    private static final long FLOAT_ROWS = 16_384;

    private final boolean gram;
    private final boolean pairs; // inputs of both models are kept, row for row
    private final Tokens tokens;
    private final List<Share> shares = new ArrayList<>();
    private final long rows;
    private final Map<String, Tensor> kept = new ConcurrentHashMap<>();
    private final Map<String, Tensor> keptDense = new ConcurrentHashMap<>();

    /// @param needs what to gather; [Statistic#GRAM] includes the mean squares
    /// @param tokens how much each counts
    /// @param workers how many workers will add
    /// @param rows how many rows there will be of inputs that are kept themselves
    public InputStats(Set<Statistic> needs, Tokens tokens, int workers, long rows) {
        this.tokens = tokens;
        this.gram = needs.contains(Statistic.GRAM);
        this.pairs = needs.contains(Statistic.INPUTS);
        this.rows = rows;
        for (int i = 0; i < workers; i++) {
            shares.add(new Share());
        }
    }

    /// Adds the inputs `x [rows, in]` of `layer`; called by one thread per worker.
    public void add(int worker, String layer, Tensor x) {
        shares.get(worker)
                .inputs
                .add(
                        layer,
                        x,
                        () -> gram ? new GramSum(x.size(1), true) : new SquareSum(x.size(1)),
                        sum -> sum.add(tokens.weighted(x)));
    }

    /// Adds what enters `layer` in both models: `dense` and `x [rows, in]`, row for row the same
    /// tokens; called by one thread per worker.
    public void addCross(int worker, String layer, Tensor dense, Tensor x) {
        shares.get(worker)
                .cross
                .add(
                        layer,
                        x,
                        () -> new GramSum(x.size(1), false),
                        sum -> ((GramSum) sum).add(tokens.weighted(dense, x), tokens.weighted(x)));
    }

    /// Adds what enters `layer` in the dense model, `dense [rows, in]`; called by one thread per
    /// worker.
    ///
    /// @param sharing the same object for all layers that read the same
    public void addDense(int worker, String layer, Tensor dense, Object sharing) {
        shares.get(worker)
                .dense
                .add(
                        layer,
                        sharing,
                        () -> new GramSum(dense.size(1), true),
                        s -> s.add(tokens.weighted(dense)));
    }

    /// Keeps the inputs `x [rows, in]` of `layer` as the rows from `first` on, wherever workers
    /// are: they lie in the order of the sequences. Called by one thread per worker, layer by layer
    /// in one order.
    public void keep(int worker, String layer, Tensor x, long first) {
        shares.get(worker).kept.add(kept, rows, layer, tokens.weighted(x), x, first);
    }

    /// Likewise what enters `layer` in the dense model. If the inputs `x [rows, in]` are kept too,
    /// rows count as those do, as in a cross Gram.
    public void keepDense(int worker, String layer, Tensor dense, Tensor x, long first) {
        Tensor weighted = pairs ? tokens.weighted(dense, x) : tokens.weighted(dense);
        shares.get(worker).keptDense.add(keptDense, rows, layer, weighted, x, first);
    }

    /// The statistics by layer. Layers with the same inputs get the same [Gram] object and
    /// the same inputs; the caller closes them, see [LayerStats#close].
    ///
    /// @throws IllegalStateException if nothing was added
    public Map<String, LayerStats> finish() {
        var byLayer = merged(share -> share.inputs, Sum::statistics);
        if (byLayer.isEmpty()) {
            throw new IllegalStateException("no inputs were added");
        }
        merged(share -> share.cross, sum -> ((GramSum) sum).gram())
                .forEach((layer, g) -> byLayer.compute(layer, (_, stats) -> stats.withCross(g)));
        merged(share -> share.dense, sum -> ((GramSum) sum).gram())
                .forEach((layer, g) -> byLayer.compute(layer, (_, stats) -> stats.withDense(g)));
        byLayer.replaceAll(
                (layer, stats) ->
                        stats.withInputs(
                                Optional.ofNullable(kept.get(layer)),
                                Optional.ofNullable(keptDense.get(layer))));
        kept.clear(); // they are the caller's now
        keptDense.clear();
        return byLayer;
    }

    /// The sums of one kind, all workers together, by layer; layers that share a sum share what is
    /// made of it.
    private <T> Map<String, T> merged(Function<Share, Sums> kind, Function<Sum, T> finish) {
        var finished = new IdentityHashMap<Sum, T>();
        var byLayer = new LinkedHashMap<String, T>();
        var sums = shares.stream().map(kind).map(s -> s.byLayer).filter(s -> !s.isEmpty()).toList();
        if (!sums.isEmpty()) { // a worker may have had nothing to do
            sums.getFirst()
                    .forEach(
                            (layer, first) ->
                                    byLayer.put(
                                            layer,
                                            finished.computeIfAbsent(
                                                    first,
                                                    _ -> {
                                                        sums.stream()
                                                                .skip(1)
                                                                .forEach(
                                                                        s ->
                                                                                first.merge(
                                                                                        s.get(
                                                                                                layer)));
                                                        return finish.apply(first);
                                                    })));
        }
        return byLayer;
    }

    @Override
    public void close() {
        var sums = Collections.newSetFromMap(new IdentityHashMap<Sum, Boolean>());
        for (var share : shares) {
            sums.addAll(share.inputs.byLayer.values());
            sums.addAll(share.cross.byLayer.values());
            sums.addAll(share.dense.byLayer.values());
        }
        sums.forEach(Sum::close);
        var tensors = Collections.newSetFromMap(new IdentityHashMap<Tensor, Boolean>());
        tensors.addAll(kept.values());
        tensors.addAll(keptDense.values());
        tensors.forEach(Tensor::close);
    }

    /// The sums of one worker.
    private static final class Share {
        final Sums inputs = new Sums();
        final Sums cross = new Sums();
        final Sums dense = new Sums();
        final Rows kept = new Rows();
        final Rows keptDense = new Rows();
    }

    /// Where one worker writes rows: into one tensor of all workers, for all layers that are given
    /// the same object one after the other.
    private static final class Rows {
        private Object lastGiven;
        private Tensor last;

        void add(
                Map<String, Tensor> all,
                long rows,
                String layer,
                Tensor x,
                Object given,
                long first) {
            if (given == lastGiven) {
                all.putIfAbsent(layer, last);
                return;
            }
            try (var scope = Scope.open()) {
                last = all.computeIfAbsent(layer, _ -> scope.keep(Tensor.empty(rows, x.size(1))));
                last.narrow(0, first, x.size(0)).copy_(x);
            }
            lastGiven = given;
        }
    }

    /// The sums of one kind: one for all layers that are given the same object one after the other.
    private static final class Sums {
        final Map<String, Sum> byLayer = new LinkedHashMap<>();
        private Object lastGiven;
        private Sum last;

        void add(String layer, Object given, Supplier<Sum> first, Consumer<Sum> add) {
            if (given == lastGiven) {
                byLayer.putIfAbsent(layer, last);
                return;
            }
            last = byLayer.computeIfAbsent(layer, _ -> first.get());
            add.accept(last);
            lastGiven = given;
        }
    }

    private sealed interface Sum {
        void add(Tensor x);

        void merge(Sum other);

        LayerStats statistics();

        void close();
    }

    /// `Σ x²` by column, float64.
    private static final class SquareSum implements Sum {
        private final double[] total;
        private long rows;

        SquareSum(long columns) {
            total = new double[Math.toIntExact(columns)];
        }

        @Override
        public void add(Tensor x) {
            try (var _ = Scope.open()) {
                float[] squares = x.square().sum(0).toFloats();
                for (int j = 0; j < total.length; j++) {
                    total[j] += squares[j];
                }
            }
            rows += x.size(0);
        }

        @Override
        public void merge(Sum other) {
            var sum = (SquareSum) other;
            for (int j = 0; j < total.length; j++) {
                total[j] += sum.total[j];
            }
            rows += sum.rows;
        }

        @Override
        public LayerStats statistics() {
            float[] mean = new float[total.length];
            for (int j = 0; j < mean.length; j++) {
                mean[j] = (float) (total[j] / rows);
            }
            return LayerStats.of(mean, rows);
        }

        @Override
        public void close() {}
    }

    /// `Σ xᵀx`, the upper triangle, or `Σ yᵀx`: float32 over [#FLOAT_ROWS] rows, float64 beyond.
    private static final class GramSum implements Sum {
        private final Tensor partial;
        private final Tensor scratch;
        private Tensor total; // float64, only once there are more rows than one partial holds
        private long partialRows;
        private final boolean symmetric;
        private long rows;

        GramSum(long columns, boolean symmetric) {
            this.symmetric = symmetric;
            try (var scope = Scope.open()) {
                partial = scope.keep(Tensor.zeros(columns, columns));
                scratch = scope.keep(Tensor.empty(columns, columns)); // pages only if written to
            }
        }

        @Override
        public void add(Tensor x) {
            begin(x.size(0));
            Tensor.addGram_(partial, x.contiguous(), scratch);
        }

        void add(Tensor y, Tensor x) {
            begin(x.size(0));
            Tensor.addProduct_(partial, y, x, scratch);
        }

        private void begin(long more) {
            if (partialRows + more > FLOAT_ROWS) {
                flush();
            }
            partialRows += more;
            rows += more;
        }

        private void flush() {
            if (partialRows == 0) {
                return;
            }
            try (var scope = Scope.open()) {
                if (total == null) {
                    total = scope.keep(partial.toFloat64());
                } else {
                    total.add_(partial);
                }
                partial.zero_();
            }
            partialRows = 0;
        }

        @Override
        public void merge(Sum other) {
            var sum = (GramSum) other;
            rows += sum.rows;
            if (total == null && sum.total == null) {
                partial.add_(sum.partial);
                partialRows += sum.partialRows;
                return;
            }
            flush();
            sum.flush();
            if (total == null) {
                total = sum.total;
                sum.total = null;
            } else if (sum.total != null) {
                total.add_(sum.total);
            }
        }

        @Override
        public LayerStats statistics() {
            return LayerStats.of(gram());
        }

        Gram gram() {
            try (var scope = Scope.open()) {
                Tensor mean;
                if (total == null) {
                    mean = Tensor.empty(partial.shape()).copy_(partial.mul_(1.0 / rows));
                } else {
                    flush();
                    mean = total.mul_(1.0 / rows).toFloat32();
                }
                return new Gram(scope.keep(symmetric ? mean.mirrorUpper_() : mean), rows);
            }
        }

        @Override
        public void close() {
            partial.close();
            scratch.close();
            if (total != null) {
                total.close();
            }
        }
    }
}
