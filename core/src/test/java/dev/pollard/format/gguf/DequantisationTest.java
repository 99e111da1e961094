package dev.pollard.format.gguf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DequantisationTest {
    private static final String SHARED = System.getProperty("pollard.shared");

    @TempDir Path folder;

    @Test
    void q4_1ScalesAndShiftsNibbles() throws IOException {
        var block = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
        block.putShort(Float.floatToFloat16(0.5f)).putShort(Float.floatToFloat16(-2));
        for (int j = 0; j < 16; j++) {
            block.put((byte) (j | (15 - j) << 4));
        }
        float[] weights = read("Q4_1", block.array(), 32);
        for (int j = 0; j < 16; j++) {
            assertEquals(0.5f * j - 2, weights[j]);
            assertEquals(0.5f * (15 - j) - 2, weights[16 + j]);
        }
    }

    @Test
    void widensPlainNumbers() throws IOException {
        var bytes = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
        assertArrayEquals(
                new float[] {1.5f, Float.NEGATIVE_INFINITY},
                read("BF16", bytes.putShort(0, (short) 0x3fc0).putShort(2, (short) 0xff80), 2));
        assertArrayEquals(
                new float[] {1.5f, 0x1p-24f},
                read("F16", bytes.putShort(0, (short) 0x3e00).putShort(2, (short) 1), 2));
        assertArrayEquals(
                new float[] {1.5f, -2}, read("F64", bytes.putDouble(0, 1.5).putDouble(8, -2), 2));
        assertArrayEquals(new float[] {-3, 4}, read("I64", bytes.putLong(0, -3).putLong(8, 4), 2));
        assertArrayEquals(new float[] {-3, 4}, read("I32", bytes.putInt(0, -3).putInt(4, 4), 2));
        assertArrayEquals(
                new float[] {-3, 4},
                read("I16", bytes.putShort(0, (short) -3).putShort(2, (short) 4), 2));
    }

    private float[] read(String type, ByteBuffer bytes, int count) throws IOException {
        return read(type, bytes.array(), count);
    }

    private float[] read(String type, byte[] bytes, int count) throws IOException {
        Path file =
                new GgufBytes(3)
                        .tensor("t", id(GgmlType.valueOf(type)), bytes, count)
                        .write(folder.resolve("t.gguf"));
        try (var gguf = GgufFile.open(file)) {
            return gguf.tensors().get("t").toFloats();
        }
    }

    private static int id(GgmlType type) {
        for (int id = 0; id < 64; id++) {
            if (GgmlType.of(id).filter(type::equals).isPresent()) {
                return id;
            }
        }
        throw new AssertionError(type);
    }

    @ParameterizedTest
    @EnumSource(GgmlType.class)
    void readsAnyRangeOfWholeBlocks(GgmlType type) throws IOException {
        int rows = 40; // more than one chunk of 4096
        var bytes = new byte[rows * 256 / type.blockLength() * type.blockBytes()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i % 59); // small exponents wherever a scale lies
        }
        Path file =
                new GgufBytes(3)
                        .tensor("t", id(type), bytes, 256, rows)
                        .write(folder.resolve("t.gguf"));
        try (var gguf = GgufFile.open(file);
                var arena = Arena.ofConfined()) {
            GgufTensor tensor = gguf.tensors().get("t");
            if (!type.readable()) {
                var failure = assertThrows(IllegalArgumentException.class, tensor::toFloats);
                assertEquals(
                        "tensor 't' is stored as %s, which cannot be dequantised".formatted(type),
                        failure.getMessage());
                return;
            }
            float[] whole = tensor.toFloats();
            int from = 7 * 256;
            int count = 4500; // ends inside a block
            MemorySegment part = arena.allocate(4L * count + 1).asSlice(1); // unaligned
            tensor.readFloats(from, count, part);
            for (int i = 0; i < count; i++) {
                assertEquals(whole[from + i], part.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i));
            }
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> tensor.readFloats(rows * 256 - 256, 257, part));
            if (type.blockLength() > 1) {
                assertThrows(IllegalArgumentException.class, () -> tensor.readFloats(1, 1, part));
            }
        }
    }

    @Test
    @Tag("shared")
    void everyBlockTypeEqualsItsGoldenBitForBit() throws IOException {
        Path fixtures = Path.of(SHARED, "fixtures/gguf");
        Map<String, float[]> golden =
                GoldenFloats.read(fixtures.resolve("quant-blocks.golden.safetensors"));
        try (var gguf = GgufFile.open(fixtures.resolve("quant-blocks.gguf"))) {
            assertEquals(golden.keySet(), gguf.tensors().keySet());
            golden.forEach(
                    (name, expected) ->
                            assertSameBits(expected, gguf.tensors().get(name).toFloats(), name));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"f16", "bf16-align64", "q8_0", "q4_0", "q4_1", "q8_0-untied"})
    @Tag("shared")
    void tinyModelsEqualTheirGoldensBitForBit(String storage) throws IOException {
        Path fixtures = Path.of(SHARED, "fixtures/gguf");
        Map<String, float[]> golden =
                GoldenFloats.read(
                        fixtures.resolve("tiny-llama-%s.golden.safetensors".formatted(storage)));
        try (var gguf = GgufFile.open(fixtures.resolve("tiny-llama-%s.gguf".formatted(storage)))) {
            int compared = 0;
            for (var tensor : gguf.tensors().values()) {
                float[] expected = golden.get("dequant." + tensor.name());
                if (expected != null) {
                    assertSameBits(expected, tensor.toFloats(), tensor.name());
                    compared++;
                }
            }
            assertEquals(4, compared);
        }
    }

    private static void assertSameBits(float[] expected, float[] actual, String name) {
        assertEquals(expected.length, actual.length, name);
        for (int i = 0; i < expected.length; i++) {
            int index = i;
            assertEquals(
                    Float.floatToRawIntBits(expected[i]),
                    Float.floatToRawIntBits(actual[i]),
                    () ->
                            "%s[%d]: expected %s, was %s"
                                    .formatted(name, index, expected[index], actual[index]));
        }
    }

    @Test
    @Tag("shared")
    void dequantisesARealModelToFiniteWeights() throws IOException {
        Path model =
                Path.of(SHARED, "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
        try (var gguf = GgufFile.open(model);
                var arena = Arena.ofConfined()) {
            assertEquals(272, gguf.tensors().size());
            long total = 0;
            MemorySegment target = arena.allocate(4L * 49152 * 576);
            for (var tensor : gguf.tensors().values()) {
                long count = tensor.shape().elements();
                tensor.readFloats(0, count, target);
                for (long i = 0; i < count; i++) {
                    assertTrue(Float.isFinite(target.getAtIndex(ValueLayout.JAVA_FLOAT, i)));
                }
                total += count;
            }
            assertEquals(134_515_008, total);
            assertFalse(gguf.tensors().containsKey("output.weight")); // tied
        }
    }
}
