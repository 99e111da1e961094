package dev.pollard.format.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.ThreadMXBean;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorView;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@Tag("shared")
class SafetensorsFixturesTest {
    private static final Path FIXTURES =
            Path.of(System.getProperty("pollard.shared")).resolve("fixtures");
    private static final Path MALFORMED = FIXTURES.resolve("malformed");
    private static final Path VALID = MALFORMED.resolve("valid");

    static Stream<JsonNode> malformed() throws IOException {
        return list(MALFORMED.resolve("cases.json"));
    }

    static Stream<JsonNode> valid() throws IOException {
        return list(VALID.resolve("cases.json"));
    }

    private static Stream<JsonNode> list(Path file) throws IOException {
        JsonNode cases = new ObjectMapper().readTree(file.toFile());
        return StreamSupport.stream(cases.spliterator(), false);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("malformed")
    void isJudgedQuicklyAndWithoutBelievingItsHeader(JsonNode example) {
        Path file = MALFORMED.resolve(example.get("file").asText());
        boolean mayLoad = example.get("expect").asText().equals("reject-or-accept");
        ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = thread.getCurrentThreadAllocatedBytes();
        assertTimeout(Duration.ofSeconds(1), () -> judge(file, mayLoad));
        long allocated = thread.getCurrentThreadAllocatedBytes() - before;
        assertTrue(allocated < 8 << 20, allocated + " bytes allocated");
    }

    private static void judge(Path file, boolean mayLoad) throws IOException {
        try (SafetensorsFile _ = SafetensorsFile.open(file)) {
            if (!mayLoad) {
                fail(file + " was accepted");
            }
        } catch (MalformedFileException e) {
            assertEquals(file, e.file());
            assertTrue(e.offset() >= 0 && e.offset() <= Files.size(file), e.getMessage());
            assertTrue(e.getMessage().contains(file.getFileName().toString()), e.getMessage());
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("valid")
    void unusualButValidFileLoads(JsonNode example) throws IOException {
        try (SafetensorsFile file =
                SafetensorsFile.open(VALID.resolve(example.get("file").asText()))) {
            List<String> keys =
                    StreamSupport.stream(example.get("keys").spliterator(), false)
                            .map(JsonNode::asText)
                            .toList();
            assertEquals(keys, List.copyOf(new TreeSet<>(file.tensors().keySet())));
            file.tensors().values().forEach(TensorView::toFloats);
        }
    }

    @Test
    void everyDtypeHasTheContentsThatTorchSaved() throws IOException {
        JsonNode expected = new ObjectMapper().readTree(VALID.resolve("all-dtypes.json").toFile());
        try (SafetensorsFile file = SafetensorsFile.open(VALID.resolve("all-dtypes.safetensors"))) {
            assertEquals(expected.get("metadata").size(), file.metadata().size());
            file.metadata()
                    .forEach((k, v) -> assertEquals(expected.get("metadata").get(k).asText(), v));
            assertEquals(expected.get("tensors").size(), file.tensors().size());
            for (Map.Entry<String, JsonNode> tensor : expected.get("tensors").properties()) {
                TensorView view = file.tensors().get(tensor.getKey());
                JsonNode sizes = tensor.getValue().get("shape");
                assertEquals(sizes.size(), view.shape().rank());
                for (int axis = 0; axis < sizes.size(); axis++) {
                    assertEquals(sizes.get(axis).asLong(), view.shape().size(axis));
                }
                compare(tensor.getValue(), view);
            }
        }
    }

    private static void compare(JsonNode expected, TensorView view) {
        if (expected.get("torch_dtype").asText().equals("complex64")) {
            float[] parts = view.data().toArray(StoredTensor.FLOAT);
            assertArrayEquals(new float[] {1, 2, -0f, -3.5f}, parts);
            return;
        }
        float[] values = view.toFloats();
        JsonNode bits = expected.get("float32_bits_hex");
        JsonNode written = bits == null ? expected.get("values") : bits;
        assertEquals(written.size(), values.length);
        for (int i = 0; i < values.length; i++) {
            String text = written.get(i).asText();
            float wanted;
            if (bits != null) {
                wanted = Float.intBitsToFloat(Integer.parseUnsignedInt(text, 16));
            } else if (written.get(i).isBoolean()) {
                wanted = written.get(i).asBoolean() ? 1 : 0;
            } else {
                wanted = new BigInteger(text).floatValue();
            }
            assertEquals(wanted, values[i], view.name() + "[" + i + "]");
        }
    }

    static Stream<Path> referenceFiles() throws IOException {
        List<Path> models;
        try (Stream<Path> files = Files.walk(FIXTURES.resolve("models"))) {
            models =
                    files.filter(f -> f.getFileName().toString().matches("model.*\\.safetensors"))
                            .sorted()
                            .toList();
        }
        assertFalse(models.isEmpty());
        return Stream.concat(Stream.of(VALID.resolve("all-dtypes.safetensors")), models.stream());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("referenceFiles")
    void rewritesTheReferencesFilesByteForByte(Path original, @TempDir Path folder)
            throws IOException {
        Path copy = folder.resolve("copy.safetensors");
        try (SafetensorsFile source = SafetensorsFile.open(original)) {
            List<SafetensorsWriter.Declaration> tensors =
                    source.tensors().values().stream()
                            .map(
                                    t ->
                                            new SafetensorsWriter.Declaration(
                                                    t.name(), t.dtype(), t.shape()))
                            .toList()
                            .reversed();
            try (SafetensorsWriter writer =
                    SafetensorsWriter.create(copy, tensors, source.metadata())) {
                for (SafetensorsWriter.Declaration tensor : tensors) {
                    writer.write(tensor.name(), source.tensors().get(tensor.name()).data());
                }
                writer.commit();
            }
        }
        assertEquals(-1, Files.mismatch(original, copy));
    }

    @Test
    void shardedModelKnowsWhereItsTensorsLie() throws IOException {
        Path folder = FIXTURES.resolve("models/llama-fp16-sharded");
        try (ShardedSafetensors model = ShardedSafetensors.open(folder)) {
            assertEquals(3, model.shards().size());
            JsonNode map =
                    new ObjectMapper()
                            .readTree(folder.resolve(ShardIndex.FILE_NAME).toFile())
                            .get("weight_map");
            assertEquals(map.size(), model.tensors().size());
            for (Map.Entry<String, JsonNode> place : map.properties()) {
                assertEquals(place.getValue().asText(), model.shardOf(place.getKey()));
            }
            long bytes =
                    model.tensors().values().stream()
                            .map(TensorView::data)
                            .mapToLong(MemorySegment::byteSize)
                            .sum();
            assertEquals(94176, bytes);
        }
    }
}
