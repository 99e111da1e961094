package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A head computed in slices is the head.
class TallLinearTest {
    private final Random random = new Random(5);

    private Tensor random(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, rows, columns);
    }

    @ParameterizedTest
    @CsvSource({"1, 100", "7, 8192", "7, 8193", "33, 20000", "192, 16390", "200, 20000"})
    void isTheLinearLayer(int time, int out) {
        try (var _ = Scope.open();
                var _ = Engine.bf16Products(true)) {
            Tensor weight = random(out, 576);
            assertSame(random(time, 576), weight);
            assertSame(random(576, time).transpose(0, 1), weight); // not contiguous
        }
    }

    /// Operands that only one of them rounds to bfloat16 would make a difference of 0.1.
    private static void assertSame(Tensor x, Tensor weight) {
        assertArrayEquals(x.linear(weight).toFloats(), x.tallLinear(weight).toFloats(), 1e-3f);
    }

    @Test
    void gradientsGoThroughIt() {
        try (var _ = Scope.open();
                var _ = Engine.bf16Products(true);
                var tape = new Tape()) {
            Tensor x = random(3, 8).requireGradient();
            Tensor weight = random(9000, 8).requireGradient();
            Tensor y;
            try (var _ = tape.record()) {
                y = x.tallLinear(weight);
            }
            var found = tape.gradients(y, Tensor.full(1, 3, 9000), List.of(x, weight));
            Tensor ofX = found.getFirst().orElseThrow().narrow(0, 1, 1);
            assertArrayEquals(weight.detach().sum(0).toFloats(), ofX.toFloats(), 2f);
            Tensor ofWeight = found.getLast().orElseThrow().narrow(0, 77, 1);
            assertArrayEquals(x.detach().sum(0).toFloats(), ofWeight.toFloats(), 0.1f);
        }
    }
}
