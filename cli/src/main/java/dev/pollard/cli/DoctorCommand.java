package dev.pollard.cli;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.pollard.recipe.Machine;
import dev.pollard.report.Figures;
import dev.pollard.tensor.Bf16;
import dev.pollard.tensor.Bf16Probe;
import dev.pollard.tensor.Engine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import jdk.incubator.vector.FloatVector;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "doctor",
        header = "Checks this machine: Java, vector code, memory, disk, native libraries, bf16.",
        footer = {
            "",
            "@|bold Example|@",
            "  pollard doctor        paste its output into a bug report",
            "",
            "Ends with 1 if something that pruning needs does not work."
        })
final class DoctorCommand implements Callable<Integer> {
    private final Console console;

    @Mixin private OutputOptions output;

    private boolean ill;

    DoctorCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws InterruptedException {
        line("Pollard", Build.read().version());
        line(
                "Java",
                "%s (%s), %s"
                        .formatted(
                                Runtime.version(),
                                System.getProperty("java.vendor"),
                                System.getProperty("java.home")));
        line("system", Machine.system());
        line(
                "processor",
                "%s, %d available"
                        .formatted(
                                Machine.processor(), Runtime.getRuntime().availableProcessors()));
        check("vector code", DoctorCommand::vectors);
        check("native access", DoctorCommand::nativeAccess);
        line("heap", "at most " + Figures.bytes(Runtime.getRuntime().maxMemory()));
        line("memory", memory());
        check("disk here", () -> disk(Path.of("").toAbsolutePath()));
        check("disk temporary", () -> disk(Path.of(System.getProperty("java.io.tmpdir"))));
        check("tokenizers", DoctorCommand::tokenizers);
        check("libtorch", this::libtorch);
        check("bf16", DoctorCommand::bf16);
        return (ill ? ExitCode.FAILED : ExitCode.DONE).code();
    }

    /// Something to try that may fail.
    private interface Check {
        String run() throws IOException, InterruptedException;
    }

    /// Runs one check; whatever is wrong with the machine is a finding, not the end. Natives that
    /// do not load throw errors, hence Throwable's two halves.
    private void check(String name, Check check) throws InterruptedException {
        try {
            line(name, check.run());
        } catch (IOException | RuntimeException | LinkageError e) {
            ill = true;
            console.say(
                    "@|bold %-15s|@ @|bold,red broken:|@ ".formatted(name)
                            + Console.oneLine(e.toString()));
            if (output.verbose) {
                e.printStackTrace(console.err());
            }
        }
    }

    private void line(String name, String finding) {
        console.say("@|bold %-15s|@ ".formatted(name) + finding);
    }

    private static String vectors() {
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            throw new IllegalStateException(
                    "module jdk.incubator.vector is not there; start with ./pollard, or with "
                            + Build.read().jvmFlags());
        }
        var species = FloatVector.SPECIES_PREFERRED;
        return "%d bits, %d floats at a time".formatted(species.vectorBitSize(), species.length());
    }

    private static String nativeAccess() {
        if (!DoctorCommand.class.getModule().isNativeAccessEnabled()) {
            throw new IllegalStateException(
                    "not enabled; start with ./pollard, or with " + Build.read().jvmFlags());
        }
        return "enabled";
    }

    private static String memory() {
        if (java.lang.management.ManagementFactory.getOperatingSystemMXBean()
                instanceof com.sun.management.OperatingSystemMXBean system) {
            return "%s, %s free"
                    .formatted(
                            Figures.bytes(system.getTotalMemorySize()),
                            Figures.bytes(available(system.getFreeMemorySize())));
        }
        return "not known";
    }

    /// Linux counts files it caches as used, though it gives them up at once.
    private static long available(long free) {
        Path info = Path.of("/proc/meminfo");
        if (!Files.isReadable(info)) {
            return free;
        }
        try (var lines = Files.lines(info)) {
            return lines.filter(line -> line.startsWith("MemAvailable:"))
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElse(free);
        } catch (IOException _) {
            return free;
        }
    }

    private static String disk(Path folder) throws IOException {
        return "%s free in %s"
                .formatted(Figures.bytes(Files.getFileStore(folder).getUsableSpace()), folder);
    }

    private static String tokenizers() throws IOException {
        Path file = Files.createTempFile("pollard", ".json");
        try {
            Files.writeString(
                    file,
                    """
                    {"version":"1.0","added_tokens":[],"model":{"type":"BPE",
                     "vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}
                    """);
            try (var tokenizer =
                    HuggingFaceTokenizer.newInstance(
                            file, java.util.Map.of("truncation", "false", "padding", "false"))) {
                var ids = tokenizer.encode("abab", false, false).getIds();
                if (ids.length != 2 || ids[0] != 2) {
                    throw new IllegalStateException("wrong ids: " + java.util.Arrays.toString(ids));
                }
            }
        } finally {
            Files.delete(file);
        }
        return "work";
    }

    private String libtorch() {
        List<String> lines = Engine.describe();
        if (output.verbose) {
            lines.forEach(console::raw);
        }
        String settings = find(lines, "TORCH_VERSION").orElse("");
        return "%s, BLAS %s, %s, %s"
                .formatted(
                        Engine.version(),
                        setting(settings, "BLAS_INFO"),
                        find(lines, "CPU capability").orElse("CPU capability not told"),
                        find(lines, "MKL-DNN")
                                .map(line -> line.replaceFirst(" \\(Git.*", ""))
                                .orElse("no oneDNN"));
    }

    private static Optional<String> find(List<String> lines, String word) {
        return lines.stream()
                .filter(line -> line.contains(word))
                .map(line -> line.replaceFirst("^- ", ""))
                .findFirst();
    }

    private static String setting(String line, String name) {
        int start = line.indexOf(name + "=");
        if (start < 0) {
            return "?";
        }
        int end = line.indexOf(',', start);
        return line.substring(start + name.length() + 1, end < 0 ? line.length() : end);
    }

    private static String bf16() throws IOException, InterruptedException {
        return switch (Bf16Probe.run()) {
            case Bf16.Plain(double speed) -> "works, " + speed(speed);
            case Bf16.Capped(String isa, double speed) ->
                    "works with ONEDNN_MAX_CPU_ISA=%s (without it the CPU traps), %s"
                            .formatted(isa, speed(speed));
            case Bf16.Unusable(String reason) -> "not usable: " + reason;
        };
    }

    private static String speed(double speed) {
        return String.format(Locale.ROOT, "%.1f times as fast as float32", speed)
                + (speed < 1.2 ? ", so no gain" : "");
    }
}
