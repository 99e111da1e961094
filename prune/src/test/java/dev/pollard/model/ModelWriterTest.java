package dev.pollard.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.TinyModels;
import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.format.safetensors.ShardIndex;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelWriterTest {
    private static final int[] IDS = IntStream.range(0, 20).map(i -> i * 7 % 64).toArray();

    @TempDir Path temporary;

    static List<String> architectures() {
        return TinyModels.architectures();
    }

    private Path source() {
        return temporary.resolve("source");
    }

    private Path output() {
        return temporary.resolve("output");
    }

    private static void save(Path from, Path to, String dtype, ModelWriter.Replacements with)
            throws IOException {
        try (var checkpoint = Checkpoint.open(from)) {
            new ModelWriter(checkpoint, dtype).write(to, with);
        }
    }

    private static float[] logits(Path folder) throws IOException {
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            return model.forward(IDS, Compute.FLOAT32).toFloats();
        }
    }

    private static float[] weight(Path folder, String name) throws IOException {
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            return model.weight(model.checkpoint().named(name)).toFloats();
        }
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void aModelThatNobodyChangedIsWrittenByteForByte(String architecture) throws IOException {
        TinyModels.write(source(), architecture, 1);
        save(source(), output(), "keep", _ -> Optional.empty());
        for (String file : List.of("config.json", "model.safetensors")) {
            assertEquals(-1, Files.mismatch(source().resolve(file), output().resolve(file)), file);
        }
        assertArrayEquals(logits(source()), logits(output()));
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void everyLayerOfEveryFamilyIsReplacedInItsOrientation(String architecture) throws IOException {
        TinyModels.write(source(), architecture, 2);
        Map<String, float[]> written = new LinkedHashMap<>();
        try (var model = Model.open(source())) {
            new ModelWriter(model.checkpoint(), "keep")
                    .write(
                            output(),
                            layer -> {
                                var entry = model.checkpoint().named(layer + ".weight");
                                Tensor halved = model.weight(entry).mul(0.5);
                                written.put(layer, halved.toFloats());
                                return Optional.of(halved);
                            });
            try (var reopened = Model.open(output());
                    var _ = Scope.open()) {
                for (var entry : reopened.checkpoint().entries()) {
                    float[] expected =
                            entry.weight().prunable()
                                    ? written.get(entry.module())
                                    : model.weight(model.checkpoint().named(entry.name()))
                                            .toFloats();
                    assertArrayEquals(expected, reopened.weight(entry).toFloats(), entry.name());
                }
                assertEquals(written.size(), reopened.checkpoint().prunable().size());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"F32", "F16", "BF16"})
    void whatTheDriverPropagatesIsWhatIsReadAgain(String dtype) throws IOException {
        TinyModels.write(source(), TinyModels.config("llama"), DType.valueOf(dtype), 3);
        String layer = "model.layers.1.mlp.up_proj";
        float[] meant;
        try (var checkpoint = Checkpoint.open(source());
                var _ = Scope.open()) {
            var writer = new ModelWriter(checkpoint, "keep");
            Tensor pruned = Tensor.full(-0.0, 48, 32);
            pruned.narrow(0, 0, 20).add_(1 / 3.0);
            meant = writer.rounded(layer, pruned).toFloats();
            writer.write(
                    output(), name -> name.equals(layer) ? Optional.of(pruned) : Optional.empty());
        }
        float[] read = weight(output(), layer + ".weight");
        assertArrayEquals(meant, read);
        assertEquals(dtype.equals("F32"), read[0] == 1f / 3);
        try (var file = SafetensorsFile.open(output().resolve("model.safetensors"))) {
            var stored = file.tensors().get(layer + ".weight");
            assertEquals(dtype, stored.storage());
            byte[] bytes = stored.data().toArray(ValueLayout.JAVA_BYTE);
            for (int i = bytes.length * 20 / 48; i < bytes.length; i++) {
                assertEquals(0, bytes[i], "a zero is not +0");
            }
        }
    }

    @Test
    void aWeightTooLargeForFloat16IsNamed() throws IOException {
        TinyModels.write(source(), TinyModels.config("llama"), DType.F16, 4);
        try (var checkpoint = Checkpoint.open(source());
                var _ = Scope.open()) {
            var writer = new ModelWriter(checkpoint, "keep");
            Tensor large = Tensor.full(70_000, 48, 32);
            var refused =
                    assertThrows(
                            OverflowException.class,
                            () -> writer.rounded("model.layers.0.mlp.up_proj", large));
            assertEquals(
                    "model.layers.0.mlp.up_proj.weight holds 70000.0, too large for float16",
                    refused.getMessage());
        }
    }

    @Test
    void aReplacementOfAnotherShapeIsRefusedAndLeavesNoWeights() throws IOException {
        TinyModels.write(source(), "llama", 5);
        var refused =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                save(
                                        source(),
                                        output(),
                                        "keep",
                                        _ -> Optional.of(Tensor.zeros(32, 48))));
        assertTrue(refused.getMessage().contains("[48, 32]"), refused.getMessage());
        try (Stream<Path> files = Files.list(output())) {
            assertEquals(List.of(), files.toList());
        }
    }

    @Test
    void anotherDtypeIsWrittenIntoEveryTensorAndTheConfiguration() throws IOException {
        TinyModels.write(source(), "llama", 6);
        save(source(), output(), "bfloat16", _ -> Optional.empty());
        String config = Files.readString(output().resolve("config.json"));
        assertTrue(config.contains("\"torch_dtype\" : \"bfloat16\""), config);
        assertFalse(config.contains("\"dtype\""), config);
        try (var file = SafetensorsFile.open(output().resolve("model.safetensors"))) {
            file.tensors().values().forEach(t -> assertEquals(DType.BF16, t.dtype(), t.name()));
        }
        assertTrue(Shared.distance(logits(source()), logits(output())) < 0.1);
    }

    @Test
    void anUnknownDtypeIsRefused() throws IOException {
        TinyModels.write(source(), "llama", 7);
        try (var checkpoint = Checkpoint.open(source())) {
            assertThrows(IllegalArgumentException.class, () -> new ModelWriter(checkpoint, "int8"));
        }
    }

    @Test
    void shardsAndTheirIndexAreKept() throws IOException {
        TinyModels.write(source(), "llama", 8);
        float[] expected = logits(source());
        split(source(), 3);
        save(source(), output(), "keep", _ -> Optional.empty());
        for (int i = 1; i <= 3; i++) {
            String shard = "model-0000%d-of-00003.safetensors".formatted(i);
            assertEquals(-1, Files.mismatch(source().resolve(shard), output().resolve(shard)));
        }
        assertEquals(
                Files.readString(source().resolve(ShardIndex.FILE_NAME)),
                Files.readString(output().resolve(ShardIndex.FILE_NAME)));
        assertArrayEquals(expected, logits(output()));
    }

    /// Deals the tensors of `model.safetensors` out to shards.
    private static void split(Path folder, int count) throws IOException {
        Path single = folder.resolve("model.safetensors");
        var index = new LinkedHashMap<String, String>();
        long bytes = 0;
        try (var file = SafetensorsFile.open(single)) {
            var tensors = List.copyOf(file.tensors().values());
            for (int shard = 0; shard < count; shard++) {
                String name = "model-%05d-of-%05d.safetensors".formatted(shard + 1, count);
                List<Declaration> declarations = new ArrayList<>();
                for (int i = shard; i < tensors.size(); i += count) {
                    var tensor = tensors.get(i);
                    declarations.add(
                            new Declaration(tensor.name(), tensor.dtype(), tensor.shape()));
                    index.put(tensor.name(), name);
                    bytes += tensor.data().byteSize();
                }
                try (var writer =
                        SafetensorsWriter.create(folder.resolve(name), declarations, Map.of())) {
                    for (var declaration : declarations) {
                        writer.write(
                                declaration.name(), file.tensors().get(declaration.name()).data());
                    }
                    writer.commit();
                }
            }
        }
        ShardIndex.write(folder, index, bytes);
        Files.delete(single);
    }

    @Test
    void aSecondCopyOfATiedHeadIsNotWritten() throws IOException {
        TinyModels.write(source(), "qwen2", 9);
        float[] expected = logits(source());
        addTensor(source(), "lm_head.weight", 64, 32);
        save(source(), output(), "keep", _ -> Optional.empty());
        try (var file = SafetensorsFile.open(output().resolve("model.safetensors"))) {
            assertFalse(file.tensors().containsKey("lm_head.weight"));
        }
        assertArrayEquals(expected, logits(output()));
    }

    @Test
    void buffersOfOlderVersionsAreIgnoredAndKept() throws IOException {
        TinyModels.write(source(), "gpt2", 10);
        float[] expected = logits(source());
        addTensor(source(), "transformer.h.0.attn.bias", 1, 1, 48, 48);
        save(source(), output(), "keep", _ -> Optional.empty());
        try (var file = SafetensorsFile.open(output().resolve("model.safetensors"))) {
            assertTrue(file.tensors().containsKey("transformer.h.0.attn.bias"));
        }
        assertArrayEquals(expected, logits(output()));
    }

    private static void addTensor(Path folder, String name, long... shape) throws IOException {
        Path single = folder.resolve("model.safetensors");
        Path copy = folder.resolve("copy");
        try (var file = SafetensorsFile.open(single)) {
            List<Declaration> declarations = new ArrayList<>();
            file.tensors()
                    .values()
                    .forEach(
                            t -> declarations.add(new Declaration(t.name(), t.dtype(), t.shape())));
            declarations.add(new Declaration(name, DType.F32, Shape.of(shape)));
            try (var writer = SafetensorsWriter.create(copy, declarations, Map.of())) {
                for (var tensor : file.tensors().values()) {
                    writer.write(tensor.name(), tensor.data());
                }
                float[] values = new float[(int) Shape.of(shape).elements()];
                writer.writeFloats(name, MemorySegment.ofArray(values));
                writer.commit();
            }
        }
        Files.move(copy, single, StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    void filesThatDescribeTheModelAreCopiedAndNoOthers() throws IOException {
        TinyModels.write(source(), "llama", 11);
        List<String> wanted =
                List.of(
                        "LICENSE",
                        "NOTICE.txt",
                        "chat_template.jinja",
                        "generation_config.json",
                        "tokenizer.json",
                        "tokenizer.model",
                        "tokenizer_config.json");
        for (String name : wanted) {
            Files.writeString(source().resolve(name), "text of " + name);
        }
        for (String name : List.of("README.md", "training_args.bin", "optimizer.pt", ".hidden")) {
            Files.writeString(source().resolve(name), "not for the output");
        }
        save(source(), output(), "keep", _ -> Optional.empty());
        var expected = new ArrayList<>(wanted);
        expected.addAll(List.of("config.json", "model.safetensors"));
        try (Stream<Path> files = Files.list(output())) {
            assertEquals(
                    expected.stream().sorted().toList(),
                    files.map(f -> f.getFileName().toString()).sorted().toList());
        }
        assertEquals(
                "text of tokenizer.json", Files.readString(output().resolve("tokenizer.json")));
    }
}
