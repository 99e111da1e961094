package dev.pollard.cli;

import java.time.Duration;
import java.util.Locale;

/// Numbers as people read them.
final class Quantities {
    private static final String[] BYTE_UNITS = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

    private Quantities() {}

    /// Decimal units: `98.3 MB`.
    static String bytes(long bytes) {
        double value = bytes;
        int unit = 0;
        while (Math.abs(value) >= 999.95 && unit < BYTE_UNITS.length - 1) {
            value /= 1000;
            unit++;
        }
        return unit == 0
                ? bytes + " B"
                : String.format(Locale.ROOT, "%.1f %s", value, BYTE_UNITS[unit]);
    }

    /// Digits in groups: `134,515,008`.
    static String count(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    /// With the noun it counts: `1 tensor`, `272 tensors`.
    static String count(long count, String noun) {
        return count(count) + " " + noun + (count == 1 ? "" : "s");
    }

    /// Two digits after the point: `49.97 %`.
    static String percent(double fraction) {
        return String.format(Locale.ROOT, "%.2f %%", 100 * fraction);
    }

    /// The two largest units: `1 h 05 min`, `4 min 09 s`, `12.3 s`.
    static String duration(Duration duration) {
        double seconds = duration.toMillis() / 1e3;
        if (seconds < 59.95) {
            return String.format(Locale.ROOT, "%.1f s", seconds);
        }
        long whole = Math.round(seconds);
        return whole < 3600
                ? "%d min %02d s".formatted(whole / 60, whole % 60)
                : "%d h %02d min".formatted(whole / 3600, whole % 3600 / 60);
    }
}
