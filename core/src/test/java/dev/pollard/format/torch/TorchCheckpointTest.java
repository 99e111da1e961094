package dev.pollard.format.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorView;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TorchCheckpointTest {
    @TempDir Path folder;

    /// 0, 1, … 11 as float32.
    private static final byte[] TWELVE = floats(12);

    @Test
    void plainStateDictIsRead() throws IOException {
        PickleWriter pickle =
                stateDict()
                        .text("w")
                        .tensor("FloatStorage", "0", 12, 2, new int[] {2, 3}, new int[] {3, 1})
                        .text("scale")
                        .tensor("FloatStorage", "0", 12, 5, new int[] {}, new int[] {})
                        .op('u', '}')
                        .text("_metadata")
                        .op('}', 's', 'b');
        try (TorchCheckpoint checkpoint = open(pickle)) {
            assertEquals(List.of("w", "scale"), List.copyOf(checkpoint.tensors().keySet()));
            StoredTensor w = checkpoint.tensors().get("w");
            assertInstanceOf(TensorView.class, w);
            assertEquals(Shape.of(2, 3), w.shape());
            assertEquals("F32", w.storage());
            assertArrayEquals(new float[] {2, 3, 4, 5, 6, 7}, w.toFloats());
            assertArrayEquals(new float[] {5}, checkpoint.tensors().get("scale").toFloats());
            assertEquals(Map.of(), checkpoint.values());
        }
    }

    @Test
    void modelKeyIsTheStateDictAndTheRestAreValues() throws IOException {
        PickleWriter pickle =
                new PickleWriter()
                        .op('}', '(')
                        .text("model")
                        .op('}', '(')
                        .text("layer")
                        .op('}')
                        .text("weight")
                        .tensor("FloatStorage", "0", 12, 0, new int[] {12}, new int[] {1})
                        .op('s')
                        .text("version")
                        .integer(3)
                        .op('u')
                        .text("model_args")
                        .op('}', '(')
                        .text("dim")
                        .integer(64)
                        .integer(1)
                        .op(']', '(', 'N', 0x88, 'e', 'u')
                        .text("loss")
                        .tensor("FloatStorage", "0", 12, 7, new int[] {}, new int[] {})
                        .op('u');
        try (TorchCheckpoint checkpoint = open(pickle)) {
            assertEquals(List.of("layer.weight"), List.copyOf(checkpoint.tensors().keySet()));
            SequencedMap<String, Object> values = checkpoint.values();
            assertEquals(3L, values.get("model.version"));
            assertEquals(
                    Map.of("dim", 64L, "1", Arrays.asList(null, true)), values.get("model_args"));
            StoredTensor loss = assertInstanceOf(StoredTensor.class, values.get("loss"));
            assertArrayEquals(new float[] {7}, loss.toFloats());
        }
    }

    @Test
    void stridedViewsAreGatheredInCOrder() throws IOException {
        PickleWriter pickle =
                stateDict()
                        .text("transposed")
                        .tensor("FloatStorage", "0", 12, 0, new int[] {4, 3}, new int[] {1, 4})
                        .text("columns")
                        .tensor("FloatStorage", "0", 12, 1, new int[] {3, 2}, new int[] {4, 2})
                        .text("cube")
                        .tensor(
                                "FloatStorage",
                                "0",
                                12,
                                0,
                                new int[] {2, 2, 3},
                                new int[] {2, 1, 4})
                        .op('u');
        try (TorchCheckpoint checkpoint = open(pickle)) {
            StoredTensor transposed = checkpoint.tensors().get("transposed");
            float[] expected = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
            assertArrayEquals(expected, transposed.toFloats());
            assertArrayEquals(expected, transposed.data().toArray(StoredTensor.FLOAT));
            float[] part = new float[5];
            transposed.readFloats(4, 5, MemorySegment.ofArray(part));
            assertArrayEquals(new float[] {5, 9, 2, 6, 10}, part);
            assertArrayEquals(
                    new float[] {1, 3, 5, 7, 9, 11},
                    checkpoint.tensors().get("columns").toFloats());
            assertArrayEquals(
                    new float[] {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11},
                    checkpoint.tensors().get("cube").toFloats());
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> transposed.readFloats(8, 5, MemorySegment.ofArray(part)));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "BoolStorage, BOOL, 1",
        "ByteStorage, U8, 1",
        "CharStorage, I8, 1",
        "ShortStorage, I16, 2",
        "HalfStorage, F16, 2",
        "BFloat16Storage, BF16, 2",
        "IntStorage, I32, 4",
        "FloatStorage, F32, 4",
        "LongStorage, I64, 8",
        "DoubleStorage, F64, 8",
        "ComplexFloatStorage, C64, 8"
    })
    void everyStorageHasItsDtypeAndTransposes(String type, String dtype, int width)
            throws IOException {
        int elements = TWELVE.length / width;
        int half = elements / 2;
        PickleWriter pickle =
                stateDict()
                        .text("w")
                        .tensor(type, "0", elements, 0, new int[] {half, 2}, new int[] {1, half})
                        .op('u');
        try (TorchCheckpoint checkpoint = open(pickle)) {
            StoredTensor w = checkpoint.tensors().get("w");
            assertEquals(dtype, w.storage());
            byte[] bytes = w.data().toArray(ValueLayout.JAVA_BYTE);
            for (int i = 0; i < elements; i++) {
                int from = (i / 2 + i % 2 * half) * width;
                assertArrayEquals(
                        Arrays.copyOfRange(TWELVE, from, from + width),
                        Arrays.copyOfRange(bytes, i * width, (i + 1) * width));
            }
        }
    }

    @Test
    void untypedStoragesTakeTheirDtypeFromTheTensor() throws IOException {
        PickleWriter pickle =
                stateDict()
                        .text("w")
                        .global("torch._utils", "_rebuild_tensor_v3")
                        .op('(', '(')
                        .text("storage")
                        .global("torch.storage", "UntypedStorage")
                        .text("0")
                        .text("cpu")
                        .integer(48)
                        .op('t', 'Q')
                        .integer(1)
                        .tuple(2)
                        .tuple(1)
                        .op(0x89)
                        .global("collections", "OrderedDict")
                        .op(')', 'R')
                        .global("torch", "float8_e4m3fn")
                        .op('t', 'R', 'u');
        try (TorchCheckpoint checkpoint = open(pickle)) {
            assertEquals("F8_E4M3", checkpoint.tensors().get("w").storage());
            assertEquals(2, checkpoint.tensors().get("w").data().byteSize());
        }
    }

    @Test
    void parametersAreTheirTensors() throws IOException {
        PickleWriter pickle =
                stateDict()
                        .text("w")
                        .global("torch._utils", "_rebuild_parameter")
                        .op('(')
                        .tensor("FloatStorage", "0", 12, 0, new int[] {0, 3}, new int[] {3, 1})
                        .op(0x88)
                        .global("collections", "OrderedDict")
                        .op(')', 'R', 't', 'R', 'u');
        try (TorchCheckpoint checkpoint = open(pickle)) {
            assertEquals(Shape.of(0, 3), checkpoint.tensors().get("w").shape());
            assertEquals(0, checkpoint.tensors().get("w").toFloats().length);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "12 | 0 | 13 | 1 | inside its storage",
                "12 | 1 | 12 | 1 | inside its storage",
                "12 | -1 | 2 | 1 | inside its storage",
                "12 | 0 | 2 | 12 | inside its storage",
                "12 | 2147483647 | 2147483647 | 2147483647 | inside its storage",
                "12 | 13 | 0 | 1 | inside its storage",
                "12 | 0 | 2147483647 | 0 | twice",
                "12 | 0 | -1 | 1 | negative",
                "12 | 5 | 2 | -1 | at least 0",
                "13 | 0 | 1 | 1 | not 13 elements",
                "-12 | 0 | 1 | 1 | not -12 elements",
            })
    void tensorThatDoesNotFitItsStorageIsRefused(
            int elements, int offset, int size, int stride, String reason) {
        PickleWriter pickle =
                stateDict()
                        .text("w")
                        .tensor(
                                "FloatStorage",
                                "0",
                                elements,
                                offset,
                                new int[] {size},
                                new int[] {stride})
                        .op('u');
        assertRefused(pickle, reason, "'w'");
    }

    @Test
    void shapesThatOverflowAreRefused() {
        int max = Integer.MAX_VALUE;
        assertRefused(
                stateDict()
                        .text("w")
                        .tensor(
                                "FloatStorage",
                                "0",
                                12,
                                0,
                                new int[] {max, max, max},
                                new int[] {0, 0, 0})
                        .op('u'),
                "too many elements");
        int[] sizes = new int[64];
        int[] strides = new int[64];
        Arrays.fill(sizes, 1);
        sizes[0] = max;
        sizes[1] = max;
        Arrays.fill(strides, max);
        assertRefused(
                stateDict().text("w").tensor("FloatStorage", "0", 12, 0, sizes, strides).op('u'),
                "'w'");
        assertRefused(
                stateDict()
                        .text("w")
                        .tensor("FloatStorage", "0", 12, 0, new int[] {2}, new int[] {})
                        .op('u'),
                "as many strides");
    }

    @Test
    void storageThatIsNotThereIsNamed() {
        assertRefused(
                stateDict()
                        .text("w")
                        .tensor("FloatStorage", "../0", 1, 0, new int[] {1}, new int[] {1})
                        .op('u'),
                "'../0'",
                "'w'");
    }

    @Test
    void codeIsNeverRunButNamed() {
        assertRefused(
                stateDict().text("w").global("os", "system").text("true").op(0x85, 'R', 'u'),
                "'os.system'");
    }

    @Test
    void deepNestingAndCyclesEndInAMessage() {
        PickleWriter deep = new PickleWriter().op('}').text("a");
        for (int i = 0; i < 100_000; i++) {
            deep.op('}').text("a");
        }
        deep.op('N');
        for (int i = 0; i <= 100_000; i++) {
            deep.op('s');
        }
        assertRefused(deep, "nested deeper");
        assertRefused(
                new PickleWriter().op('}', 'q', 0).text("self").op('h', 0, 's'), "nested deeper");
        assertRefused(
                new PickleWriter().op('}').text("l").op(']', 'q', 0, 'h', 0, 'a', 's'),
                "nested deeper");
    }

    @Test
    void exponentialSharingIsRefusedInTime() {
        PickleWriter pickle = new PickleWriter().op('}').text("l").op(']', 'q', 0);
        for (int i = 0; i < 40; i++) {
            pickle.op('0', ']', '(', 'h', i, 'h', i, 'e', 'q', i + 1);
        }
        pickle.op('s');
        assertTimeout(
                Duration.ofSeconds(5), () -> assertRefused(pickle, "more than 500000 nested"));
    }

    @Test
    void topLevelMustBeADict() {
        assertRefused(new PickleWriter().op(']'), "a list");
    }

    @Test
    void namesThatFlattenToOneAreRefused() {
        PickleWriter pickle =
                stateDict()
                        .text("a.b")
                        .tensor("FloatStorage", "0", 12, 0, new int[] {1}, new int[] {1})
                        .text("a")
                        .op('}')
                        .text("b")
                        .tensor("FloatStorage", "0", 12, 0, new int[] {1}, new int[] {1})
                        .op('s', 'u');
        assertRefused(pickle, "'a.b'");
    }

    @Test
    void compressedEntriesAreRefused() throws IOException {
        Path file = folder.resolve("deflated.pt");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            zip.putNextEntry(new ZipEntry("archive/data.pkl"));
            zip.write(new PickleWriter().op('}').stop());
        }
        assertRefused(file, "compressed");
    }

    @Test
    void wrongChecksumOfThePickleIsRefused() throws IOException {
        Path file = checkpoint(new PickleWriter().op('}').text("abc").op('N', 's'), Map.of());
        byte[] bytes = Files.readAllBytes(file);
        bytes[indexOf(bytes, "abc")] ^= 1;
        Files.write(file, bytes);
        assertRefused(file, "checksum");
    }

    @Test
    void bigEndianCheckpointIsRefused() throws IOException {
        Path file = checkpoint(new PickleWriter().op('}'), Map.of("byteorder", "big".getBytes()));
        assertRefused(file, "little-endian");
        try (TorchCheckpoint read =
                TorchCheckpoint.open(
                        checkpoint(
                                new PickleWriter().op('}'),
                                Map.of("byteorder", "little".getBytes())))) {
            assertEquals(Map.of(), read.tensors());
        }
    }

    @Test
    void foreignFilesAreRefused() throws IOException {
        Path file = folder.resolve("foreign.pt");
        assertRefused(Files.write(file, new byte[0]), "not a zip");
        assertRefused(Files.writeString(file, "hello".repeat(100)), "not a zip");
        assertRefused(Files.write(file, new byte[] {(byte) 0x80, 2, (byte) 0x8a}), "1.6");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
            zip.putNextEntry(new ZipEntry("readme.txt"));
        }
        assertRefused(file, "data.pkl");
    }

    @Test
    void everyTruncationOfAFileIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(checkpoint(smallest(), Map.of("data/0", TWELVE)));
        Path file = folder.resolve("cut.pt");
        for (int length = 0; length < whole.length; length += 3) {
            Files.write(file, Arrays.copyOf(whole, length));
            assertThrows(MalformedFileException.class, () -> TorchCheckpoint.open(file));
        }
    }

    /// Whatever a byte of the zip structure is changed to, the answer is a reading or a refusal.
    @Test
    void everyChangedByteOfAFileEitherReadsOrIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(checkpoint(smallest(), Map.of("data/0", TWELVE)));
        Path file = folder.resolve("changed.pt");
        for (int at = 0; at < whole.length; at++) {
            for (int value : new int[] {0, 0xff}) {
                byte[] changed = whole.clone();
                changed[at] = (byte) value;
                Files.write(file, changed);
                try (TorchCheckpoint read = TorchCheckpoint.open(file)) {
                    read.tensors().values().forEach(StoredTensor::toFloats);
                } catch (MalformedFileException e) {
                    assertTrue(e.offset() <= whole.length, e.getMessage());
                }
            }
        }
    }

    /// The same file with its end record moved to the wide form that files above 4 GiB need.
    @Test
    void zip64DirectoryIsRead() throws IOException {
        Path file = checkpoint(smallest(), Map.of("data/0", TWELVE));
        byte[] whole = Files.readAllBytes(file);
        int end = whole.length - 22;
        ByteBuffer old = ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN);
        int count = old.getShort(end + 10);
        int size = old.getInt(end + 12);
        int start = old.getInt(end + 16);
        ByteBuffer wide =
                ByteBuffer.allocate(whole.length + 56 + 20).order(ByteOrder.LITTLE_ENDIAN);
        wide.put(whole, 0, end);
        wide.putInt(0x06064b50).putLong(44).putShort((short) 45).putShort((short) 45);
        wide.putInt(0).putInt(0).putLong(count).putLong(count).putLong(size).putLong(start);
        wide.putInt(0x07064b50).putInt(0).putLong(end).putInt(1);
        wide.putInt(0x06054b50).putInt(0).putInt(-1).putInt(-1).putInt(-1).putShort((short) 0);
        Files.write(file, wide.array());
        try (TorchCheckpoint read = TorchCheckpoint.open(file)) {
            assertEquals(12, read.tensors().get("w").toFloats().length);
        }
        wide.putLong(end + 56 + 8, Long.MAX_VALUE);
        Files.write(file, wide.array());
        assertRefused(file, "zip64");
    }

    @Test
    @Tag("shared")
    void realCheckpointEqualsItsExportedWeights() throws IOException {
        Path model = Path.of(System.getProperty("pollard.shared")).resolve("models/llama2xs-279k");
        try (TorchCheckpoint checkpoint = TorchCheckpoint.open(model.resolve("ckpt.pt"))) {
            Map<?, ?> args = (Map<?, ?>) checkpoint.values().get("model_args");
            assertEquals(64L, args.get("dim"));
            assertEquals(5L, args.get("n_layers"));
            assertEquals(0.0, args.get("dropout"));
            assertEquals(500L, checkpoint.values().get("iter_num"));
            StoredTensor loss =
                    assertInstanceOf(StoredTensor.class, checkpoint.values().get("best_val_loss"));
            assertEquals(1.928f, loss.toFloats()[0], 5e-4f);
            // The export: seven ints, then the embeddings, then all attention norms, then all wq.
            ByteBuffer export =
                    ByteBuffer.wrap(Files.readAllBytes(model.resolve("model.bin")))
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .position(7 * Integer.BYTES);
            assertNext(export, checkpoint.tensors().get("tok_embeddings.weight"));
            for (int layer = 0; layer < 5; layer++) {
                assertNext(
                        export,
                        checkpoint.tensors().get("layers." + layer + ".attention_norm.weight"));
            }
            for (int layer = 0; layer < 5; layer++) {
                StoredTensor wq =
                        checkpoint.tensors().get("layers." + layer + ".attention.wq.weight");
                assertEquals(Shape.of(64, 64), wq.shape());
                assertNext(export, wq);
            }
        }
    }

    private static void assertNext(ByteBuffer export, StoredTensor tensor) {
        for (float value : tensor.toFloats()) {
            assertEquals(export.getFloat(), value);
        }
    }

    private static PickleWriter smallest() {
        return stateDict()
                .text("w")
                .tensor("FloatStorage", "0", 12, 0, new int[] {12}, new int[] {1})
                .op('u');
    }

    private static PickleWriter stateDict() {
        return new PickleWriter().global("collections", "OrderedDict").op(')', 'R', '(');
    }

    private TorchCheckpoint open(PickleWriter pickle) throws IOException {
        return TorchCheckpoint.open(checkpoint(pickle, Map.of("data/0", TWELVE)));
    }

    private void assertRefused(PickleWriter pickle, String... reasons) {
        MalformedFileException e =
                assertThrows(
                        MalformedFileException.class,
                        () -> {
                            try (TorchCheckpoint _ = open(pickle)) {}
                        });
        for (String reason : reasons) {
            assertTrue(e.getMessage().contains(reason), e.getMessage());
        }
    }

    private static void assertRefused(Path file, String reason) {
        MalformedFileException e =
                assertThrows(MalformedFileException.class, () -> TorchCheckpoint.open(file));
        assertTrue(e.getMessage().contains(reason), e.getMessage());
        assertEquals(file, e.file());
    }

    /// A zip file of stored entries, as PyTorch writes it.
    private Path checkpoint(PickleWriter pickle, Map<String, byte[]> others) throws IOException {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        entries.put("data.pkl", pickle.stop());
        entries.putAll(others);
        Path file = folder.resolve("hand.pt");
        try (OutputStream out = Files.newOutputStream(file);
                ZipOutputStream zip = new ZipOutputStream(out)) {
            for (Map.Entry<String, byte[]> content : entries.entrySet()) {
                ZipEntry entry = new ZipEntry("archive/" + content.getKey());
                CRC32 crc = new CRC32();
                crc.update(content.getValue());
                entry.setMethod(ZipEntry.STORED);
                entry.setSize(content.getValue().length);
                entry.setCrc(crc.getValue());
                zip.putNextEntry(entry);
                zip.write(content.getValue());
            }
        }
        return file;
    }

    private static byte[] floats(int count) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            bytes.putFloat(i);
        }
        return bytes.array();
    }

    private static int indexOf(byte[] bytes, String text) {
        return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
    }
}
