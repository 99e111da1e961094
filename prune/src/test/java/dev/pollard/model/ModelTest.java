package dev.pollard.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.TinyModels;
import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ModelTest {
    @TempDir Path temporary;

    static List<String> architectures() {
        return TinyModels.architectures();
    }

    private static int[] ids(int length, int seed) {
        return IntStream.range(0, length).map(i -> (i * 11 + seed * 5) % 64).toArray();
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void logitsDoNotDependOnWhatComesLater(String architecture) throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), architecture, 41);
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            float[] all = model.forward(ids(100, 1), Compute.FLOAT32).toFloats();
            float[] first = model.forward(ids(17, 1), Compute.FLOAT32).toFloats();
            assertTrue(Shared.distance(Arrays.copyOf(all, first.length), first) < 1e-4);
        }
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void twoThreadsAtOnceComputeWhatOneDoes(String architecture) throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), architecture, 42);
        List<float[]> expected = new ArrayList<>();
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            for (int i = 0; i < 12; i++) {
                expected.add(model.forward(ids(3 + 10 * i, i), Compute.FLOAT32).toFloats());
            }
        }
        float[][] actual = new float[12][];
        try (var model = Model.open(folder);
                var workers = new Workers(2)) {
            workers.forEach(
                    12,
                    (_, i) ->
                            actual[i] =
                                    model.forward(ids(3 + 10 * i, i), Compute.FLOAT32).toFloats());
        }
        for (int i = 0; i < 12; i++) {
            assertArrayEquals(expected.get(i), actual[i]);
        }
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void layersThatShareAnInputAreGivenTheSameTensorInComputingOrder(String architecture)
            throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), architecture, 43);
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            Block block = model.decoder().block(0, Compute.FLOAT32);
            List<Linear> order = new ArrayList<>();
            List<Tensor> inputs = new ArrayList<>();
            Tap tap =
                    (layer, x) -> {
                        order.add(layer);
                        inputs.add(x);
                        return true;
                    };
            block.forward(model.decoder().embed(ids(9, 2)), tap);
            assertEquals(block.linears(), order);
            assertEquals(
                    model.checkpoint().prunable().stream()
                            .filter(entry -> entry.block() == 0)
                            .map(Checkpoint.Entry::module)
                            .toList(),
                    order.stream().map(Linear::name).toList());
            for (int i = 1; i < order.size(); i++) {
                String name = order.get(i).name();
                if (name.matches(".*\\.(k_proj|v_proj|up_proj)")) {
                    assertSame(inputs.get(i - 1), inputs.get(i), name);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void aTapThatReadsNoOutputOfTheLastLayerStopsNothingElse(String architecture)
            throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), architecture, 44);
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            Block block = model.decoder().block(0, Compute.FLOAT32);
            Tensor x = model.decoder().embed(ids(9, 3));
            List<float[]> full = new ArrayList<>();
            block.forward(x, (_, input) -> full.add(input.toFloats()));
            List<float[]> cut = new ArrayList<>();
            Linear last = block.linears().getLast();
            block.forward(
                    x,
                    (layer, input) -> {
                        cut.add(input.toFloats());
                        return layer != last;
                    });
            assertEquals(full.size(), cut.size());
            for (int i = 0; i < full.size(); i++) {
                assertArrayEquals(full.get(i), cut.get(i));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void bfloat16LinearLayersStayNearFloat32(String architecture) throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), architecture, 45);
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            float[] exact = model.forward(ids(20, 4), Compute.FLOAT32).toFloats();
            float[] rough = model.forward(ids(20, 4), Compute.BFLOAT16).toFloats();
            double distance = Shared.distance(exact, rough);
            assertTrue(distance > 0 && distance < 0.1, () -> "off by " + distance);
        }
    }

    @Test
    void idsOutsideTheVocabularyAndSequencesThatAreTooLongAreRefused() throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), "gpt2", 46);
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            var decoder = model.decoder();
            assertEquals(128, decoder.embed(new int[128]).size(0));
            for (int[] wrong : new int[][] {{3, 64}, {-1}, {}, new int[129]}) {
                assertThrows(IllegalArgumentException.class, () -> decoder.embed(wrong));
            }
        }
    }

    @Test
    void aWeightThatIsNotANumberIsNamedWhenItsBlockIsRead() throws IOException {
        for (float poison : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            Path folder = TinyModels.write(temporary.resolve("model"), "llama", 47);
            poison(
                    folder.resolve("model.safetensors"),
                    "model.layers.1.mlp.up_proj.weight",
                    poison);
            try (var model = Model.open(folder);
                    var _ = Scope.open()) {
                model.decoder().block(0, Compute.FLOAT32);
                var refused =
                        assertThrows(
                                UncheckedIOException.class,
                                () -> model.decoder().block(1, Compute.FLOAT32));
                assertInstanceOf(MalformedFileException.class, refused.getCause());
                assertTrue(
                        refused.getMessage()
                                .contains("model.layers.1.mlp.up_proj.weight holds NaN"),
                        refused.getMessage());
            }
        }
    }

    @Test
    void aNormThatIsNotANumberIsNamedByTheDecoder() throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), "llama", 48);
        poison(folder.resolve("model.safetensors"), "model.norm.weight", Float.NaN);
        try (var model = Model.open(folder)) {
            var refused = assertThrows(UncheckedIOException.class, model::decoder);
            assertTrue(refused.getMessage().contains("model.norm.weight"), refused.getMessage());
        }
    }

    /// Overwrites the last number of a float32 tensor.
    private static void poison(Path file, String tensor, float value) throws IOException {
        long end;
        try (var opened = SafetensorsFile.open(file)) {
            // Tensors stand in the file in this order, and the data ends with the file.
            long after = 0;
            boolean found = false;
            for (var t : opened.tensors().values()) {
                after += found ? t.data().byteSize() : 0;
                found |= t.name().equals(tensor);
            }
            end = Files.size(file) - after;
        }
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            var bytes = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(0, value);
            channel.write(bytes, end - 4);
        }
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void aPickledCheckpointIsTheSameModelAndIsSavedAsSafetensors(String architecture)
            throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), architecture, 49);
        Path pickled = Files.createDirectories(temporary.resolve("pickled"));
        Files.copy(folder.resolve("config.json"), pickled.resolve("config.json"));
        try (var file = SafetensorsFile.open(folder.resolve("model.safetensors"))) {
            TorchFiles.write(pickled.resolve("pytorch_model.bin"), file.tensors().values());
        }
        Path saved = temporary.resolve("saved");
        try (var checkpoint = Checkpoint.open(pickled)) {
            new ModelWriter(checkpoint, "keep").write(saved, _ -> Optional.empty());
        }
        try (var expected = Model.open(folder);
                var opened = Model.open(pickled);
                var _ = Scope.open()) {
            assertArrayEquals(
                    expected.forward(ids(12, 6), Compute.FLOAT32).toFloats(),
                    opened.forward(ids(12, 6), Compute.FLOAT32).toFloats());
        }
        String weights = "model.safetensors";
        assertEquals(-1, Files.mismatch(folder.resolve(weights), saved.resolve(weights)));
    }

    @Test
    void shardsOfAPickledCheckpointBecomeShardsOfTheSameNumber() throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), "llama", 51);
        Path pickled = Files.createDirectories(temporary.resolve("pickled"));
        Files.copy(folder.resolve("config.json"), pickled.resolve("config.json"));
        var index = new StringBuilder("{\"weight_map\": {");
        try (var file = SafetensorsFile.open(folder.resolve("model.safetensors"))) {
            var tensors = List.copyOf(file.tensors().values());
            for (int shard = 1; shard <= 2; shard++) {
                String name = "pytorch_model-0000%d-of-00002.bin".formatted(shard);
                var part = shard == 1 ? tensors.subList(0, 5) : tensors.subList(5, tensors.size());
                TorchFiles.write(pickled.resolve(name), part);
                part.forEach(t -> index.append("\"%s\": \"%s\",".formatted(t.name(), name)));
            }
        }
        index.setCharAt(index.length() - 1, '}');
        Files.writeString(pickled.resolve("pytorch_model.bin.index.json"), index + "}");
        Path saved = temporary.resolve("saved");
        try (var checkpoint = Checkpoint.open(pickled)) {
            new ModelWriter(checkpoint, "keep").write(saved, _ -> Optional.empty());
        }
        assertTrue(Files.exists(saved.resolve("model-00001-of-00002.safetensors")));
        assertTrue(Files.exists(saved.resolve("model-00002-of-00002.safetensors")));
        try (var expected = Model.open(folder);
                var reopened = Model.open(saved);
                var _ = Scope.open()) {
            assertArrayEquals(
                    expected.forward(ids(12, 6), Compute.FLOAT32).toFloats(),
                    reopened.forward(ids(12, 6), Compute.FLOAT32).toFloats());
        }
    }

    @Test
    void aShardOutsideTheFolderIsRefused() throws IOException {
        Path folder = Files.createDirectories(temporary.resolve("model"));
        Files.writeString(folder.resolve("config.json"), TinyModels.config("llama"));
        for (String shard : List.of("../secret.bin", "/etc/passwd", "..", "missing.bin")) {
            Files.writeString(
                    folder.resolve("pytorch_model.bin.index.json"),
                    "{\"weight_map\": {\"model.norm.weight\": \"%s\"}}".formatted(shard));
            var refused = assertThrows(MalformedFileException.class, () -> Model.open(folder));
            assertTrue(refused.getMessage().contains("'" + shard + "'"), refused.getMessage());
        }
    }

    /// Gemma 3 from 4B on: the text model lies inside one that also sees.
    @Test
    void aTextModelInsideALargerOneIsFound() throws IOException {
        Path text = TinyModels.write(temporary.resolve("text"), "gemma3_text", 52);
        Path whole = Files.createDirectories(temporary.resolve("whole"));
        String config = Files.readString(text.resolve("config.json"));
        Files.writeString(
                whole.resolve("config.json"),
                "{\"model_type\": \"gemma3\", \"text_config\": " + config + "}");
        String vision = "vision_tower.patches.weight";
        try (var file = SafetensorsFile.open(text.resolve("model.safetensors"))) {
            List<Declaration> declarations = new ArrayList<>();
            declarations.add(new Declaration(vision, DType.F32, Shape.of(3)));
            for (var t : file.tensors().values()) {
                declarations.add(
                        new Declaration("language_model." + t.name(), t.dtype(), t.shape()));
            }
            try (var writer =
                    SafetensorsWriter.create(
                            whole.resolve("model.safetensors"), declarations, Map.of())) {
                writer.writeFloats(vision, MemorySegment.ofArray(new float[] {1, 2, 3}));
                for (var t : file.tensors().values()) {
                    writer.write("language_model." + t.name(), t.data());
                }
                writer.commit();
            }
        }
        Path saved = temporary.resolve("saved");
        try (var expected = Model.open(text);
                var opened = Model.open(whole);
                var _ = Scope.open()) {
            assertArrayEquals(
                    expected.forward(ids(20, 6), Compute.FLOAT32).toFloats(),
                    opened.forward(ids(20, 6), Compute.FLOAT32).toFloats());
            new ModelWriter(opened.checkpoint(), "keep").write(saved, _ -> Optional.empty());
        }
        for (String file : List.of("config.json", "model.safetensors")) {
            assertEquals(-1, Files.mismatch(whole.resolve(file), saved.resolve(file)));
        }
    }

    @Test
    void aFolderWithoutTokenizerHasNone() throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), "llama", 50);
        try (var model = Model.open(folder)) {
            assertEquals(Optional.empty(), model.tokenizer());
        }
    }
}
