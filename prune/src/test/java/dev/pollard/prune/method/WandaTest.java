package dev.pollard.prune.method;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerPrunerContract;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.RandomLayer;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.solver.UnusableStatisticsException;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Tensor;
import org.junit.jupiter.api.Test;

class WandaTest extends LayerPrunerContract {
    @Override
    protected LayerPruner pruner() {
        return new Wanda();
    }

    @Override
    protected long prunedBy(double ratio, int rows, int columns) {
        return rows * Selection.count(columns, ratio);
    }

    @Test
    void dropsExactlyHalfOfEveryRow() {
        LayerResult result =
                check(RandomLayer.of(30, 301, 1).context(), new Sparsity.Unstructured(0.5));
        for (int r = 0; r < 30; r++) {
            int kept = 0;
            for (int c = 0; c < 301; c++) {
                kept += result.mask().isKept(r, c) ? 1 : 0;
            }
            assertEquals(151, kept);
        }
    }

    @Test
    void weighsByTheNormOfTheInputs() {
        Tensor weight = Tensor.of(new float[] {1, 2, 3, 4, -1, -2, -3, -5}, 2, 4);
        var stats = LayerStats.of(new float[] {100, 4, 1, 1}, 10); // norms 10, 2, 1, 1
        var layer = new LayerContext("layer", weight, weight, stats, 0);
        assertArrayEquals(
                new float[] {1, 0, 0, 4, -1, 0, 0, -5},
                pruner().prune(layer, new Sparsity.Unstructured(0.5)).weight().toFloats());
    }

    @Test
    void meanSquaresThatAreNotFiniteAreRefused() {
        Tensor weight = Tensor.full(1, 2, 2);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1}) {
            var stats = LayerStats.of(new float[] {1, bad}, 10);
            var layer = new LayerContext("layer", weight, weight, stats, 0);
            assertThrows(
                    UnusableStatisticsException.class,
                    () -> pruner().prune(layer, new Sparsity.Unstructured(0.5)));
        }
    }

    @Test
    void statisticsOfAnotherWidthAreRefused() {
        Tensor weight = Tensor.full(1, 2, 2);
        var layer = new LayerContext("layer", weight, weight, LayerStats.of(new float[3], 10), 0);
        assertThrows(
                IllegalArgumentException.class,
                () -> pruner().prune(layer, new Sparsity.Unstructured(0.5)));
    }
}
