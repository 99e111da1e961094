package dev.pollard.report;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/// Numbers and names as a reader wants them: in the reports and on the console.
public final class Figures {
    private static final String[] BYTE_UNITS = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    private static final Pattern RATIO = Pattern.compile("0?\\.\\d{1,9}|0");
    private static final Pattern N_OF_M = Pattern.compile("(\\d{1,4}):(\\d{1,4})");

    private Figures() {}

    /// Four digits that mean something: `18.97`, `27.10`, `0.001234`, `1.235e+07`; `not a number`,
    /// `infinite`.
    static String number(double value) {
        return significant(value, 4).orElseGet(() -> unusual(value, 4));
    }

    /// Two digits at most, fit for an axis or a cell: `0.5`, `27`.
    static String brief(double value) {
        return significant(value, 2)
                .map(text -> text.contains(".") ? text.replaceFirst("\\.?0+$", "") : text)
                .orElseGet(() -> unusual(value, 2));
    }

    /// Two digits, fit for a cell among others: `0.50`, `2.0`, `27`.
    static String cell(double value) {
        return significant(value, 2).orElseGet(() -> unusual(value, 2));
    }

    private static Optional<String> significant(double value, int digits) {
        double magnitude = Math.abs(value);
        if (value == 0) {
            return Optional.of("0");
        }
        if (!(magnitude >= 1e-4 && magnitude < 1e7)) {
            return Optional.empty();
        }
        var rounded =
                BigDecimal.valueOf(value).round(new MathContext(digits, RoundingMode.HALF_EVEN));
        int decimals = digits - 1 - (rounded.precision() - rounded.scale() - 1);
        return Optional.of(String.format(Locale.ROOT, "%,." + Math.max(0, decimals) + "f", value));
    }

    private static String unusual(double value, int digits) {
        if (Double.isNaN(value)) {
            return "not a number";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "infinite" : "minus infinite";
        }
        return String.format(Locale.ROOT, "%." + (digits - 1) + "e", value);
    }

    /// A fraction in per cent: `49.97 %`.
    public static String percent(double fraction) {
        return Double.isFinite(fraction)
                ? String.format(Locale.ROOT, "%.2f %%", 100 * fraction)
                : number(fraction);
    }

    /// Decimal units: `98.3 MB`.
    public static String bytes(long bytes) {
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
    public static String count(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    /// With the noun it counts: `1 tensor`, `272 tensors`.
    public static String count(long count, String noun) {
        return count(count) + " " + noun + (count == 1 ? "" : "s");
    }

    /// The two largest units: `1 h 05 min`, `4 min 09 s`, `12 s`, `0.5 s`.
    public static String seconds(double seconds) {
        if (!Double.isFinite(seconds) || seconds < 59.95) {
            return brief(seconds) + " s";
        }
        long whole = Math.round(seconds);
        return whole < 3600
                ? "%d min %02d s".formatted(whole / 60, whole % 60)
                : "%d h %02d min".formatted(whole / 3600, whole % 3600 / 60);
    }

    /// How far a measure went: `+42.9 %`, `× 4.30`; empty if that cannot be said.
    static String change(double before, double after) {
        double ratio = after / before;
        if (!Double.isFinite(ratio) || before <= 0) {
            return "";
        }
        return ratio >= 3
                ? "× " + String.format(Locale.ROOT, ratio < 100 ? "%.2f" : "%,.0f", ratio)
                : String.format(Locale.ROOT, "%+.1f %%", 100 * (ratio - 1));
    }

    /// `0.5` as `50 %`, `2:4` as `2:4 (2 of every 4 kept)`; anything else as it is.
    static String pattern(String pattern) {
        if (RATIO.matcher(pattern).matches()) {
            var percent = new BigDecimal(pattern).movePointRight(2).stripTrailingZeros();
            return percent.toPlainString() + " %";
        }
        var groups = N_OF_M.matcher(pattern);
        return groups.matches()
                ? "%s (%s of every %s kept)".formatted(pattern, groups.group(1), groups.group(2))
                : pattern;
    }

    /// The last part of a path, on whatever system it was written.
    static String fileName(String path) {
        String trimmed = path.replaceAll("[/\\\\]+$", "");
        return trimmed.substring(1 + Math.max(trimmed.lastIndexOf('/'), trimmed.lastIndexOf('\\')));
    }

    /// A text's file without folder, reading mode and field: `c4.jsonl` of
    /// `rows:/data/c4.jsonl:text`.
    static String sourceName(String source) {
        String file = source.startsWith("rows:") ? source.substring(5) : source;
        int template = file.indexOf(":{");
        String name = fileName(template > 0 ? file.substring(0, template) : file);
        int field = name.lastIndexOf(':');
        return field > 0 ? name.substring(0, field) : name;
    }

    /// The middle left out if there is more than a chart has room for.
    static String shortened(String text, int most) {
        int length = text.codePointCount(0, text.length());
        if (length <= most) {
            return text;
        }
        int half = (most - 1) / 2;
        return text.substring(0, text.offsetByCodePoints(0, most - 1 - half))
                + "…"
                + text.substring(text.offsetByCodePoints(text.length(), -half));
    }
}
