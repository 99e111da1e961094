package dev.pollard.report;

import java.util.Arrays;
import java.util.stream.DoubleStream;

/// Steps of colour for a range of values: equal steps, or equal ratios where the largest value is
/// many times the smallest; one step if all are as good as equal.
///
/// @param edges of the steps, ascending, one more than there are steps
record Scale(double[] edges) {
    static final int STEPS = 7;

    private static final double EQUAL = 1e-3;
    private static final double WIDE = 8;

    /// @param values those that are not finite are left out
    static Scale of(DoubleStream values) {
        double[] sorted = values.filter(Double::isFinite).sorted().toArray();
        if (sorted.length == 0) {
            return new Scale(new double[0]);
        }
        double least = sorted[0];
        double most = sorted[sorted.length - 1];
        if (most - least <= EQUAL * Math.abs(most)) {
            return new Scale(new double[] {least, most});
        }
        boolean ratios = least > 0 && most / least > WIDE;
        var edges = new double[STEPS + 1];
        Arrays.setAll(
                edges,
                i -> {
                    double part = (double) i / STEPS;
                    return ratios
                            ? least * Math.pow(most / least, part)
                            : least + (most - least) * part;
                });
        return new Scale(edges);
    }

    /// Step of a value, from 0; the middle one if there is only one.
    int step(double value) {
        if (edges.length <= 2) {
            return STEPS / 2;
        }
        int step = 0;
        while (step < STEPS - 1 && value >= edges[step + 1]) {
            step++;
        }
        return step;
    }
}
