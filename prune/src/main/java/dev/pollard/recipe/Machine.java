package dev.pollard.recipe;

import dev.pollard.tensor.Engine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// What a run runs on, by name and version.
public final class Machine {
    private Machine() {}

    /// For the record.
    ///
    /// @param threads that the run takes
    static RunRecord.EnvironmentFacts facts(int threads) {
        return new RunRecord.EnvironmentFacts(
                Runtime.version().toString(), Engine.version(), system(), processor(), threads);
    }

    /// `Linux 6.8.0, amd64`.
    public static String system() {
        return "%s %s, %s"
                .formatted(
                        System.getProperty("os.name"),
                        System.getProperty("os.version"),
                        System.getProperty("os.arch"));
    }

    /// The processor as the kernel names it; the architecture where it does not tell (not Linux on
    /// x86).
    public static String processor() {
        Path info = Path.of("/proc/cpuinfo");
        String unnamed = System.getProperty("os.arch");
        if (!Files.isReadable(info)) {
            return unnamed;
        }
        try (var lines = Files.lines(info)) {
            return lines.filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse(unnamed);
        } catch (IOException _) { // a name to show, no more
            return unnamed;
        }
    }
}
