package dev.pollard.cli;

import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.regex.Pattern;
import picocli.CommandLine.TypeConversionException;

/// Amounts of memory, as this machine has them and as a user writes them.
final class Memory {
    private static final Pattern SIZE = Pattern.compile("(\\d+(?:\\.\\d+)?)([kmgt%]?)b?");

    private Memory() {}

    /// Memory of this machine, or of the container the process runs in.
    static long physicalBytes() {
        return ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class)
                .getTotalMemorySize();
    }

    /// Reads `8g`, `800m`, `75%` (of this machine) or plain bytes.
    static long parse(String text) {
        var match = SIZE.matcher(text.strip().toLowerCase(Locale.ROOT));
        if (!match.matches()) {
            throw new TypeConversionException("'%s' is not a size: 8g, 800m, 75%%".formatted(text));
        }
        double unit =
                switch (match.group(2)) {
                    case "k" -> 1L << 10;
                    case "m" -> 1L << 20;
                    case "g" -> 1L << 30;
                    case "t" -> 1L << 40;
                    case "%" -> physicalBytes() / 100.0;
                    default -> 1;
                };
        return (long) (Double.parseDouble(match.group(1)) * unit);
    }
}
