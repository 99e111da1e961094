package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.model.TinyLlama;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// Runs that are killed, interrupted, resumed, and run twice at once: each in a process of its own.
class ResumeTest {
    private static final int BLOCKS = 3;

    @TempDir private Path folder;
    private Path model;
    private Path ids;
    private Path out;

    @BeforeEach
    void writeInputs() throws IOException {
        model = new TinyLlama(BLOCKS).write(folder.resolve("model"));
        ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(5, 16, 64, 1));
        out = folder.resolve("out");
    }

    private List<String> words(Path output, String... more) {
        var words = new ArrayList<>(List.of("run", model.toString(), "-o", output.toString()));
        words.addAll(List.of("--calib", ids.toString(), "--calib-samples", "5"));
        words.addAll(List.of("--calib-length", "16", "--threads", "2", "--pattern", "2:4"));
        words.addAll(List.of(more));
        return words;
    }

    private Run here(String... more) {
        return Run.of(words(out, more).toArray());
    }

    /// What a run makes that nobody disturbs.
    private byte[] unbroken() throws IOException {
        Path whole = folder.resolve("whole");
        var run = Run.of(words(whole).toArray());
        assertEquals(0, run.code(), run.err());
        return Files.readAllBytes(whole.resolve("model.safetensors"));
    }

    private byte[] weights() throws IOException {
        return Files.readAllBytes(out.resolve("model.safetensors"));
    }

    private Set<String> remains() throws IOException {
        try (var files = Files.list(folder)) {
            var names = new TreeSet<String>();
            files.map(file -> file.getFileName().toString())
                    .filter(name -> name.contains("out"))
                    .forEach(names::add);
            return names;
        }
    }

    /// A run in another process that halts after every line it writes.
    private final class Child implements AutoCloseable {
        final Process process;
        final BufferedReader err;

        Child(String... more) throws IOException {
            var command = new ArrayList<String>();
            if (OS.LINUX.isCurrentOs()) {
                // Who builds in the background may have left Ctrl-C ignored.
                command.addAll(List.of("env", "--default-signal=INT"));
            }
            String home = System.getProperty("java.home");
            command.add(Path.of(home, "bin", "java").toString());
            command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
            command.addAll(
                    List.of("--enable-native-access=ALL-UNNAMED", "-XX:TieredStopAtLevel=1"));
            command.addAll(List.of("-cp", System.getProperty("java.class.path")));
            command.add("dev.pollard.cli.SteppedMain");
            command.addAll(words(out, more));
            process =
                    new ProcessBuilder(command)
                            .redirectOutput(folder.resolve("printed").toFile())
                            .start();
            err = process.errorReader();
        }

        /// Lets it go on until it has written a line that begins so.
        ///
        /// @return false if it ended before
        boolean reach(String start) throws IOException {
            for (String line = err.readLine(); line != null; line = err.readLine()) {
                if (line.startsWith(SteppedMain.MARK + start)) {
                    return true;
                }
                if (line.startsWith(SteppedMain.MARK)) {
                    step();
                }
            }
            return false;
        }

        void step() throws IOException {
            process.outputWriter().write('\n');
            process.outputWriter().flush();
        }

        /// SIGKILL.
        void kill() throws InterruptedException {
            process.destroyForcibly();
            process.waitFor();
        }

        /// @return the exit code
        int end() throws IOException, InterruptedException {
            process.outputWriter().close(); // it need not wait any more
            assertTrue(process.waitFor(120, TimeUnit.SECONDS), "does not end");
            return process.exitValue();
        }

        @Override
        public void close() {
            process.destroyForcibly();
        }
    }

    @Timeout(300)
    @Test
    void killedAtAnyPointItEndsWithTheSameBytes() throws Exception {
        byte[] expected = unbroken();
        var points = new ArrayList<>(List.of("reading calibration text"));
        for (int block = 1; block <= BLOCKS; block++) {
            points.add("prune: block " + block + " of " + BLOCKS);
        }
        points.addAll(List.of("saving", "verifying"));
        for (String point : points) {
            try (var child = new Child()) {
                assertTrue(child.reach(point), point);
                child.kill();
            }
            assertFalse(Files.exists(out), point);
            leaveWhatAKillMayLeave();
            var resumed = here("--resume");
            assertEquals(0, resumed.code(), resumed.err());
            assertEquals(
                    Math.clamp(points.indexOf(point), 0, BLOCKS),
                    resumed.err().split("taken from what was done before", -1).length - 1,
                    point + "\n" + resumed.err());
            assertArrayEquals(expected, weights(), point);
            assertEquals(Set.of("out"), remains(), point);
            removeOut();
        }
    }

    /// Killed within the commit of a block, the making of a file of activations, or at the start.
    private void leaveWhatAKillMayLeave() throws IOException {
        Path work = Files.createDirectories(folder.resolve("out.work"));
        Files.writeString(work.resolve(".pass-0-block-0002.safetensors.1f-2e.part"), "torn");
        Files.writeString(work.resolve("activations-123.f32"), "torn");
        Files.writeString(work.resolve("run.json.partial"), "{");
    }

    private void removeOut() throws IOException {
        try (var files = Files.walk(out)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    @Timeout(300)
    @Test
    void anUnfinishedRunIsNeitherMixedNorForgotten() throws Exception {
        byte[] expected = unbroken();
        try (var child = new Child()) {
            assertTrue(child.reach("prune: block 2"));
            child.kill();
        }
        assertRefused("--resume continues it, --overwrite starts anew", here("-q"));
        assertRefused("seed was 0, is 1", here("-q", "--resume", "--seed", "1"));
        assertRefused(
                "method was sparsegpt, is wanda", here("-q", "--resume", "--method", "wanda"));
        assertRefused("damping was 0.01, is 0.1", here("-q", "--resume", "--set", "damping=0.1"));
        assertRefused("inputs was pruned, is dense", here("-q", "--resume", "--inputs", "dense"));
        TinyLlama.npy(ids, TinyLlama.ids(5, 16, 64, 2));
        assertRefused("calibration was ", here("-q", "--resume"));
        TinyLlama.npy(ids, TinyLlama.ids(5, 16, 64, 1));
        new TinyLlama(BLOCKS, 16, DType.F32, 8).write(model);
        assertRefused("weights was ", here("-q", "--resume"));
        new TinyLlama(BLOCKS).write(model);
        assertEquals(Set.of("out.work"), remains());
        var anew = here("--overwrite");
        assertEquals(0, anew.code(), anew.err());
        assertFalse(anew.err().contains("taken from"), anew.err());
        assertArrayEquals(expected, weights());
        assertEquals(Set.of("out"), remains());
    }

    private static void assertRefused(String message, Run run) {
        assertEquals(2, run.code(), run.err());
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().startsWith("pollard: "), run.err());
        assertTrue(run.err().contains(message), run.err());
    }

    @Timeout(300)
    @Test
    void aSecondRunOnTheSameFolderIsRefusedAndTheFirstIsNotDisturbed() throws Exception {
        byte[] expected = unbroken();
        try (var child = new Child()) {
            assertTrue(child.reach("verifying"));
            assertEquals(Set.of("out.partial", "out.work"), remains());
            assertRefused("another run is using", here("-q"));
            assertRefused("another run is using", here("-q", "--resume"));
            assertRefused("another run is using", here("-q", "--overwrite"));
            assertEquals(0, child.end());
        }
        assertArrayEquals(expected, weights());
        assertEquals(Set.of("out"), remains());
    }

    @EnabledOnOs({OS.LINUX, OS.MAC})
    @Timeout(300)
    @Test
    void interruptedItSaysHowToGoOnAndLeavesNoHalfOutput() throws Exception {
        byte[] expected = unbroken();
        for (String point : List.of("prune: block 1", "verifying")) {
            try (var child = new Child()) {
                assertTrue(child.reach(point), point);
                new ProcessBuilder("kill", "-INT", Long.toString(child.process.pid()))
                        .start()
                        .waitFor();
                assertTrue(child.process.waitFor(120, TimeUnit.SECONDS), "does not end");
                assertEquals(130, child.process.exitValue());
                String said = String.join("\n", child.err.lines().toList());
                assertTrue(
                        said.contains(
                                "pollard: interrupted; go on with: pollard "
                                        + String.join(" ", words(out, "--resume"))),
                        said);
            }
            assertEquals(Set.of("out.work"), remains(), point);
            var resumed = here("--resume");
            assertEquals(0, resumed.code(), resumed.err());
            assertArrayEquals(expected, weights());
            removeOut();
        }
    }

    /// A disk that fills up, in the shape of a limit on the size of files.
    @EnabledOnOs({OS.LINUX, OS.MAC})
    @Timeout(300)
    @Test
    void aFullDiskEndsTheRunWithOneLineAndNoHalfOutput() throws Exception {
        var command = new StringBuilder("ulimit -f 8; exec '");
        command.append(Path.of(System.getProperty("java.home"), "bin", "java"));
        command.append("' --add-modules jdk.incubator.vector --enable-native-access=ALL-UNNAMED");
        command.append(" -XX:-UsePerfData -cp \"$CP\" dev.pollard.cli.Main");
        for (String word : words(out, "-q")) {
            command.append(" '").append(word).append('\'');
        }
        var builder =
                new ProcessBuilder("sh", "-c", command.toString())
                        .redirectErrorStream(true)
                        .directory(folder.toFile());
        builder.environment().put("CP", System.getProperty("java.class.path"));
        var process = builder.start();
        var said = process.inputReader().lines().filter(l -> l.startsWith("pollard: ")).toList();
        assertEquals(1, process.waitFor(), said.toString());
        assertEquals(1, said.size(), said.toString());
        assertTrue(said.getFirst().contains("cannot write "), said.toString());
        assertFalse(remains().contains("out") || remains().contains("out.partial"));
    }
}
