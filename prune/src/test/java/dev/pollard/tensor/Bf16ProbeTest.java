package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Bf16ProbeTest {
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
        assumeTrue(Bf16Probe.run(file) instanceof Bf16.Plain && Files.exists(file));
        var lines = new ArrayList<>(Files.readAllLines(file));
        lines.set(1, "AVX2"); // what a machine that traps would have left
        Files.write(file, lines);
        assertInstanceOf(Bf16.Capped.class, Bf16Probe.run(file));
        for (var spoilt : List.of(List.of("another start", "AVX2", "1.0"), List.of("?"))) {
            Files.write(file, spoilt);
            assertInstanceOf(Bf16.Plain.class, Bf16Probe.run(file));
            assertEquals("", Files.readAllLines(file).get(1));
        }
    }
}
