package dev.pollard.report;

import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// A scale of values with round ticks; its ends are ticks.
///
/// @param logarithmic whether equal steps are equal ratios
/// @param ticks ascending, the ends among them
record Axis(double low, double high, boolean logarithmic, List<Double> ticks) {
    private static final double DECADES = 20; // so many times the least, and ratios read better
    private static final double HALF_OF_IT = 0.5;
    private static final double ROUNDING = 1e-9;

    /// From 0 to `most` or a little more.
    static Axis fromZero(double most) {
        return linear(0, most > 0 && Double.isFinite(most) ? most : 1);
    }

    /// Around the values: by ratios where they span decades; else from 0, unless they all lie far
    /// from it.
    ///
    /// @param values those that are not finite are left out
    static Axis around(double... values) {
        double[] finite = Arrays.stream(values).filter(Double::isFinite).sorted().toArray();
        if (finite.length == 0) {
            return fromZero(1);
        }
        double least = finite[0];
        double most = finite[finite.length - 1];
        if (least > 0 && most / least >= DECADES) {
            return ratios(least, most);
        }
        if (least >= 0 && least < HALF_OF_IT * most || least == most) {
            return least < 0 ? linear(least, 0) : fromZero(most);
        }
        return linear(least, most);
    }

    /// From the least of the values to the most, or a little beyond: for marks, whose length says
    /// nothing.
    ///
    /// @param values those that are not finite are left out
    static Axis between(double... values) {
        double least = Arrays.stream(values).filter(Double::isFinite).min().orElse(0);
        double most = Arrays.stream(values).filter(Double::isFinite).max().orElse(1);
        return least < most ? linear(least, most) : around(values);
    }

    private static Axis linear(double least, double most) {
        double tick = tick(most - least);
        var ticks = new ArrayList<Double>();
        long first = (long) Math.floor(least / tick + ROUNDING);
        long last = (long) Math.ceil(most / tick - ROUNDING);
        for (long i = first; i <= last; i++) {
            ticks.add(i * tick);
        }
        return new Axis(ticks.getFirst(), ticks.getLast(), false, ticks);
    }

    /// 1, 2 or 5 times a power of ten, so that there are three to seven of them.
    private static double tick(double span) {
        double power = Math.pow(10, Math.floor(Math.log10(span)));
        double lead = span / power;
        return power * (lead < 1.5 ? 0.25 : lead < 3 ? 0.5 : lead < 6 ? 1 : 2);
    }

    private static Axis ratios(double least, double most) {
        boolean wide = most / least > 1000;
        double[] steps = wide ? new double[] {1} : new double[] {1, 2, 5};
        var ticks = new ArrayList<Double>();
        for (int power = (int) Math.floor(Math.log10(least)); ; power++) {
            for (double step : steps) {
                double tick = step * Math.pow(10, power);
                if (tick <= least * (1 + ROUNDING)) {
                    ticks.clear();
                }
                ticks.add(tick);
                if (tick >= most * (1 - ROUNDING)) {
                    return new Axis(ticks.getFirst(), tick, true, ticks);
                }
            }
        }
    }

    /// A tick with as many decimals as the ticks need to be told apart.
    String label(double tick) {
        double step = ticks.size() < 2 ? 0 : ticks.get(1) - ticks.getFirst();
        if (logarithmic || !(step >= 1e-4 && Math.abs(tick) < 1e7)) {
            return Figures.brief(tick);
        }
        return new DecimalFormat("#,##0.######", DecimalFormatSymbols.getInstance(Locale.ROOT))
                .format(tick);
    }

    /// Where a value stands: 0 at the low end, 1 at the high one.
    double part(double value) {
        return logarithmic
                ? Math.log(value / low) / Math.log(high / low)
                : (value - low) / (high - low);
    }
}
