package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Bf16ProbeTest {
    private static final Bf16Probe.Question NOBODY =
            () -> {
                throw new AssertionError("asked although the answer is known");
            };

    /// Whatever the CPU is, the probe comes back with an answer and this process is still here.
    @Test
    void survivesEveryCpu() throws Exception {
        switch (Bf16Probe.run()) {
            case Bf16.Plain(double speed) -> assertTrue(speed > 0.01, "speed " + speed);
            case Bf16.Capped(String isa, double speed) -> {
                assertFalse(isa.isBlank());
                assertTrue(speed > 0.01, "speed " + speed);
            }
            case Bf16.Unusable(String reason) -> assertFalse(reason.isBlank());
        }
    }

    @Test
    void anAnswerIsKeptUntilTheMachineStartsAnew(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("cache/bf16");
        for (var answer : List.of(new Bf16.Plain(3.5), new Bf16.Capped("AVX2", 2))) {
            for (String start : List.of("one " + answer, "another " + answer)) {
                assertEquals(answer, Bf16Probe.run(file, Optional.of(start), () -> answer));
                assertEquals(answer, Bf16Probe.run(file, Optional.of(start), NOBODY));
            }
        }
        assertEquals(List.of(file), files(file.getParent()));
    }

    @Test
    void whatCannotBeReadIsAskedAgain(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("bf16");
        for (String spoilt : List.of("", "start\n\nfast\n", "start\n", "\u0000")) {
            Files.writeString(file, spoilt);
            var answer = new Bf16.Plain(1);
            assertEquals(answer, Bf16Probe.run(file, Optional.of("start"), () -> answer));
            assertEquals(answer, Bf16Probe.run(file, Optional.of("start"), NOBODY));
        }
    }

    @Test
    void whatDoesNotWorkIsAskedAgain(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("bf16");
        Bf16Probe.run(file, Optional.of("start"), () -> new Bf16.Unusable("it was tired"));
        assertFalse(Files.exists(file));
        Bf16Probe.run(file, Optional.empty(), () -> new Bf16.Plain(1));
        assertFalse(Files.exists(file));
    }

    @Test
    void aFolderThatCannotBeMadeDoesNotMatter(@TempDir Path folder) throws Exception {
        Path file = Files.createFile(folder.resolve("file")).resolve("bf16");
        var answer = new Bf16.Plain(1);
        assertEquals(answer, Bf16Probe.run(file, Optional.of("start"), () -> answer));
    }

    private static List<Path> files(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.toList();
        }
    }
}
