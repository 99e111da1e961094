package dev.pollard.recipe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.config.Checkpoint;
import dev.pollard.eval.ResultCache;
import dev.pollard.format.DType;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.TinyLlama;
import dev.pollard.prune.Mask;
import dev.pollard.prune.RunEvent;
import dev.pollard.prune.Sparsity;
import dev.pollard.recover.LowRankAdapters;
import dev.pollard.recover.Pruned;
import dev.pollard.tensor.Scope;
import dev.pollard.train.GradientPass.Activations;
import dev.pollard.train.Schedule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Recoveries from the recipe to the output folder.
class RecoveryRunTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int STEPS = 12;

    @TempDir private Path folder;
    private Path model;
    private Path data;
    private Path out;
    private final List<Double> losses = new ArrayList<>();
    private int killedAfter = Integer.MAX_VALUE;

    // What a test asks for beyond the usual.
    private Optional<LowRankAdapters.Setting> adapters =
            Optional.of(new LowRankAdapters.Setting(4, 8, 0.1));
    private boolean keepZeros = true;
    private Optional<Pattern> include = Optional.empty();
    private int samples = 16;
    private double rate = 0.02;
    private int threads = 2;
    private OptionalInt together = OptionalInt.empty();
    private long memory = 1L << 40;
    private boolean recompute;
    private boolean resume;
    private List<String> evaluations = List.of();
    private String dtype = "keep";

    @BeforeEach
    void writeInputs() throws IOException {
        model = Pruned.write(folder.resolve("pruned"), 2, DType.F32);
        data = TinyLlama.npy(folder.resolve("data.npy"), Pruned.repetitive(16, 20));
        out = folder.resolve("out");
    }

    private static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private final RunListener listener =
            new RunListener() {
                @Override
                public void step(String what) {}

                @Override
                public void pruning(RunEvent event) {}

                @Override
                public void training(long step, long steps, double loss, double tokens) {
                    losses.add(loss);
                    if (step == killedAfter) {
                        throw new Killed();
                    }
                }

                @Override
                public void evaluating(String what, long done, long total) {}

                @Override
                public void warn(String message) {}
            };

    private RecoveryRun prepare() throws IOException {
        var recipe =
                new RecoveryRecipe(
                        model,
                        adapters,
                        keepZeros,
                        include,
                        Optional.empty(),
                        new RecoveryRecipe.Data(
                                List.of(data.toString()), samples, OptionalInt.of(20)),
                        new RecoveryRecipe.Course(
                                OptionalLong.of(STEPS),
                                1,
                                4,
                                together,
                                Schedule.Shape.LINEAR,
                                rate,
                                OptionalLong.empty(),
                                1),
                        5,
                        new Recipe.Evaluation(evaluations, OptionalInt.of(20), OptionalInt.empty()),
                        new Recipe.Resources(
                                Compute.FLOAT32,
                                threads,
                                memory,
                                recompute,
                                Optional.empty(),
                                Optional.empty(),
                                resume),
                        new Recipe.Output(out, dtype, false));
        return RecoveryRun.prepare(recipe, new ResultCache(folder.resolve("cache"), "1"), listener);
    }

    private RecoveryRecord run() throws IOException {
        try (var run = prepare()) {
            return run.execute("pollard finetune …", "1.2.3", (_, _) -> {});
        }
    }

    private byte[] weights() throws IOException {
        return Files.readAllBytes(out.resolve("model.safetensors"));
    }

    @ParameterizedTest
    @CsvSource({"lora, F32", "full, F32", "lora, BF16", "full, BF16"})
    void aPrunedModelLearnsAndKeepsItsZeros(String method, DType stored) throws IOException {
        model = Pruned.write(folder.resolve("pruned" + stored), 2, stored);
        adapters = adapters.filter(_ -> method.equals("lora"));
        evaluations = List.of("perplexity:" + data);
        var record = run();
        assertEquals(STEPS, losses.size());
        assertEquals(14, record.data().windows());
        assertEquals(2, record.data().heldOut());
        assertEquals(STEPS * 4 * 20, record.data().trainedTokens());
        assertTrue(record.loss().heldOutAfter() < 0.8 * record.loss().heldOutBefore());
        var measured = record.evaluations().getFirst();
        assertTrue(measured.after() < measured.before(), measured.toString());
        try (var kept = Files.list(folder.resolve("cache"))) {
            assertEquals(2, kept.count()); // nobody will measure either model on this again
        }
        assertEquals(14, record.sparsity().layers());
        assertEquals(0.5, record.sparsity().before());
        assertTrue(record.sparsity().after() >= 0.5);
        assertSameButForTheLayers(true);
        try (var written = Model.open(out)) {
            for (var entry : written.checkpoint().prunable()) {
                try (var _ = Scope.open()) {
                    var mask = Mask.ofNonZero(written.weight(entry));
                    assertTrue(mask.matches(Sparsity.parse("2:4")), entry.name());
                }
            }
        }
        JsonNode facts = JSON.readTree(out.resolve("pollard/finetune.json").toFile());
        assertEquals(method, facts.get("method").textValue());
        assertEquals(5, facts.at("/settings/seed").intValue());
        assertEquals(record.loss().heldOutAfter(), facts.at("/loss/held_out_after").doubleValue());
        assertEquals(STEPS, Files.readAllLines(out.resolve("pollard/training.jsonl")).size());
        assertTrue(Files.exists(out.resolve("tokenizer.json")));
        assertFalse(Files.exists(folder.resolve("out.work")));
        assertFalse(Files.exists(folder.resolve("out.partial")));
    }

    /// Everything but linear layers is byte for byte what it was, and those are not.
    private void assertSameButForTheLayers(boolean trained) throws IOException {
        try (var before = Checkpoint.open(model);
                var after = Checkpoint.open(out)) {
            assertEquals(before.entries().size(), after.entries().size());
            for (var entry : before.entries()) {
                var other = after.named(entry.name());
                assertEquals(entry.stored().storage(), other.stored().storage());
                boolean same = entry.stored().data().mismatch(other.stored().data()) < 0;
                assertEquals(!(trained && entry.weight().prunable()), same, entry.name());
            }
        }
    }

    /// The first step of another recovery sees what the first one wrote: that is what it trained,
    /// whichever way.
    @Test
    void whatIsWrittenIsWhatWasTrained() throws IOException {
        samples = 2; // one to train on, one held out
        adapters = Optional.of(new LowRankAdapters.Setting(4, 8, 0));
        run();
        double last = losses.getLast();
        losses.clear();
        model = out;
        out = folder.resolve("second");
        run();
        double first = losses.getFirst();
        assertTrue(first < last, "%s after %s".formatted(first, last));
        assertTrue(first > 0.9 * last, "%s after %s".formatted(first, last));
        losses.clear();
        adapters = Optional.empty();
        out = folder.resolve("third");
        run();
        assertEquals(first, losses.getFirst(), 1e-9);
    }

    @ParameterizedTest
    @CsvSource({"lora", "full"})
    void killedAndResumedItGivesTheSameBytes(String method) throws IOException {
        adapters = adapters.filter(_ -> method.equals("lora"));
        run();
        byte[] whole = weights();
        out = folder.resolve("other");
        killedAfter = STEPS; // the last step leaves a checkpoint
        assertThrows(Killed.class, this::run);
        assertFalse(Files.exists(out));
        killedAfter = Integer.MAX_VALUE;
        resume = true;
        threads = 1;
        var other = assertThrows(IllegalArgumentException.class, this::run);
        assertTrue(other.getMessage().contains("together was 2, is 4"), other.getMessage());
        together = OptionalInt.of(2);
        run();
        assertArrayEquals(whole, weights());
        assertFalse(Files.exists(folder.resolve("other.work")));
    }

    @Test
    void aCheckpointOfAnotherRecipeIsRefused() throws IOException {
        killedAfter = STEPS; // the last step leaves a checkpoint
        assertThrows(Killed.class, this::run);
        assertTrue(Files.exists(folder.resolve("out.work/recovery.safetensors")));
        var unfinished = assertThrows(IllegalArgumentException.class, this::run);
        assertTrue(unfinished.getMessage().contains("--resume continues it"));
        resume = true;
        rate = 0.5;
        var other = assertThrows(IllegalArgumentException.class, this::run);
        assertTrue(other.getMessage().contains("lr was 0.02, is 0.5"), other.getMessage());
    }

    @Test
    void onlyWhatIsIncludedIsTrained() throws IOException {
        include = Optional.of(Pattern.compile("layers\\.1\\.mlp\\.down"));
        var record = run();
        assertEquals(1, record.sparsity().layers());
        try (var before = Checkpoint.open(model);
                var after = Checkpoint.open(out)) {
            for (var entry : before.entries()) {
                var other = after.named(entry.name());
                boolean same = entry.stored().data().mismatch(other.stored().data()) < 0;
                assertEquals(!entry.name().contains("layers.1.mlp.down"), same, entry.name());
            }
        }
    }

    @Test
    void withoutAMaskTheZerosGo() throws IOException {
        keepZeros = false;
        assertTrue(run().sparsity().after() < 0.01);
    }

    @Test
    void aModelWithoutZerosIsTrainedWithANote() throws IOException {
        model = folder.resolve("dense");
        var record = run();
        assertEquals(0, record.sparsity().before());
        assertEquals(
                List.of("the layers have no zeros to keep: this is plain fine-tuning"),
                record.warnings());
    }

    @Test
    void whatCannotBeIsToldBeforeTheWork() throws IOException {
        adapters = Optional.of(new LowRankAdapters.Setting(12, 8, 0));
        assertRefused("rank 12 is more than model.layers.0.self_attn.k_proj [8, 16] can have");
        adapters = Optional.empty();
        include = Optional.of(Pattern.compile("no such"));
        assertRefused(
                "--include/--exclude leave no layer to train; the first of the model is"
                        + " model.layers.0.self_attn.q_proj");
        include = Optional.empty();
        samples = 1;
        assertRefused("--samples 1: at least 2, for an eighth is held out");
        samples = 16;
        rate = -1;
        assertRefused("learning rate: -1.0");
        rate = 0.02;
        data = folder.resolve("missing.npy");
        assertThrows(NoSuchFileException.class, this::prepare);
    }

    private void assertRefused(String message) {
        var e = assertThrows(IllegalArgumentException.class, this::prepare);
        assertEquals(message, e.getMessage());
    }

    @Test
    void memoryIsToldBeforeTheWork() throws IOException {
        lessMemory(Activations.KEPT, 2);
        lessMemory(Activations.KEPT, 1);
        lessMemory(Activations.RECOMPUTED, 1);
        recompute = true;
        memory = 1L << 40;
        lessMemory(Activations.RECOMPUTED, 2);
        lessMemory(Activations.RECOMPUTED, 1);
        var e = assertThrows(WillNotFitException.class, this::prepare);
        assertTrue(e.getMessage().startsWith("training needs about "), e.getMessage());
        assertFalse(e.getMessage().contains("--together"), e.getMessage());
        together = OptionalInt.of(2);
        e = assertThrows(WillNotFitException.class, this::prepare);
        assertTrue(e.getMessage().contains("a smaller --together"), e.getMessage());
        assertFalse(Files.exists(folder.resolve("out.work")));
    }

    @ParameterizedTest
    @CsvSource({
        "8, 256, 1, '4, 2, 1'",
        "8, 256, 2, '4, 2, 1'",
        "8, 256, 3, 1",
        "8, 256, 4, '2, 1'",
        "8, 256, 8, 1",
        "8, 256, 16, 1",
        "8, 512, 2, '2, 1'",
        "8, 1500, 2, 1",
        "6, 100, 2, '3, 1'",
        "7, 100, 1, '7, 1'",
        "7, 100, 2, 1",
        "1, 100, 2, 1",
        "16, 512, 6, 1"
    })
    void windowsGoTogetherIfNoWorkerIsKeptWaiting(
            int batch, int length, int threads, String choices) {
        var found =
                Arrays.stream(RecoveryPlan.together(batch, length, threads))
                        .mapToObj(Integer::toString)
                        .toList();
        assertEquals(choices, String.join(", ", found));
    }

    @Test
    void whatGoesTogetherDividesTheBatch() {
        together = OptionalInt.of(3);
        assertRefused("--together 3 does not divide --batch 4");
        together = OptionalInt.of(0);
        assertRefused("--together 0 does not divide --batch 4");
    }

    /// Allows a byte less than the plan needs, which is as said.
    private void lessMemory(Activations activations, int together) throws IOException {
        try (var run = prepare()) {
            assertEquals(activations, run.plan().activations());
            assertEquals(together, run.plan().together());
            memory = run.plan().memoryBytes() - 1;
        }
    }

    @Test
    void aLossThatIsNotFiniteLeavesNoOutput() {
        rate = 1e30;
        adapters = Optional.empty();
        var e = assertThrows(NonFiniteLossException.class, this::run);
        assertTrue(e.getMessage().startsWith("step "), e.getMessage());
        assertFalse(Files.exists(out));
    }
}
