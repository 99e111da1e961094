package dev.pollard.recover;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Parameters;
import dev.pollard.recover.LowRankAdapters.Setting;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Workers;
import dev.pollard.train.AdamW;
import dev.pollard.train.GradientPass;
import dev.pollard.train.GradientPass.Activations;
import dev.pollard.train.Schedule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecoveryTrainingTest {
    private static final Predicate<Entry> LINEAR = entry -> entry.weight().prunable();
    private static final int STEPS = 12;

    @TempDir private Path folder;
    private Path pruned;

    @BeforeEach
    void write() throws IOException {
        pruned = Pruned.write(folder.resolve("pruned"), 2, DType.F32);
    }

    /// A process that is killed, in the shape of a listener that throws.
    private static final class Killed extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /// One recovery, from what lies in its folder.
    ///
    /// @param end step after which it is killed
    private Map<String, float[]> train(
            String method, Path work, int workerCount, double rate, int end, List<Double> losses)
            throws IOException {
        return train(method, work, workerCount, 1, rate, end, losses);
    }

    private Map<String, float[]> train(
            String method,
            Path work,
            int workerCount,
            int together,
            double rate,
            int end,
            List<Double> losses)
            throws IOException {
        Files.createDirectories(work);
        try (var model = Model.open(pruned);
                var parameters = Parameters.of(model, LINEAR);
                var workers = new Workers(workerCount);
                var trainable =
                        method.equals("lora")
                                ? new LowRankAdapters(parameters, new Setting(4, 8, 0.1), true, 1)
                                : new FullMatrices(parameters, true)) {
            new RecoveryTraining(
                            new RecoveryTraining.Setting(
                                    new Schedule(Schedule.Shape.LINEAR, rate, 2, STEPS, 0, 0),
                                    new AdamW.Setting(0.9, 0.999, 1e-8, 0),
                                    3,
                                    together,
                                    1,
                                    4,
                                    0),
                            new GradientPass(
                                    parameters, Activations.KEPT, Compute.FLOAT32, workers),
                            trainable,
                            List.of(Pruned.repetitive(7, 20)),
                            work,
                            workers,
                            (step, _, loss, _) -> {
                                losses.add(loss);
                                if (step == end) {
                                    throw new Killed();
                                }
                            })
                    .run();
            var matrices = new TreeMap<String, float[]>();
            try (var _ = Scope.open()) {
                for (var entry : parameters.trained()) {
                    matrices.put(entry.name(), parameters.values(entry).toFloats());
                }
            }
            return matrices;
        }
    }

    private static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, values) -> assertArrayEquals(values, actual.get(name), name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"lora", "full"})
    void theLossFallsAndZerosStay(String method) throws IOException {
        var losses = new ArrayList<Double>();
        var after = train(method, folder.resolve("work"), 2, 0.03, STEPS + 1, losses);
        assertEquals(STEPS, losses.size());
        assertTrue(losses.getLast() < 0.7 * losses.getFirst(), losses.toString());
        try (var model = Model.open(pruned)) {
            for (var entry : model.checkpoint().prunable()) {
                try (var _ = Scope.open()) {
                    float[] before = model.weight(entry).toFloats();
                    float[] values = after.get(entry.name());
                    long zeros = 0;
                    for (int i = 0; i < values.length; i++) {
                        if (before[i] == 0) {
                            zeros++;
                            assertEquals(0, Float.floatToRawIntBits(values[i]), entry.name());
                        }
                    }
                    assertEquals(values.length / 2, zeros);
                }
            }
        }
        var log = Files.readAllLines(folder.resolve("work").resolve(RecoveryTraining.LOG));
        assertEquals(STEPS, log.size());
        assertTrue(
                log.getFirst().startsWith("{\"step\":1,\"tokens\":60,\"loss\":"), log.getFirst());
    }

    @ParameterizedTest
    @ValueSource(strings = {"lora", "full"})
    void killedAfterAnyStepItEndsTheSame(String method) throws IOException {
        var losses = new ArrayList<Double>();
        var whole = train(method, folder.resolve("whole"), 2, 0.01, STEPS + 1, losses);
        for (int end : new int[] {1, 5, STEPS - 1, STEPS}) {
            Path work = folder.resolve("work" + end);
            var seen = new ArrayList<Double>();
            assertThrows(Killed.class, () -> train(method, work, 2, 0.01, end, seen));
            assertSame(whole, train(method, work, 2, 0.01, STEPS + 1, seen));
            assertEquals(losses, seen);
            assertEquals(STEPS, Files.readAllLines(work.resolve(RecoveryTraining.LOG)).size());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"lora", "full"})
    void theNumberOfWorkersDoesNotMatter(String method) throws IOException {
        var one = train(method, folder.resolve("one"), 1, 0.01, STEPS + 1, new ArrayList<>());
        var three = train(method, folder.resolve("three"), 3, 0.01, STEPS + 1, new ArrayList<>());
        assertSame(one, three);
    }

    @ParameterizedTest
    @ValueSource(strings = {"lora", "full"})
    void windowsComputedTogetherTrainTheSame(String method) throws IOException {
        var losses = new ArrayList<Double>();
        var apart = train(method, folder.resolve("apart"), 1, 1, 0.01, STEPS + 1, losses);
        var others = new ArrayList<Double>();
        var together = train(method, folder.resolve("together"), 1, 3, 0.01, STEPS + 1, others);
        for (int step = 0; step < STEPS; step++) {
            assertEquals(losses.get(step), others.get(step), 1e-3);
        }
        apart.forEach((name, w) -> assertArrayEquals(w, together.get(name), 0.01f, name));
        var norms = norms(folder.resolve("apart"));
        var otherNorms = norms(folder.resolve("together"));
        for (int step = 0; step < STEPS; step++) {
            assertEquals(norms.get(step), otherNorms.get(step), 0.01 + norms.get(step) / 20);
        }
    }

    /// Of the gradients of every step: before they are clipped, which would hide their scale.
    private static List<Double> norms(Path work) throws IOException {
        var norm = Pattern.compile("\"gradient_norm\":([^,]+)");
        return Files.readAllLines(work.resolve(RecoveryTraining.LOG)).stream()
                .map(norm::matcher)
                .filter(Matcher::find)
                .map(found -> Double.valueOf(found.group(1)))
                .toList();
    }

    @Test
    void aLossThatIsNotFiniteNamesStepAndSample() {
        var e =
                assertThrows(
                        NonFiniteLossException.class,
                        () ->
                                train(
                                        "full",
                                        folder.resolve("work"),
                                        2,
                                        1e30,
                                        STEPS + 1,
                                        new ArrayList<>()));
        assertTrue(
                e.getMessage().matches("step \\d+: the loss of sample 0 \\(.*\\) is .*"),
                e.getMessage());
    }

    @Test
    void aCheckpointOfAnotherRecoveryIsRefused() throws IOException {
        Path work = folder.resolve("work");
        train("full", work, 1, 0.01, STEPS + 1, new ArrayList<>());
        assertThrows(
                MalformedFileException.class,
                () -> train("lora", work, 1, 0.01, STEPS + 1, new ArrayList<>()));
    }
}
