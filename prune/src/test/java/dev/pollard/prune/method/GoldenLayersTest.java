package dev.pollard.prune.method;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Mask;
import dev.pollard.prune.RandomLayer;
import dev.pollard.prune.Sparsity;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Three layers against what the authors' own code makes of them.
@Tag("shared")
class GoldenLayersTest {
    private static final String SYNTH = "synth-96x128";
    private static final String SYNTH_RAGGED = "synth-64x300";
    private static final String SMOLLM2 = "smollm2-block0-q-192x576";

    private Scope scope;

    @BeforeEach
    void openScope() {
        scope = Scope.open();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    /// A layer, and the tensors the authors' code made of it.
    private record Golden(RandomLayer layer, Map<String, float[]> expected, float tolerance) {
        static Golden read(String name) throws IOException {
            Path folder = Path.of(System.getProperty("pollard.shared")).resolve("fixtures/layers");
            RandomLayer layer;
            try (var file = SafetensorsFile.open(folder.resolve(name + ".input.safetensors"))) {
                var w = file.tensors().get("W");
                var x = file.tensors().get("X");
                layer =
                        new RandomLayer(
                                Math.toIntExact(w.shape().size(0)),
                                Math.toIntExact(w.shape().size(1)),
                                Math.toIntExact(x.shape().size(0)),
                                w.toFloats(),
                                x.toFloats());
            }
            var expected = new HashMap<String, float[]>();
            try (var file = SafetensorsFile.open(folder.resolve(name + ".expected.safetensors"))) {
                file.tensors().forEach((key, tensor) -> expected.put(key, tensor.toFloats()));
            }
            return new Golden(layer, expected, name.startsWith("smollm2") ? 2e-4f : 1e-5f);
        }

        float[] expected(String key) {
            return expected.get(key);
        }
    }

    @ParameterizedTest
    @CsvSource({
        SYNTH + ", 2of4, 2:4",
        SYNTH + ", 4of8, 4:8",
        SMOLLM2 + ", 2of4, 2:4",
        SMOLLM2 + ", 4of8, 4:8",
        SYNTH_RAGGED + ", 2of4, 2:4"
    })
    void sparseGptKeepsTheSameOfEveryGroupAndUpdatesAlike(
            String name, String setting, String pattern) throws IOException {
        Golden golden = Golden.read(name);
        LayerResult result = new SparseGpt().prune(golden.layer.context(), Sparsity.parse(pattern));
        float[] expected = golden.expected("sparsegpt_" + setting + ".weight");
        float[] actual = result.weight().toFloats();
        assertEquals(nonZero(golden, expected), Mask.ofNonZero(result.weight()));
        assertArrayEquals(expected, actual, golden.tolerance);
    }

    /// The authors' code removes one weight too many of every block (`<=`), which changes the
    /// columns after it. So two steps: plain loops that do the same are the authors' result, and
    /// plain loops that do not are ours.
    @ParameterizedTest
    @CsvSource({
        SYNTH + ", 50, 0.5",
        SYNTH + ", 70, 0.7",
        SMOLLM2 + ", 50, 0.5",
        SMOLLM2 + ", 70, 0.7",
        SYNTH_RAGGED + ", 50, 0.5",
        SYNTH_RAGGED + ", 70, 0.7"
    })
    void sparseGptDiffersByTheOneWeightTooManyPerBlockAlone(
            String name, String setting, double ratio) throws IOException {
        Golden golden = Golden.read(name);
        RandomLayer layer = golden.layer;
        float[] authors = golden.expected("sparsegpt_" + setting + ".weight");
        var sparsity = new Sparsity.Unstructured(ratio);

        boolean[][] kept = new boolean[layer.rows()][layer.columns()];
        double[][] plain =
                new NaiveSurgeon(0.01, 128, 1)
                        .prune(
                                SparseGptTest.matrix(layer.weight(), layer.columns()),
                                SparseGptTest.matrix(layer.inputs(), layer.columns()),
                                sparsity,
                                kept);
        for (int i = 0; i < authors.length; i++) {
            int r = i / layer.columns();
            int c = i % layer.columns();
            assertEquals(authors[i] != 0, kept[r][c], r + ", " + c);
            assertEquals(authors[i], plain[r][c], golden.tolerance, r + ", " + c);
        }
        SparseGptTest.assertEqualsNaive(layer, new SparseGpt(), sparsity, golden.tolerance);

        LayerResult result = new SparseGpt().prune(layer.context(), sparsity);
        Mask theirs = nonZero(golden, authors);
        int blocks = Math.ceilDiv(layer.columns(), 128);
        assertEquals(theirs.kept() + blocks, result.mask().kept());
        int firstBlock = 0;
        for (int r = 0; r < layer.rows(); r++) {
            for (int c = 0; c < Math.min(128, layer.columns()); c++) {
                assertTrue(result.mask().isKept(r, c) || !theirs.isKept(r, c));
                firstBlock += result.mask().isKept(r, c) && !theirs.isKept(r, c) ? 1 : 0;
            }
        }
        assertEquals(1, firstBlock);
        double error = SparseGptTest.error(layer, result.weight());
        double theirError =
                SparseGptTest.error(layer, Tensor.of(authors, layer.rows(), layer.columns()));
        assertEquals(theirError, error, 1e-3 * theirError);
    }

    @ParameterizedTest
    @CsvSource({
        SYNTH + ", 50, 0.5",
        SYNTH + ", 2of4, 2:4",
        SYNTH + ", 4of8, 4:8",
        SMOLLM2 + ", 50, 0.5",
        SMOLLM2 + ", 2of4, 2:4",
        SMOLLM2 + ", 4of8, 4:8",
        SYNTH_RAGGED + ", 50, 0.5",
        SYNTH_RAGGED + ", 2of4, 2:4"
    })
    void wandaKeepsTheSameWeights(String name, String setting, String pattern) throws IOException {
        Golden golden = Golden.read(name);
        float[] weight = golden.layer.weight();
        float[] keep = golden.expected("wanda_" + setting + ".keep");
        float[] expected = new float[weight.length];
        for (int i = 0; i < weight.length; i++) {
            expected[i] = keep[i] == 0 ? 0f : weight[i];
        }
        // From the sum of squares of the authors' code, and from our own Gram.
        LayerContext own = golden.layer.context();
        var theirs =
                new LayerContext(
                        own.name(),
                        own.weight(),
                        own.target(),
                        LayerStats.of(golden.expected("scaler_row"), golden.layer.tokens()),
                        0);
        for (LayerContext layer : new LayerContext[] {own, theirs}) {
            LayerResult result = new Wanda().prune(layer, Sparsity.parse(pattern));
            // Not the masks: among zero weights the published code keeps any.
            assertArrayEquals(expected, result.weight().toFloats());
        }
    }

    /// The authors' code removes all weights equal to the first that should stay.
    @ParameterizedTest
    @ValueSource(strings = {SYNTH, SMOLLM2, SYNTH_RAGGED})
    void magnitudeDiffersByTiesWithTheThresholdAlone(String name) throws IOException {
        Golden golden = Golden.read(name);
        float[] weight = golden.layer.weight();
        float[] keep = golden.expected("magnitude_50.keep");
        Mask mask =
                new Magnitude()
                        .prune(golden.layer.context(), new Sparsity.Unstructured(0.5))
                        .mask();
        float threshold = 0;
        for (int i = 0; i < weight.length; i++) {
            threshold = keep[i] == 0 ? Math.max(threshold, Math.abs(weight[i])) : threshold;
        }
        int more = 0;
        for (int i = 0; i < weight.length; i++) {
            boolean kept = mask.isKept(i / mask.columns(), i % mask.columns());
            if (kept != (keep[i] != 0)) {
                assertTrue(kept);
                assertEquals(threshold, Math.abs(weight[i]));
                more++;
            }
        }
        assertTrue(more >= 1, "at least the one that <= removes");
    }

    private static Mask nonZero(Golden golden, float[] weight) {
        return Mask.ofNonZero(Tensor.of(weight, golden.layer.rows(), golden.layer.columns()));
    }
}
