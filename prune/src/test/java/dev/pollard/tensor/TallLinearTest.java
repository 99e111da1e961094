package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Random;
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
    @CsvSource({"1, 100", "7, 8192", "7, 8193", "33, 20000", "200, 20000"})
    void isTheLinearLayer(int time, int out) {
        try (var _ = Scope.open();
                var _ = Engine.bf16Products(true)) {
            Tensor x = random(time, 64);
            Tensor weight = random(out, 64);
            // Some CPUs round the operands to bfloat16, others do not.
            assertArrayEquals(x.linear(weight).toFloats(), x.tallLinear(weight).toFloats(), 0.2f);
        }
    }
}
