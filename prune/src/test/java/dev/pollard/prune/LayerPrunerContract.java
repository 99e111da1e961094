package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What every method owes the driver. A method's test extends this and names the method.
public abstract class LayerPrunerContract {
    private Scope scope;

    /// The method as set by default.
    protected abstract LayerPruner pruner();

    /// How many weights of a matrix an unstructured ratio shall remove, given where the method
    /// counts.
    protected abstract long prunedBy(double ratio, int rows, int columns);

    /// How far a weight that nothing removes may move by rounding; 0 if it must stay as it is.
    protected float rounding() {
        return 0;
    }

    @BeforeEach
    void openScope() {
        scope = Scope.open();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    @ParameterizedTest
    @CsvSource({
        "48, 64, 0.5",
        "33, 300, 0.5",
        "7, 131, 0.7",
        "100, 257, 0.29",
        "5, 10, 0.7",
        "48, 64, 0.999",
        "48, 200, 0.01"
    })
    void removesExactlyTheRatio(int rows, int columns, double ratio) {
        LayerContext layer = RandomLayer.of(rows, columns, 1).context();
        LayerResult result = check(layer, new Sparsity.Unstructured(ratio));
        assertEquals(prunedBy(ratio, rows, columns), result.mask().pruned());
    }

    @ParameterizedTest
    @CsvSource({
        "16, 64, 2, 4",
        "16, 64, 4, 8",
        "16, 64, 1, 4",
        "16, 64, 3, 4",
        "40, 300, 2, 4",
        "9, 260, 1, 4",
        "9, 300, 2, 3",
        "3, 210, 5, 7",
        "8, 512, 10, 256"
    })
    void keepsExactlyNOfEveryM(int rows, int columns, int keep, int of) {
        LayerContext layer = RandomLayer.of(rows, columns, 2).context();
        LayerResult result = check(layer, new Sparsity.SemiStructured(keep, of));
        assertEquals((long) rows * columns / of * keep, result.mask().kept());
    }

    @Test
    void sparsityZeroRemovesNothing() {
        RandomLayer random = RandomLayer.of(20, 150, 3);
        LayerResult result = check(random.context(), new Sparsity.Unstructured(0));
        assertEquals(Mask.full(20, 150), result.mask());
        assertClose(random.weight(), result.weight().toFloats());
    }

    private void assertClose(float[] expected, float[] actual) {
        if (rounding() == 0) {
            assertArrayEquals(expected, actual);
        } else {
            assertArrayEquals(expected, actual, rounding());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.5", "0.9", "2:4"})
    void oneRowIsAMatrix(String pattern) {
        check(RandomLayer.of(1, 132, 4).context(), Sparsity.parse(pattern));
    }

    @Test
    void oneColumnIsAMatrix() {
        LayerResult result =
                check(RandomLayer.of(40, 1, 5).context(), new Sparsity.Unstructured(0.5));
        assertEquals(prunedBy(0.5, 40, 1), result.mask().pruned());
    }

    @Test
    void raggedGroupsAreRefused() {
        LayerContext layer = RandomLayer.of(4, 300, 6).context();
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> pruner().prune(layer, new Sparsity.SemiStructured(4, 8)));
        assertTrue(e.getMessage().contains("4:8") && e.getMessage().contains("300"));
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void weightsThatAreNotFiniteAreRefused(float value) {
        float[] weight = RandomLayer.of(10, 20, 7).weight();
        weight[123] = value;
        LayerContext layer = RandomLayer.of(10, 20, 7).withWeight(weight).context();
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> pruner().prune(layer, new Sparsity.Unstructured(0.5)));
        assertTrue(e.getMessage().contains("layer"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.5", "0.7", "2:4", "1:4"})
    void bytesDoNotDependOnTheNumberOfThreads(String pattern) {
        Sparsity sparsity = Sparsity.parse(pattern);
        RandomLayer random = RandomLayer.of(250, 300, 8);
        float[] one = pruneOn(1, random, sparsity);
        assertArrayEquals(one, pruneOn(2, random, sparsity));
        assertArrayEquals(one, pruneOn(2, random, sparsity));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.5", "2:4"})
    void deadInputsDoNotHurt(String pattern) {
        check(RandomLayer.of(30, 140, 9, 0, 1, 2, 77, 139).context(), Sparsity.parse(pattern));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.5", "2:4"})
    void inputsThatAreAllZeroDoNotHurt(String pattern) {
        RandomLayer random = RandomLayer.of(30, 140, 10);
        Arrays.fill(random.inputs(), 0);
        check(random.context(), Sparsity.parse(pattern));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.5", "2:4", "4:8"})
    void weightsThatAreAllEqualLoseExactlyTheirShare(String pattern) {
        RandomLayer random = RandomLayer.of(12, 160, 11);
        Arrays.fill(random.weight(), 0.25f);
        Sparsity sparsity = Sparsity.parse(pattern);
        LayerResult result = check(random.context(), sparsity);
        assertEquals(12 * 160 / 2, result.mask().pruned());
    }

    @Test
    void theWeightMayBeAView() {
        RandomLayer random = RandomLayer.of(24, 64, 12);
        LayerContext plain = random.context();
        Tensor view = plain.weight().transpose(0, 1).contiguous().transpose(0, 1);
        var viewed = new LayerContext(plain.name(), view, view, plain.stats(), plain.seed());
        var sparsity = new Sparsity.Unstructured(0.5);
        assertClose(
                pruner().prune(plain, sparsity).weight().toFloats(),
                pruner().prune(viewed, sparsity).weight().toFloats());
    }

    /// Prunes, and checks what holds for every result.
    protected final LayerResult check(LayerContext layer, Sparsity sparsity) {
        float[] before = layer.weight().toFloats();
        LayerResult result = pruner().prune(layer, sparsity);
        assertArrayEquals(before, layer.weight().toFloats(), "the weight of the layer changed");
        assertArrayEquals(layer.weight().shape(), result.weight().shape());
        assertEquals(layer.weight().size(0), result.mask().rows());
        assertEquals(layer.weight().size(1), result.mask().columns());
        assertTrue(result.weight().isFinite());
        assertTrue(result.mask().covers(result.weight()));
        assertTrue(result.mask().matches(sparsity), result.mask() + " is not " + sparsity);
        float[] after = result.weight().toFloats();
        for (int i = 0; i < after.length; i++) {
            int columns = result.mask().columns();
            if (!result.mask().isKept(i / columns, i % columns)) {
                assertEquals(0, Float.floatToRawIntBits(after[i]), "a removed weight is not +0");
            }
        }
        return result;
    }

    private float[] pruneOn(int threads, RandomLayer random, Sparsity sparsity) {
        try (var workers = new Workers(threads)) {
            Callable<float[]> task =
                    () -> {
                        try (var _ = Scope.open()) {
                            return pruner().prune(random.context(), sparsity).weight().toFloats();
                        }
                    };
            return workers.all(List.of(task)).getFirst();
        }
    }
}
