package dev.pollard.report;

import dev.pollard.recipe.RunRecord.Histogram;
import dev.pollard.recipe.RunRecord.LayerFacts;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// How often weights have which value, all layers of one module kind taken together.
///
/// Layers have bounds of their own. The bins here cover the median of these; the count of a layer's
/// bin is shared out among those it overlaps, and what lies beyond falls into the first or last.
///
/// @param bound the bins are equally wide and cover `[-bound, bound]`
/// @param weights of all layers, zeros included
/// @param shares of all weights by bin, by step, `dense` first; exact zeros are in no bin
record Weights(int layers, long weights, double bound, SequencedMap<String, double[]> shares) {
    static final String DENSE = "dense";

    private static final int MOST_BINS = 80;

    /// @param layers those without a usable histogram are left out; none may be left
    static Weights of(List<LayerFacts> layers) {
        var counted = layers.stream().filter(Weights::isUsable).toList();
        double[] bounds =
                counted.stream().mapToDouble(layer -> layer.histogram().bound()).sorted().toArray();
        double bound = bounds.length == 0 ? 0 : bounds[bounds.length / 2];
        int bins =
                counted.stream()
                        .flatMap(layer -> layer.histogram().counts().values().stream())
                        .mapToInt(counts -> counts.length)
                        .max()
                        .orElse(0);
        long weights = counted.stream().mapToLong(layer -> layer.rows() * layer.columns()).sum();
        var shares = new LinkedHashMap<String, double[]>();
        for (var layer : counted) {
            layer.histogram()
                    .counts()
                    .forEach(
                            (step, counts) ->
                                    add(
                                            shares.computeIfAbsent(
                                                    step,
                                                    _ -> new double[Math.min(bins, MOST_BINS)]),
                                            bound,
                                            counts,
                                            layer.histogram().bound()));
        }
        for (double[] step : shares.values()) {
            Arrays.setAll(step, i -> step[i] / weights);
        }
        return new Weights(counted.size(), weights, bound, shares);
    }

    private static boolean isUsable(LayerFacts layer) {
        Histogram histogram = layer.histogram();
        return histogram != null
                && histogram.counts() != null
                && !histogram.counts().isEmpty()
                && histogram.counts().values().stream()
                        .allMatch(counts -> counts != null && counts.length > 0)
                && histogram.bound() > 0
                && Double.isFinite(histogram.bound())
                && layer.rows() * layer.columns() > 0;
    }

    private static void add(double[] bins, double bound, long[] counts, double theirBound) {
        double width = 2 * bound / bins.length;
        double theirWidth = 2 * theirBound / counts.length;
        for (int i = 0; i < counts.length; i++) {
            double from = -theirBound + i * theirWidth;
            double to = from + theirWidth;
            int first = bin(from, bound, width, bins.length);
            int last = bin(to, bound, width, bins.length);
            for (int b = first; b <= last; b++) {
                double left = b == first ? from : -bound + b * width;
                double right = b == last ? to : -bound + (b + 1) * width;
                bins[b] += counts[i] * Math.max(0, right - left) / theirWidth;
            }
        }
    }

    private static int bin(double value, double bound, double width, int bins) {
        return (int) Math.clamp(Math.floor((value + bound) / width), 0, bins - 1);
    }

    boolean isEmpty() {
        return shares.isEmpty();
    }

    /// Share of exact zeros after a step.
    double zeros(String step) {
        return Math.max(0, 1 - Arrays.stream(shares.get(step)).sum());
    }

    /// The middle of every bin.
    List<Double> middles() {
        var middles = new ArrayList<Double>();
        int bins = shares.firstEntry().getValue().length;
        for (int i = 0; i < bins; i++) {
            middles.add(bound * ((2.0 * i + 1) / bins - 1));
        }
        return middles;
    }
}
