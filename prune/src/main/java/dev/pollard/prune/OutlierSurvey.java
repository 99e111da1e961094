package dev.pollard.prune;

import dev.pollard.model.Block;
import dev.pollard.model.Linear;
import dev.pollard.model.Model;
import dev.pollard.prune.Stopwatch.Phase;
import dev.pollard.stats.LayerStats;
import dev.pollard.stats.Tokens;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.DoubleUnaryOperator;

/// Counts the outliers of every block of the dense model, in one pass: what share of the scores
/// `|w| ‖x‖` of its layers to prune exceeds M times their mean, all layers of the block taken
/// together (OWL, arXiv 2310.05175). `‖x‖` is the root mean square of the input over all
/// calibration tokens; its unit falls out.
public final class OutlierSurvey {
    private final Model model;
    private final Allocation.Owl owl;
    private final Driver.Settings settings;
    private final Workers workers;
    private final Consumer<RunEvent> listener;
    private final Stopwatch watch = new Stopwatch();

    /// @param settings of the pruning; whose inputs that is to see does not matter here
    public OutlierSurvey(
            Model model,
            Allocation.Owl owl,
            Driver.Settings settings,
            Workers workers,
            Consumer<RunEvent> listener) {
        this.model = model;
        this.owl = owl;
        this.settings = settings;
        this.workers = workers;
        this.listener = listener;
    }

    /// Goes through the dense model; what lies behind the last block with a layer to prune is not
    /// loaded.
    ///
    /// @param calibration token ids `[sequences][time]`, all of one length
    /// @return percentage of outliers by block, of the blocks with a layer to prune
    /// @throws IOException if activations cannot be written to their file
    public SequencedMap<Integer, Double> run(int[][] calibration) throws IOException {
        var decoder = model.decoder();
        int count =
                1
                        + model.checkpoint().prunable().stream()
                                .filter(entry -> settings.layers().test(entry.module()))
                                .mapToInt(entry -> entry.block())
                                .max()
                                .orElse(-1);
        listener.accept(new RunEvent.SurveyStarted(count));
        var outliers = new LinkedHashMap<Integer, Double>();
        try (var stream =
                watch.time(
                        Phase.LOAD,
                        () ->
                                new CalibrationStream(
                                        decoder,
                                        calibration,
                                        false,
                                        settings.compute(),
                                        workers,
                                        settings.spill()))) {
            for (int b = 0; b < count; b++) {
                int index = b;
                try (var _ = Scope.open()) {
                    var block =
                            watch.time(Phase.LOAD, () -> decoder.block(index, settings.compute()));
                    survey(block, stream, b == count - 1)
                            .ifPresent(percentage -> outliers.put(index, percentage));
                }
                double percentage = outliers.getOrDefault(b, Double.NaN);
                listener.accept(new RunEvent.BlockSurveyed(b, count, percentage));
            }
        }
        return outliers;
    }

    /// Where the time of [#run] went.
    public Timings timings() {
        return watch.timings();
    }

    /// The percentage of outliers in a block, empty if no layer of it is to be pruned; the stream
    /// is behind the block afterwards, unless it is the last.
    private OptionalDouble survey(Block block, CalibrationStream stream, boolean last) {
        var layers =
                block.linears().stream().filter(l -> settings.layers().test(l.name())).toList();
        if (layers.isEmpty()) {
            watch.time(
                    Phase.PROPAGATE,
                    () -> {
                        stream.advance(block);
                        return null;
                    });
            return OptionalDouble.empty();
        }
        var needs = owl.needs();
        var stats =
                watch.time(
                        Phase.CAPTURE,
                        () ->
                                last
                                        ? stream.capture(block, layers, needs, Tokens.PLAIN)
                                        : stream.captureOnTheWay(block, layers, needs));
        return OptionalDouble.of(watch.time(Phase.PRUNE, () -> percentage(layers, stats)));
    }

    private double percentage(List<Linear> layers, Map<String, LayerStats> stats) {
        long size = layers.stream().mapToLong(l -> l.rows() * l.columns()).sum();
        double mean = sum(layers, stats, score -> score) / size;
        double threshold = owl.m() * mean;
        return 100 * sum(layers, stats, score -> score > threshold ? 1 : 0) / size;
    }

    /// `f` of every score of all layers, added up in their order.
    private double sum(List<Linear> layers, Map<String, LayerStats> stats, DoubleUnaryOperator f) {
        var tasks = new ArrayList<Callable<Double>>();
        for (var layer : layers) {
            double[] norms = norms(stats.get(layer.name()).meanSquare());
            tasks.add(() -> sum(layer, norms, f));
        }
        return workers.all(tasks).stream().mapToDouble(Double::doubleValue).sum();
    }

    private static double[] norms(float[] meanSquare) {
        double[] norms = new double[meanSquare.length];
        Arrays.setAll(norms, j -> Math.sqrt(meanSquare[j]));
        return norms;
    }

    private static double sum(Linear layer, double[] norms, DoubleUnaryOperator f) {
        float[] row = new float[norms.length];
        double total = 0;
        try (var _ = Scope.open()) {
            MemorySegment weight = layer.weight().contiguous().segment();
            for (long r = 0; r < layer.rows(); r++) {
                MemorySegment.copy(
                        weight, ValueLayout.JAVA_FLOAT, 4 * r * row.length, row, 0, row.length);
                for (int j = 0; j < row.length; j++) {
                    total += f.applyAsDouble(Math.abs(row[j]) * norms[j]);
                }
            }
        }
        return total;
    }
}
