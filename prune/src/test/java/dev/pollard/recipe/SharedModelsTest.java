package dev.pollard.recipe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.config.Checkpoint;
import dev.pollard.eval.ResultCache;
import dev.pollard.format.StoredTensor;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.TinyLlama;
import dev.pollard.prune.Allocation;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.Mask;
import dev.pollard.prune.RunEvent;
import dev.pollard.prune.Sparsity;
import dev.pollard.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Models of every family pruned from end to end.
@Tag("shared")
class SharedModelsTest {
    private static final Path SHARED = Path.of(System.getProperty("pollard.shared"));
    private static final Path STORIES = SHARED.resolve("models/stories260k/stories260k-f32.gguf");
    private static final Path SMOLLM2 =
            SHARED.resolve("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");

    @TempDir private Path folder;

    private static final class Silence implements RunListener {
        @Override
        public void step(String what) {}

        @Override
        public void pruning(RunEvent event) {}

        @Override
        public void evaluating(String what, long done, long total) {}

        @Override
        public void warn(String message) {}
    }

    private RunRecord run(
            Path model,
            String method,
            String sparsity,
            Path ids,
            int samples,
            int length,
            Optional<Pattern> include)
            throws IOException {
        var recipe =
                new Recipe(
                        model,
                        new Recipe.Pruning(
                                method,
                                Map.of(),
                                Sparsity.parse(sparsity),
                                new Allocation.Uniform(),
                                Inputs.PRUNED,
                                include,
                                Optional.empty(),
                                0,
                                true),
                        new Recipe.Calibration(
                                List.of(ids.toString()), samples, OptionalInt.of(length), false),
                        new Recipe.Evaluation(List.of(), OptionalInt.empty(), OptionalInt.empty()),
                        new Recipe.Resources(
                                Compute.FLOAT32,
                                2,
                                1L << 40,
                                false,
                                Optional.empty(),
                                Optional.empty(),
                                false),
                        new Recipe.Output(folder.resolve("out"), "keep", false));
        var cache = new ResultCache(folder.resolve("cache"), "1");
        try (var run = PruningRun.prepare(recipe, cache, new Silence())) {
            return run.execute("pollard run …", "1", (_, _) -> {});
        }
    }

    static Stream<Arguments> families() throws IOException {
        try (var folders = Files.list(SHARED.resolve("fixtures/models"))) {
            var models =
                    Stream.concat(
                                    Stream.of(STORIES),
                                    folders.filter(f -> Files.exists(f.resolve("config.json")))
                                            .sorted())
                            .toList();
            return models.stream()
                    .flatMap(
                            model ->
                                    Stream.of(
                                            Arguments.of(model, "wanda", "2:4"),
                                            Arguments.of(model, "wanda", "0.5"),
                                            Arguments.of(model, "sparsegpt", "2:4"),
                                            Arguments.of(model, "sparsegpt", "0.5")));
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void everyFamilyIsPrunedAndNothingElseIsTouched(Path model, String method, String sparsity)
            throws IOException {
        Path ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(4, 24, 128, 1));
        var record = run(model, method, sparsity, ids, 4, 24, Optional.empty());
        assertTrue(record.layers().stream().allMatch(l -> l.relativeError() < 1));
        try (var before = Model.open(model);
                var after = Model.open(folder.resolve("out"));
                var _ = Scope.open()) {
            Checkpoint source = before.checkpoint();
            Checkpoint written = after.checkpoint();
            assertEquals(before.config(), after.config());
            var pruned = new HashSet<String>();
            for (var entry : source.prunable()) {
                var weight = after.weight(written.named(entry.name()));
                var mask = Mask.ofNonZero(weight);
                assertTrue(mask.matches(Sparsity.parse(sparsity)), entry.name() + " " + mask);
                for (float w : weight.toFloats()) {
                    assertFalse(w == 0 && Float.floatToRawIntBits(w) != 0, "-0");
                }
                pruned.add(entry.stored().name());
            }
            if (source.isGguf()) {
                for (var entry : source.entries()) {
                    if (!entry.weight().prunable()) {
                        assertArrayEquals(
                                before.weight(entry).toFloats(),
                                after.weight(written.named(entry.name())).toFloats(),
                                entry.name());
                    }
                }
            } else {
                assertTensorsKept(source, written, pruned);
            }
            assertTrue(after.forward(new int[] {1, 2, 3}, Compute.FLOAT32).isFinite());
        }
    }

    private static void assertTensorsKept(
            Checkpoint source, Checkpoint written, HashSet<String> pruned) {
        var names = new HashSet<>(source.file().tensors().keySet());
        names.removeIf(source::isTiedCopy);
        assertEquals(names, written.file().tensors().keySet());
        for (String name : names) {
            StoredTensor is = written.file().tensors().get(name);
            StoredTensor was = source.file().tensors().get(name);
            assertEquals(was.storage(), is.storage(), name);
            assertEquals(was.shape(), is.shape(), name);
            assertEquals(source.shardOf(name), written.shardOf(name), name);
            assertEquals(!pruned.contains(name), was.data().mismatch(is.data()) < 0, name);
        }
    }

    /// The reference's mean over all 210 layers is 0.031.
    @Test
    void theFirstBlocksOfSmolLm2LoseAboutAsMuchAsTheReference() throws IOException {
        Path ids = SHARED.resolve("peers/calib_32x512.npy");
        var record =
                run(
                        SMOLLM2,
                        "sparsegpt",
                        "2:4",
                        ids,
                        8,
                        128,
                        Optional.of(Pattern.compile("layers\\.[01]\\.")));
        assertEquals(14, record.layers().size());
        // The dense weights hold zeros of their own.
        assertEquals(0.5, record.sparsity(), 1e-4);
        double mean =
                record.layers().stream()
                        .mapToDouble(RunRecord.LayerFacts::relativeError)
                        .average()
                        .orElseThrow();
        assertTrue(mean > 0.003 && mean < 0.1, "mean relative error " + mean);
    }
}
