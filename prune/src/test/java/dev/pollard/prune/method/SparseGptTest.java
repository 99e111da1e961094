package dev.pollard.prune.method;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerPrunerContract;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.RandomLayer;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.solver.UnusableStatisticsException;
import dev.pollard.stats.Gram;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SparseGptTest extends LayerPrunerContract {
    @Override
    protected LayerPruner pruner() {
        return new SparseGpt();
    }

    @Override
    protected long prunedBy(double ratio, int rows, int columns) {
        long pruned = 0;
        for (int from = 0; from < columns; from += 128) {
            pruned += Selection.count((long) rows * Math.min(128, columns - from), ratio);
        }
        return pruned;
    }

    /// Blocks that fit, that leave a rest, that are smaller than a vector, that cut words of the
    /// mask, and groups that do not divide the block.
    @ParameterizedTest
    @CsvSource({
        "20, 96, 128, 0.5",
        "20, 300, 128, 0.5",
        "20, 130, 32, 0.7",
        "13, 77, 5, 0.5",
        "13, 50, 1, 0.6",
        "30, 201, 100, 0.9",
        "20, 96, 128, 2:4",
        "20, 300, 128, 2:4",
        "20, 304, 128, 4:8",
        "20, 260, 128, 1:4",
        "11, 210, 128, 2:3",
        "11, 210, 10, 5:7",
        "5, 100, 3, 20:50"
    })
    void equalsThePlainLoops(int rows, int columns, int block, String pattern) {
        RandomLayer layer = RandomLayer.of(rows, columns, 17, 3, columns / 2);
        assertEqualsNaive(layer, new SparseGpt(0.01, block), Sparsity.parse(pattern), 2e-5);
    }

    static void assertEqualsNaive(
            RandomLayer layer, SparseGpt method, Sparsity sparsity, double tolerance) {
        boolean[][] kept = new boolean[layer.rows()][layer.columns()];
        double[][] expected =
                new NaiveSurgeon(method.damping(), method.block(), 0)
                        .prune(
                                matrix(layer.weight(), layer.columns()),
                                matrix(layer.inputs(), layer.columns()),
                                sparsity,
                                kept);
        LayerResult result = method.prune(layer.context(), sparsity);
        float[] actual = result.weight().toFloats();
        for (int r = 0; r < layer.rows(); r++) {
            for (int c = 0; c < layer.columns(); c++) {
                assertEquals(kept[r][c], result.mask().isKept(r, c), r + ", " + c);
                assertEquals(
                        expected[r][c], actual[r * layer.columns() + c], tolerance, r + ", " + c);
            }
        }
    }

    static double[][] matrix(float[] values, int columns) {
        double[][] matrix = new double[values.length / columns][columns];
        for (int i = 0; i < values.length; i++) {
            matrix[i / columns][i % columns] = values[i];
        }
        return matrix;
    }

    @Test
    void layersOfOneGramShareTheFactor() {
        LayerContext layer = RandomLayer.of(8, 40, 1).context();
        Gram gram = layer.stats().gram();
        pruner().prune(layer, new Sparsity.Unstructured(0.5));
        // Had the Gram been read again, it would be refused now.
        gram.matrix().mul_(Double.NaN);
        pruner().prune(layer, new Sparsity.Unstructured(0.5));
        assertThrows(
                UnusableStatisticsException.class,
                () -> new SparseGpt(0.02, 128).prune(layer, new Sparsity.Unstructured(0.5)));
    }

    @Test
    void deadInputsAreNotedAndTheirWeightsZero() {
        LayerResult result =
                check(RandomLayer.of(8, 40, 1, 5, 6).context(), new Sparsity.Unstructured(0));
        assertTrue(result.notes().getFirst().startsWith("2 of 40 inputs"));
        float[] weight = result.weight().toFloats();
        for (int r = 0; r < 8; r++) {
            assertEquals(0, Float.floatToRawIntBits(weight[r * 40 + 5]));
            assertEquals(0, Float.floatToRawIntBits(weight[r * 40 + 6]));
        }
    }

    @Test
    void aGramWithNaNIsRefused() {
        Tensor weight = Tensor.full(1, 4, 2);
        var gram = new Gram(Tensor.of(new float[] {1, 0, 0, Float.NaN}, 2, 2), 10);
        var layer = new LayerContext("layer", weight, weight, LayerStats.of(gram), 0);
        assertThrows(
                UnusableStatisticsException.class,
                () -> pruner().prune(layer, new Sparsity.Unstructured(0.5)));
    }

    @Test
    void aRatioOfHalfBeatsWandaOnItsOwnInputs() {
        RandomLayer random = RandomLayer.of(64, 256, 5);
        LayerContext layer = random.context();
        var half = new Sparsity.Unstructured(0.5);
        double updated = error(random, pruner().prune(layer, half).weight());
        double masked = error(random, new Wanda().prune(layer, half).weight());
        assertTrue(updated < 0.8 * masked, updated + " against " + masked);
    }

    /// `‖X (V - W)ᵀ‖ / ‖X Wᵀ‖`, Frobenius.
    static double error(RandomLayer layer, Tensor pruned) {
        Tensor x = Tensor.of(layer.inputs(), layer.tokens(), layer.columns());
        Tensor w = Tensor.of(layer.weight(), layer.rows(), layer.columns());
        double difference = x.linear(pruned.sub(w)).square().sum().item();
        return Math.sqrt(difference / x.linear(w).square().sum().item());
    }

    @Test
    void settingsAreChecked() {
        assertEquals(new SparseGpt(0.01, 128), new SparseGpt());
        assertThrows(IllegalArgumentException.class, () -> new SparseGpt(-0.1, 128));
        assertThrows(IllegalArgumentException.class, () -> new SparseGpt(Double.NaN, 128));
        assertThrows(IllegalArgumentException.class, () -> new SparseGpt(0.01, 0));
    }
}
