package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollard.prune.LayerReport.ErrorKind;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LayerErrorTest {
    /// Through the inputs themselves, in double.
    @ParameterizedTest
    @ValueSource(ints = {1, 7, 192, 193, 400})
    void isThePartOfTheOutputThatIsLost(int columns) {
        try (var _ = Scope.open()) {
            var layer = RandomLayer.of(5, columns, 3);
            var context = layer.context();
            var pruned = new ComparisonGroup.Row().largest(context.weight(), HALF);
            Tensor weight = pruned.applyTo(context.weight());
            double expected =
                    energy(layer, weight.sub(context.weight())) / energy(layer, context.weight());
            for (int again = 0; again < 2; again++) {
                var error = LayerError.of(context.stats(), context.weight(), weight);
                assertEquals(ErrorKind.OUTPUT, error.kind());
                assertEquals(expected, error.relative(), 1e-5 * expected);
            }
            // Of another matrix on the same tokens.
            Tensor other = context.weight().mul(2);
            assertEquals(
                    0.25, LayerError.of(context.stats(), other, context.weight()).relative(), 1e-5);
        }
    }

    private static final Sparsity HALF = Sparsity.parse("0.5");

    private static double energy(RandomLayer layer, Tensor weight) {
        float[] w = weight.toFloats();
        double sum = 0;
        for (int t = 0; t < layer.tokens(); t++) {
            for (int r = 0; r < layer.rows(); r++) {
                double y = 0;
                for (int c = 0; c < layer.columns(); c++) {
                    y +=
                            (double) w[r * layer.columns() + c]
                                    * layer.inputs()[t * layer.columns() + c];
                }
                sum += y * y;
            }
        }
        return sum;
    }
}
