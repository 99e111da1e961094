package dev.pollard.format.gguf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufFileTest {
    private static final String SHARED = System.getProperty("pollard.shared");

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void readsEveryVersion(int version) throws IOException {
        Path file =
                new GgufBytes(version)
                        .entry("general.architecture", "llama")
                        .entry("llama.block_count", 30)
                        .tensor("a", 0, floats(1, 2, 3, 4, 5, 6), 3, 2)
                        .tensor("b", 24, new byte[] {-1, 7}, 2)
                        .write(folder.resolve("small.gguf"));
        try (var gguf = GgufFile.open(file)) {
            assertEquals(version, gguf.version());
            assertEquals("llama", gguf.metadata().string("general.architecture").orElseThrow());
            assertEquals(30, gguf.metadata().integer("llama.block_count").orElseThrow());
            assertEquals(List.of("a", "b"), List.copyOf(gguf.tensors().keySet()));
            assertEquals(Shape.of(2, 3), gguf.tensors().get("a").shape());
            assertEquals("I8", gguf.tensors().get("b").storage());
            assertArrayEquals(new float[] {1, 2, 3, 4, 5, 6}, gguf.tensors().get("a").toFloats());
            assertArrayEquals(new float[] {-1, 7}, gguf.tensors().get("b").toFloats());
        }
    }

    @Test
    void aWrongTypeNamesTheKeyAndItsOffset() throws IOException {
        Path file =
                new GgufBytes(3)
                        .entry("first", "x")
                        .entry("llama.block_count", "thirty")
                        .write(folder.resolve("small.gguf"));
        try (var gguf = GgufFile.open(file)) {
            var failure =
                    assertThrows(
                            MalformedFileException.class,
                            () -> gguf.metadata().integer("llama.block_count"));
            assertEquals(24 + 8 + 5 + 4 + 8 + 1, failure.offset());
            assertEquals(
                    file
                            + ": llama.block_count must be an integer, not STRING (at byte %d)"
                                    .formatted(failure.offset()),
                    failure.getMessage());
            assertTrue(gguf.metadata().integer("absent").isEmpty());
        }
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        byte[] whole =
                new GgufBytes(3)
                        .entry("a.list", List.of("x", "yz"))
                        .tensor("t", 0, floats(1, 2, 3, 4, 5, 6, 7, 8), 8)
                        .bytes();
        for (int length = 0; length < whole.length; length++) {
            Path file = folder.resolve("cut.gguf");
            Files.write(file, Arrays.copyOf(whole, length));
            var failure =
                    assertThrows(
                            MalformedFileException.class,
                            () -> GgufFile.open(file),
                            "cut to %d bytes".formatted(length));
            assertTrue(failure.offset() <= length, failure.getMessage());
        }
    }

    @Test
    void everyFlippedByteIsReadOrRefused() throws IOException {
        byte[] whole =
                new GgufBytes(3)
                        .entry("general.alignment", 32)
                        .entry("a.list", List.of("x", "yz"))
                        .tensor("t", 8, new byte[68], 32, 2)
                        .bytes();
        Path file = folder.resolve("flipped.gguf");
        for (int i = 0; i < whole.length; i++) {
            for (int flip : new int[] {1, 0x40, 0x80, 0xff}) {
                byte[] flipped = whole.clone();
                flipped[i] ^= (byte) flip;
                Files.write(file, flipped);
                try (var gguf = GgufFile.open(file)) {
                    gguf.tensors().values().forEach(tensor -> tensor.data().byteSize());
                } catch (MalformedFileException refused) {
                    assertTrue(refused.offset() <= whole.length, refused.getMessage());
                }
            }
        }
    }

    record Case(String file, String expect, String wrong) {
        @Override
        public String toString() {
            return file + ": " + wrong;
        }
    }

    static Stream<Case> malformed() throws IOException {
        JsonNode cases =
                new ObjectMapper()
                        .readTree(Path.of(SHARED, "fixtures/malformed-gguf/cases.json").toFile());
        return cases.valueStream()
                .map(
                        json ->
                                new Case(
                                        json.path("file").asText(),
                                        json.path("expect").asText(),
                                        json.path("wrong").asText()));
    }

    @ParameterizedTest
    @MethodSource("malformed")
    @Tag("shared")
    void judgesMalformedFiles(Case malformed) {
        Path file = Path.of(SHARED, "fixtures/malformed-gguf", malformed.file);
        switch (malformed.expect) {
            case "reject" -> {
                var failure =
                        Assertions.assertTimeoutPreemptively(
                                Duration.ofSeconds(1),
                                () ->
                                        assertThrows(
                                                MalformedFileException.class,
                                                () -> GgufFile.open(file)));
                assertTrue(
                        failure.offset() >= 0 && failure.offset() <= file.toFile().length(),
                        failure.getMessage());
                assertTrue(failure.getMessage().startsWith(file + ": "), failure.getMessage());
            }
            case "reject-or-accept" ->
                    Assertions.assertTimeoutPreemptively(
                            Duration.ofSeconds(1),
                            () -> {
                                try (var gguf = GgufFile.open(file)) {
                                    gguf.tensors();
                                } catch (MalformedFileException allowed) {
                                    assertTrue(allowed.offset() >= 0);
                                }
                            });
            default -> Assertions.fail("unknown expectation " + malformed.expect);
        }
    }

    @Test
    @Tag("shared")
    void readsEveryMetadataType() throws IOException {
        Path fixtures = Path.of(SHARED, "fixtures/gguf");
        JsonNode expected =
                new ObjectMapper()
                        .readTree(fixtures.resolve("all-metadata-types.json").toFile())
                        .path("values");
        try (var gguf = GgufFile.open(fixtures.resolve("all-metadata-types.gguf"))) {
            var values = gguf.metadata().values();
            for (var field : expected.properties()) {
                assertEquals(
                        plain(field.getValue()),
                        values.get(field.getKey()).toString(),
                        field.getKey());
            }
            assertEquals(expected.size(), values.size());
            assertEquals(Shape.of(2, 4), gguf.tensors().get("a").shape());
            assertArrayEquals(
                    new float[] {0, 1, 2, 3, 4, 5, 6, 7}, gguf.tensors().get("a").toFloats());
        }
    }

    private static String plain(JsonNode json) {
        return json.isArray()
                ? json.valueStream().map(JsonNode::asText).toList().toString()
                : json.asText();
    }

    @Test
    @Tag("shared")
    void readsVersion2AndFilesWithoutTensors() throws IOException {
        Path fixtures = Path.of(SHARED, "fixtures/gguf");
        try (var gguf = GgufFile.open(fixtures.resolve("version2.gguf"))) {
            assertEquals(2, gguf.version());
            assertEquals(1, gguf.tensors().size());
        }
        try (var gguf = GgufFile.open(fixtures.resolve("no-tensors.gguf"))) {
            assertTrue(gguf.tensors().isEmpty());
        }
    }

    /// The llama2.c file holds the same weights: seven integers, then the embedding, all float32.
    @Test
    @Tag("shared")
    void readsTheVersion1StoriesModel() throws IOException {
        Path model = Path.of(SHARED, "models/stories260k");
        var legacy =
                ByteBuffer.wrap(Files.readAllBytes(model.resolve("stories260K.bin")))
                        .order(ByteOrder.LITTLE_ENDIAN);
        var embedding = new float[512 * 64];
        legacy.position(28).slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(embedding);
        try (var gguf = GgufFile.open(model.resolve("stories260k-f32.gguf"))) {
            assertEquals(1, gguf.version());
            assertEquals(48, gguf.tensors().size());
            assertEquals(Shape.of(512, 64), gguf.tensors().get("token_embd.weight").shape());
            assertArrayEquals(embedding, gguf.tensors().get("token_embd.weight").toFloats());
        }
    }

    static byte[] floats(float... values) {
        var bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return bytes.array();
    }
}
