package dev.pollard.tensor;

import dev.pollard.format.Sha256;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/// Tries bf16 linear layers in a child process.
///
/// Virtual machines announce instructions that then trap (AMX without the right to use its tiles,
/// say), which kills the process that runs them and cannot be caught. So a child dies first.
public final class Bf16Probe {
    /// AVX-512 with its bf16 dot product, but no AMX.
    private static final String WITHOUT_AMX = "AVX512_CORE_BF16";

    private static final int SECONDS = 120; // the first start ever unpacks libtorch
    private static final int ROUNDS = 9;

    /// Linux has another number there after every start.
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");

    private static final Path CPU = Path.of("/proc/cpuinfo");

    /// Environment variables by which instructions are chosen.
    private static final Pattern SETTINGS = Pattern.compile("(ONEDNN|DNNL|ATEN|MKL|OPENBLAS)_.*");

    /// bf16 keeps 8 bits of a number and sums stay float32, so products differ by about 0.4 %.
    private static final double TOLERANCE = 0.02;

    private Bf16Probe() {}

    /// Starts the child, at most twice: as the machine is, then without AMX. Takes some seconds;
    /// libtorch is not loaded into this process.
    ///
    /// @throws IOException if no child can be started at all
    /// @throws InterruptedException if the thread is interrupted while it waits
    public static Bf16 run() throws IOException, InterruptedException {
        return switch (child(Map.of())) {
            case Answer.Works(double speed) -> new Bf16.Plain(speed);
            case Answer.Fails(String why) ->
                    switch (child(Map.of("ONEDNN_MAX_CPU_ISA", WITHOUT_AMX))) {
                        case Answer.Works(double speed) -> new Bf16.Capped(WITHOUT_AMX, speed);
                        case Answer.Fails(String again) ->
                                new Bf16.Unusable(
                                        why.equals(again)
                                                ? why
                                                : "%s; without AMX: %s".formatted(why, again));
                    };
        };
    }

    /// What [#run()] found since the machine started, with this CPU, these libraries and these
    /// settings of theirs, if `file` has it; if not, asks, and keeps the answer there if it can.
    /// That bf16 does not work is not kept.
    ///
    /// @throws IOException as [#run()]
    /// @throws InterruptedException as [#run()]
    public static Bf16 run(Path file) throws IOException, InterruptedException {
        return run(file, circumstances(), Bf16Probe::run);
    }

    /// Finds it out.
    @FunctionalInterface
    interface Question {
        Bf16 ask() throws IOException, InterruptedException;
    }

    /// @param circumstances under which an answer holds; if empty, none is kept
    static Bf16 run(Path file, Optional<String> circumstances, Question question)
            throws IOException, InterruptedException {
        if (circumstances.isEmpty()) {
            return question.ask();
        }
        var known = known(file, circumstances.get());
        if (known.isPresent()) {
            return known.get();
        }
        Bf16 found = question.ask();
        switch (found) {
            case Bf16.Plain(double speed) -> keep(file, circumstances.get(), "", speed);
            case Bf16.Capped(String isa, double speed) ->
                    keep(file, circumstances.get(), isa, speed);
            case Bf16.Unusable _ -> {}
        }
        return found;
    }

    /// This start of this machine, its CPU, the libraries and what the environment tells them;
    /// empty where the system does not say.
    private static Optional<String> circumstances() {
        try {
            var all = new ArrayList<String>();
            all.add(Files.readString(BOOT).strip());
            Files.readAllLines(CPU).stream()
                    .filter(line -> line.startsWith("model name") || line.startsWith("flags"))
                    .distinct()
                    .forEach(all::add);
            all.add(absolute(System.getProperty("java.class.path")));
            System.getenv().entrySet().stream()
                    .filter(e -> SETTINGS.matcher(e.getKey()).matches())
                    .map(Map.Entry::toString)
                    .sorted()
                    .forEach(all::add);
            return Optional.of(Sha256.of(String.join("\n", all)));
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    private static Optional<Bf16> known(Path file, String circumstances) {
        try {
            var lines = Files.readAllLines(file);
            if (lines.size() != 3 || !lines.getFirst().equals(circumstances)) {
                return Optional.empty();
            }
            String isa = lines.get(1);
            double speed = Double.parseDouble(lines.getLast());
            return Optional.of(isa.isEmpty() ? new Bf16.Plain(speed) : new Bf16.Capped(isa, speed));
        } catch (IOException | NumberFormatException _) {
            return Optional.empty();
        }
    }

    private static void keep(Path file, String circumstances, String isa, double speed) {
        Path folder = file.toAbsolutePath().getParent();
        try {
            Files.createDirectories(folder);
            Path aside = Files.createTempFile(folder, "bf16", ".tmp");
            try {
                Files.write(aside, List.of(circumstances, isa, Double.toString(speed)));
                Files.move(
                        aside,
                        file,
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(aside);
            }
        } catch (IOException _) {
            // The next process asks again.
        }
    }

    private sealed interface Answer {
        record Works(double speed) implements Answer {}

        record Fails(String why) implements Answer {}
    }

    private static Answer child(Map<String, String> environment)
            throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("pollard-bf16");
        Path answer = folder.resolve("answer");
        Path log = folder.resolve("log");
        try {
            var builder = new ProcessBuilder(command(answer)).directory(folder.toFile());
            builder.environment().putAll(environment);
            builder.redirectErrorStream(true).redirectOutput(log.toFile());
            Process process = builder.start();
            process.getOutputStream().close();
            if (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
                return new Answer.Fails("no answer within %d s".formatted(SECONDS));
            }
            return read(answer, log, process.exitValue());
        } finally {
            delete(folder);
        }
    }

    private static List<String> command(Path answer) {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        var command = new ArrayList<>(List.of(java));
        command.addAll(
                List.of(
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+UseSerialGC",
                        "-Xmx128m",
                        // A trap is an answer here, not an accident worth a report or a core dump.
                        "-XX:-CreateCoredumpOnCrash",
                        "-XX:ErrorFile=" + answer.resolveSibling("crash"),
                        "-cp",
                        absolute(System.getProperty("java.class.path")),
                        Bf16Probe.class.getName(),
                        answer.toString()));
        return command;
    }

    /// The child runs in another folder, so relative entries would be lost.
    private static String absolute(String classPath) {
        String separator = System.getProperty("path.separator");
        return String.join(
                separator,
                Arrays.stream(classPath.split(separator))
                        .map(entry -> Path.of(entry).toAbsolutePath().toString())
                        .toList());
    }

    private static Answer read(Path answer, Path log, int status) throws IOException {
        if (!Files.exists(answer)) {
            return new Answer.Fails(
                    Files.exists(answer.resolveSibling("crash"))
                            ? "the CPU traps on it"
                            : "the probe ended with status %d: %s"
                                    .formatted(status, firstLine(log)));
        }
        var lines = Files.readAllLines(answer);
        double error = Double.parseDouble(lines.getFirst());
        if (!(error <= TOLERANCE)) {
            return new Answer.Fails("results are off by %.3g".formatted(error));
        }
        return new Answer.Works(Double.parseDouble(lines.getLast()));
    }

    private static String firstLine(Path log) throws IOException {
        // Written by native code, perhaps: any bytes.
        return new String(Files.readAllBytes(log), StandardCharsets.ISO_8859_1)
                .lines()
                .findFirst()
                .orElse("no word");
    }

    private static void delete(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }

    /// The child: writes the largest relative error of the shapes tried, then the ratio of times,
    /// to the file named.
    static void main(String[] args) throws IOException {
        double error = 0;
        // One row, ragged rows and a block of them take different kernels.
        for (int[] shape : new int[][] {{1, 576, 576}, {7, 576, 1536}, {512, 1024, 1024}}) {
            error = Math.max(error, relativeError(shape[0], shape[1], shape[2]));
        }
        double speed = median(false) / median(true);
        Files.write(Path.of(args[0]), List.of(Double.toString(error), Double.toString(speed)));
    }

    private static double relativeError(int rows, int in, int out) {
        try (var _ = Scope.open()) {
            Tensor x = random(rows, in);
            Tensor weight = random(out, in);
            Tensor exact = x.linear(weight);
            Tensor rounded = x.toBFloat16().linear(weight.toBFloat16()).toFloat32();
            return Math.sqrt(
                    rounded.sub(exact).square().sum().item() / exact.square().sum().item());
        }
    }

    /// Seconds of one product of 1 GFLOP.
    private static double median(boolean bf16) {
        double[] seconds = new double[ROUNDS];
        try (var _ = Scope.open()) {
            Tensor x = random(512, 1024);
            Tensor weight = random(1024, 1024);
            Tensor left = bf16 ? x.toBFloat16() : x;
            Tensor right = bf16 ? weight.toBFloat16() : weight;
            for (int i = 0; i < ROUNDS; i++) {
                long start = System.nanoTime();
                left.linear(right).close();
                seconds[i] = (System.nanoTime() - start) / 1e9;
            }
        }
        Arrays.sort(seconds);
        return seconds[ROUNDS / 2];
    }

    private static Tensor random(int rows, int columns) {
        var random = new Random(0);
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, rows, columns);
    }
}
