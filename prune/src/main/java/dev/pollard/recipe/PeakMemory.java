package dev.pollard.recipe;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// The largest amount of memory this process has held so far.
final class PeakMemory {
    private PeakMemory() {}

    /// Peak resident bytes as the kernel counts them; empty where it does not tell (not Linux).
    static Optional<Long> bytes() {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmHWM:"))
                    .map(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                    .findFirst();
        } catch (IOException _) {
            return Optional.empty();
        }
    }
}
