package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.model.Model;
import dev.pollard.model.Parameters;
import dev.pollard.model.TinyLlama;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.Training.Progress;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrainingStateTest {
    private static final Progress PROGRESS = new Progress(12, 30, 48, 3.5, "abc", 2);

    @TempDir private Path folder;
    private Model model;
    private Parameters parameters;
    private AdamW optimizer;
    private Path file;

    @BeforeEach
    void openModel() throws IOException {
        model = Model.open(new TinyLlama(2).write(folder.resolve("model")));
        parameters = Parameters.of(model, _ -> true);
        optimizer = optimizer();
        file = folder.resolve("checkpoint.safetensors");
    }

    private AdamW optimizer() {
        return new AdamW(
                new AdamW.Setting(0.9, 0.95, 1e-8, 0.1),
                parameters.trained().stream().map(parameters::leaf).toList());
    }

    @AfterEach
    void close() {
        optimizer.close();
        parameters.close();
        model.close();
    }

    private SequencedMap<String, Tensor> weights() {
        var weights = new LinkedHashMap<String, Tensor>();
        parameters.trained().forEach(e -> weights.put(e.name(), parameters.values(e)));
        return weights;
    }

    private void write() throws IOException {
        try (var _ = Scope.open()) {
            TrainingState.write(file, weights(), optimizer, PROGRESS);
        }
    }

    private Progress read(AdamW optimizer) throws IOException {
        try (var _ = Scope.open()) {
            return TrainingState.read(file, weights(), optimizer, Progress.class);
        }
    }

    private List<float[]> all(AdamW optimizer) {
        try (var _ = Scope.open()) {
            var tensors = new ArrayList<Tensor>();
            parameters.trained().forEach(entry -> tensors.add(parameters.values(entry)));
            tensors.addAll(optimizer.means());
            tensors.addAll(optimizer.squares());
            return tensors.stream().map(tensor -> tensor.detach().toFloats()).toList();
        }
    }

    @Test
    void whatIsReadIsWhatWasWritten() throws IOException {
        try (var workers = new Workers(2);
                var _ = Scope.open()) {
            var gradients =
                    parameters.trained().stream()
                            .map(entry -> parameters.values(entry).mul(0.5))
                            .toList();
            optimizer.step(gradients, 1, 0.01, 1, workers);
        }
        write();
        var expected = all(optimizer);
        try (var _ = Scope.open()) {
            parameters.trained().forEach(entry -> parameters.values(entry).mul_(3));
        }
        try (var other = optimizer()) {
            assertEquals(PROGRESS, read(other));
            var actual = all(other);
            for (int i = 0; i < expected.size(); i++) {
                assertArrayEquals(expected.get(i), actual.get(i));
            }
        }
    }

    @Test
    void aFileThatWasCutIsRefusedWhereverItEnds() throws IOException {
        write();
        byte[] whole = Files.readAllBytes(file);
        for (int length : new int[] {0, 7, 8, 100, whole.length / 2, whole.length - 1}) {
            Files.write(file, Arrays.copyOf(whole, length));
            assertRefused("checkpoint.safetensors");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "7",
                "{}",
                "{\"step\": 3}",
                "{\"step\": -1, \"steps\": 5, \"identity\": \"abc\"}",
                "{\"step\": 6, \"steps\": 5, \"identity\": \"abc\"}",
                "{\"step\": \"x\", \"steps\": 5, \"identity\": \"abc\"}",
                "{\"step\": 1, \"steps\": 5, \"identity\": \"abc\", \"more\": 1}"
            })
    void otherProgressIsRefused(String json) throws IOException {
        try (var writer = SafetensorsWriter.create(file, List.of(), Map.of("training", json))) {
            writer.commit();
        }
        assertRefused("checkpoint.safetensors");
    }

    @Test
    void anotherModelsStateIsRefused() throws IOException {
        var progress =
                "{\"step\":1,\"steps\":5,\"windows\":4,\"seconds\":1,\"identity\":\"a\",\"workers\":1}";
        var alien = new Declaration("alien", DType.F32, Shape.of(1));
        try (var writer =
                SafetensorsWriter.create(file, List.of(alien), Map.of("training", progress))) {
            writer.write("alien", MemorySegment.ofArray(new float[1]));
            writer.commit();
        }
        assertRefused("of float32 is not in it");
    }

    private void assertRefused(String message) {
        var e = assertThrows(MalformedFileException.class, () -> read(optimizer));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }
}
