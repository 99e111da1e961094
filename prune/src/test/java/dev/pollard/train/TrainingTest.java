package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.tensor.Workers;
import dev.pollard.train.Schedule.Shape;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// Models of some ten thousand weights, trained on the project's own texts.
class TrainingTest {
    private static final Path TEXTS = Path.of("../saplings/texts");
    private static final int WORKERS = 2;
    private static final int ALWAYS = 0; // seconds between checkpoints
    private static final int NEVER = 3600;

    @TempDir private Path folder;

    private static TextSource source(String file, double weight, int heldOut) {
        return new TextSource(
                TEXTS.resolve(file), "{text}", Pattern.compile("\\z"), weight, heldOut, List.of());
    }

    private static TrainingRecipe recipe(Schedule schedule, long seed, int checkpointSeconds)
            throws IOException {
        var model =
                new ObjectMapper()
                        .readValue(
                                """
                                {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
                                 "hidden_size": 32, "num_hidden_layers": 2,
                                 "num_attention_heads": 4, "num_key_value_heads": 2,
                                 "intermediate_size": 64, "rms_norm_eps": 1e-5,
                                 "max_position_embeddings": 32, "tie_word_embeddings": true}""",
                                ObjectNode.class);
        return new TrainingRecipe(
                model,
                300,
                Optional.empty(),
                List.of(
                        source("everyday-calibration.jsonl", 2, 5),
                        source("legal-domain.jsonl", 1, 0)),
                32,
                4,
                2,
                schedule,
                new AdamW.Setting(0.9, 0.95, 1e-8, 0.1),
                1,
                seed,
                7,
                2,
                checkpointSeconds);
    }

    private static Schedule plateau(long steps) {
        return new Schedule(Shape.WSD, 5e-3, 2, steps, 6, 0.1);
    }

    private static TrainingRecipe recipe(long steps) throws IOException {
        return recipe(plateau(steps), 3, NEVER);
    }

    /// The same, with a checkpoint after every step.
    private static TrainingRecipe careful(long steps) throws IOException {
        return recipe(plateau(steps), 3, ALWAYS);
    }

    /// Ends the process as far as the run can tell.
    private static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /// Throws after a step.
    private record Fatal(long step) implements Training.Listener {
        @Override
        public void begin(String what) {}

        @Override
        public void steps(long done, long steps) {}

        @Override
        public void step(long done, double loss, double tokensPerSecond) {
            if (done == step) {
                throw new Killed();
            }
        }

        @Override
        public void heldOut(long step, double loss) {}
    }

    private static final Training.Listener DEAF = new Fatal(-1);

    private boolean train(
            String name,
            TrainingRecipe recipe,
            boolean resume,
            int workers,
            Training.Listener listener)
            throws IOException {
        try (var pool = new Workers(workers)) {
            return new Training(recipe, folder.resolve(name), Compute.FLOAT32, pool, listener)
                    .run(resume, (_, _) -> {});
        }
    }

    private byte[] weights(String name) throws IOException {
        return Files.readAllBytes(folder.resolve(name).resolve("model.safetensors"));
    }

    private byte[] unbroken(TrainingRecipe recipe) throws IOException {
        assertTrue(train("whole", recipe, false, WORKERS, DEAF));
        return weights("whole");
    }

    private void kill(String name, TrainingRecipe recipe, boolean resume, long step) {
        assertThrows(Killed.class, () -> train(name, recipe, resume, WORKERS, new Fatal(step)));
        assertFalse(Files.exists(folder.resolve(name)));
    }

    private List<JsonNode> log(String name) throws IOException {
        var lines = new ArrayList<JsonNode>();
        for (String line : Files.readAllLines(folder.resolve(name).resolve("training.jsonl"))) {
            lines.add(new ObjectMapper().readTree(line));
        }
        return lines;
    }

    @Test
    void itLearnsAndLeavesAFolderThatOpens() throws IOException {
        assertTrue(train("out", recipe(60), false, WORKERS, DEAF));
        var losses = log("out").stream().filter(line -> line.has("loss")).toList();
        assertEquals(
                List.of(10L, 20L, 30L, 40L, 50L, 60L),
                losses.stream().map(line -> line.get("step").asLong()).toList());
        double first = losses.getFirst().get("loss").asDouble();
        double last = losses.getLast().get("loss").asDouble();
        assertTrue(first < Math.log(300) + 0.2, "begins at " + first);
        assertTrue(last < first - 0.5, "from %s to %s".formatted(first, last));
        var heldOut = log("out").stream().filter(line -> line.has("held_out_loss")).toList();
        assertEquals(
                List.of(7L, 14L, 21L, 28L, 35L, 42L, 49L, 56L, 60L),
                heldOut.stream().map(line -> line.get("step").asLong()).toList());
        assertTrue(
                heldOut.getLast().get("held_out_loss").asDouble()
                        < heldOut.getFirst().get("held_out_loss").asDouble() - 0.5);
        assertEquals(
                List.of("everyday-calibration.jsonl"),
                heldOut.getLast().get("held_out_by_source").properties().stream()
                        .map(java.util.Map.Entry::getKey)
                        .toList());

        Path out = folder.resolve("out");
        try (var model = Model.open(out);
                var tokenizer = model.tokenizer().orElseThrow();
                var file = SafetensorsFile.open(out.resolve("model.safetensors"))) {
            assertEquals(2, model.checkpoint().config().blocks());
            assertEquals(300, model.checkpoint().config().vocabularySize());
            String text = "The tenant shall pay the rent.";
            assertEquals(text, tokenizer.decode(tokenizer.encode(text, false), true));
            assertTrue(file.tensors().values().stream().allMatch(t -> t.dtype() == DType.BF16));
        }
        assertFalse(Files.exists(folder.resolve("out.training")));
    }

    @Test
    void theSameSeedGivesTheSameBytesAndAnotherDoesNot() throws IOException {
        byte[] expected = unbroken(recipe(12));
        train("again", recipe(12), false, WORKERS, DEAF);
        assertArrayEquals(expected, weights("again"));
        train("other", recipe(plateau(12), 4, NEVER), false, WORKERS, DEAF);
        assertFalse(java.util.Arrays.equals(expected, weights("other")));
    }

    @Test
    void killedAndResumedItEndsWithTheSameBytes() throws IOException {
        byte[] expected = unbroken(recipe(30));
        kill("out", careful(30), false, 1);
        kill("out", careful(30), true, 13);
        kill("out", careful(30), true, 27); // in the descent
        kill("out", careful(30), true, 30); // after the last step
        assertTrue(train("out", recipe(30), true, WORKERS, DEAF));
        assertArrayEquals(expected, weights("out"));
        assertEquals(heldOut("whole"), heldOut("out"));
    }

    private List<String> heldOut(String name) throws IOException {
        return log(name).stream()
                .filter(line -> line.has("held_out_loss"))
                .map(JsonNode::toString)
                .toList();
    }

    @Test
    void stepsAfterTheLastCheckpointAreDoneAgain() throws IOException {
        var recipe = recipe(30);
        byte[] expected = unbroken(recipe);
        kill("out", recipe, false, 17);
        // What a kill within the writing of the log leaves.
        Files.writeString(
                folder.resolve("out.training/training.jsonl"),
                "{\"step\": 1",
                java.nio.file.StandardOpenOption.APPEND);
        assertTrue(train("out", recipe, true, WORKERS, DEAF));
        assertArrayEquals(expected, weights("out"));
        assertEquals(heldOut("whole"), heldOut("out"));
    }

    @Timeout(120)
    @Test
    void stoppedItLeavesACheckpointOfThatStep() throws Exception {
        var recipe = recipe(30);
        byte[] expected = unbroken(recipe);
        var stopped = new CompletableFuture<Boolean>();
        try (var pool = new Workers(WORKERS)) {
            var training = new Training[1];
            var listener =
                    new Listening() {
                        @Override
                        public void step(long done, double loss, double tokensPerSecond) {
                            if (done == 13) {
                                var asked = new Thread(() -> stop(training[0], stopped));
                                asked.start();
                                while (asked.getState() == Thread.State.NEW
                                        || asked.getState() == Thread.State.RUNNABLE) {
                                    Thread.onSpinWait(); // until it waits for the run
                                }
                            }
                        }
                    };
            training[0] =
                    new Training(recipe, folder.resolve("out"), Compute.FLOAT32, pool, listener);
            assertFalse(training[0].run(false, (_, _) -> {}));
        }
        assertTrue(stopped.get(), "there is a checkpoint");
        var begun = new ArrayList<Long>();
        var listener =
                new Listening() {
                    @Override
                    public void steps(long done, long steps) {
                        begun.add(done);
                    }
                };
        assertTrue(train("out", recipe, true, WORKERS, listener));
        assertEquals(List.of(13L), begun);
        assertArrayEquals(expected, weights("out"));
    }

    private static void stop(Training training, CompletableFuture<Boolean> stopped) {
        try {
            stopped.complete(training.stop(Duration.ofSeconds(60)));
        } catch (InterruptedException e) {
            stopped.completeExceptionally(e);
        }
    }

    private static class Listening implements Training.Listener {
        @Override
        public void begin(String what) {}

        @Override
        public void steps(long done, long steps) {}

        @Override
        public void step(long done, double loss, double tokensPerSecond) {}

        @Override
        public void heldOut(long step, double loss) {}
    }

    @Test
    void anEndThatIsMovedOnThePlateauLosesNothing() throws IOException {
        byte[] expected = unbroken(recipe(24));
        kill("out", careful(40), false, 12);
        assertTrue(train("out", recipe(24), true, WORKERS, DEAF));
        assertArrayEquals(expected, weights("out"));
    }

    @Test
    void afterThePlateauTheEndStands() throws IOException {
        kill("out", careful(30), false, 27);
        assertRefused("the run cannot end at step 40: it was to end at 30", recipe(40), WORKERS);
        assertTrue(train("out", recipe(30), true, WORKERS, DEAF));
    }

    @Test
    void whatIsResumedMustBeTheSameRun() throws IOException {
        var cosine = new Schedule(Shape.COSINE, 5e-3, 4, 30, 0, 0.1);
        kill("out", recipe(cosine, 3, ALWAYS), false, 5);
        assertRefused("made by another recipe", recipe(cosine, 4, ALWAYS), WORKERS);
        assertRefused("made by another recipe", recipe(30), WORKERS);
        assertRefused(
                "cannot end at step 40: it was to end at 30",
                recipe(cosine.endingAt(40), 3, ALWAYS),
                WORKERS);
        assertRefused("has 2 workers: --threads 2", recipe(cosine, 3, ALWAYS), 1);
        assertRefused("has 2 workers: --threads 2", recipe(cosine, 3, ALWAYS), 3);
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> train("out", recipe(30), false, WORKERS, DEAF));
        assertTrue(e.getMessage().contains("--resume continues it"), e.getMessage());
    }

    private void assertRefused(String message, TrainingRecipe recipe, int workers) {
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> train("out", recipe, true, workers, DEAF));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @Test
    void aCheckpointThatWasCutIsRefused() throws IOException {
        kill("out", careful(30), false, 5);
        Path checkpoint = folder.resolve("out.training/checkpoint.safetensors");
        byte[] whole = Files.readAllBytes(checkpoint);
        Files.write(checkpoint, java.util.Arrays.copyOf(whole, whole.length - 10));
        var e =
                assertThrows(
                        MalformedFileException.class,
                        () -> train("out", recipe(30), true, WORKERS, DEAF));
        assertTrue(e.getMessage().contains("checkpoint.safetensors"), e.getMessage());
    }

    @Test
    void thereIsOneRunAtATime() throws IOException {
        var second = new ArrayList<String>();
        var listener =
                new Listening() {
                    @Override
                    public void begin(String what) {
                        try {
                            train("out", recipe(12), false, 1, DEAF);
                        } catch (IOException | IllegalArgumentException e) {
                            second.add(e.getMessage());
                        }
                    }
                };
        var schedule = new Schedule(Shape.COSINE, 5e-3, 1, 5, 0, 0.1);
        assertTrue(train("out", recipe(schedule, 1, NEVER), false, WORKERS, listener));
        assertFalse(second.isEmpty());
        second.forEach(said -> assertTrue(said.contains("another run is using"), said));
    }

    @Test
    void nothingIsOverwrittenAndNothingInvented() throws IOException {
        Files.createDirectory(folder.resolve("there"));
        assertThrows(
                FileAlreadyExistsException.class,
                () -> train("there", recipe(12), false, WORKERS, DEAF));
        assertThrows(
                NoSuchFileException.class, () -> train("out", recipe(12), true, WORKERS, DEAF));
        assertFalse(Files.exists(folder.resolve("out.training")));
    }

    @Test
    void whatCannotBeginLeavesNothing() throws IOException {
        var recipe = recipe(12);
        var longer =
                new TrainingRecipe(
                        recipe.model(),
                        300,
                        Optional.empty(),
                        recipe.data(),
                        64,
                        4,
                        2,
                        recipe.schedule(),
                        recipe.optimizer(),
                        1,
                        0,
                        0,
                        0,
                        ALWAYS);
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> train("out", longer, false, WORKERS, DEAF));
        assertEquals("a context of 64 tokens in a model made for 32", e.getMessage());
        assertFalse(Files.exists(folder.resolve("out.training")));
    }

    @EnabledOnOs({OS.LINUX, OS.MAC})
    @Test
    void othersMayReadTheFolder() throws IOException {
        train("out", recipe(12), false, WORKERS, DEAF);
        Path usual = Files.createDirectory(folder.resolve("usual"));
        assertEquals(
                Files.getPosixFilePermissions(usual),
                Files.getPosixFilePermissions(folder.resolve("out")));
    }
}
