package dev.pollard.prune.method;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerPrunerContract;
import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Tensor;
import java.util.Set;
import org.junit.jupiter.api.Test;

class MagnitudeTest extends LayerPrunerContract {
    @Override
    protected LayerPruner pruner() {
        return new Magnitude();
    }

    @Override
    protected long prunedBy(double ratio, int rows, int columns) {
        return Selection.count((long) rows * columns, ratio);
    }

    @Test
    void needsNoStatisticsAndCutsTheWholeMatrixAtOnce() {
        assertEquals(Set.of(), pruner().needs());
        Tensor weight = Tensor.of(new float[] {1, -2, 3, -40, 50, 60}, 2, 3);
        var layer = new LayerContext("layer", weight, weight, LayerStats.NONE, 0);
        assertArrayEquals(
                new float[] {0, 0, 0, -40, 50, 60},
                pruner().prune(layer, new Sparsity.Unstructured(0.5)).weight().toFloats());
    }

    @Test
    void ofEqualWeightsTheFirstGo() {
        Tensor weight = Tensor.of(new float[] {1, -1, 1, -1, 1, 1}, 2, 3);
        var layer = new LayerContext("layer", weight, weight, LayerStats.NONE, 0);
        assertArrayEquals(
                new float[] {0, 0, 0, 0, 1, 1},
                pruner().prune(layer, new Sparsity.Unstructured(0.7)).weight().toFloats());
    }
}
