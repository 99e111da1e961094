package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

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
}
