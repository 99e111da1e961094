package dev.pollard.format.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorView;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SafetensorsWriterTest {
    private static final long SEED = 7;

    @TempDir Path folder;

    @Test
    void everyDtypeComesBackAsItWasWritten() throws IOException {
        SplittableRandom random = new SplittableRandom(SEED);
        List<Declaration> tensors = new ArrayList<>();
        List<byte[]> contents = new ArrayList<>();
        for (DType dtype : DType.values()) {
            for (Shape shape : List.of(Shape.of(3, 8), Shape.of(0, 5), Shape.of(8))) {
                tensors.add(new Declaration(dtype + "/" + shape + " é😀", dtype, shape));
                byte[] bytes = new byte[(int) dtype.bytes(shape.elements())];
                random.nextBytes(bytes);
                contents.add(bytes);
            }
        }
        Path file = folder.resolve("all.safetensors");
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(file, tensors, Map.of("note", "line\n\"quoted\""))) {
            for (int i = 0; i < tensors.size(); i++) {
                writer.write(tensors.get(i).name(), MemorySegment.ofArray(contents.get(i)));
            }
            writer.commit();
        }
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertEquals(tensors.size(), read.tensors().size());
            assertEquals(Map.of("note", "line\n\"quoted\"", "format", "pt"), read.metadata());
            for (int i = 0; i < tensors.size(); i++) {
                TensorView tensor = read.tensors().get(tensors.get(i).name());
                assertEquals(tensors.get(i).dtype(), tensor.dtype());
                assertEquals(tensors.get(i).shape(), tensor.shape());
                assertArrayEquals(contents.get(i), tensor.data().toArray(ValueLayout.JAVA_BYTE));
            }
        }
    }

    @Test
    void laysOutWidestDtypeFirstThenByName() throws IOException {
        Path file = folder.resolve("layout.safetensors");
        // U+FF5E sorts before U+1F600 in UTF-8, after it in UTF-16.
        List<Declaration> tensors =
                List.of(
                        new Declaration("bytes", DType.U8, Shape.of(3)),
                        new Declaration("\ud83d\ude00", DType.F32, Shape.of(0)),
                        new Declaration("\uff5e", DType.F32, Shape.of(0)),
                        new Declaration("half", DType.BF16, Shape.of(0)),
                        new Declaration("b", DType.F32, Shape.of(0)),
                        new Declaration("long", DType.I64, Shape.of(0)));
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, tensors, Map.of())) {
            for (Declaration tensor : tensors) {
                writer.write(
                        tensor.name(),
                        MemorySegment.ofArray(new byte[tensor.dtype() == DType.U8 ? 3 : 0]));
            }
            writer.commit();
        }
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertEquals(
                    List.of("long", "b", "\uff5e", "\ud83d\ude00", "half", "bytes"),
                    List.copyOf(read.tensors().keySet()));
        }
        assertEquals(0, (Files.size(file) - 3) % 8, "data starts at a multiple of 8");
    }

    /// More numbers than the writer's buffer holds, so that a tensor takes several writes.
    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    void roundsFloatsToTheDeclaredDtype(DType dtype) throws IOException {
        float[] values = new float[700_001];
        SplittableRandom random = new SplittableRandom(SEED);
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextDouble(-2, 2);
        }
        Path file = folder.resolve("floats.safetensors");
        Declaration tensor = new Declaration("w", dtype, Shape.of(values.length));
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, List.of(tensor), Map.of())) {
            writer.writeFloats("w", MemorySegment.ofArray(values));
            writer.commit();
        }
        MemorySegment narrowed = MemorySegment.ofArray(new byte[(int) dtype.bytes(values.length)]);
        dtype.narrow(MemorySegment.ofArray(values), values.length, narrowed);
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertEquals(-1, read.tensors().get("w").data().mismatch(narrowed));
        }
    }

    @Test
    void nothingIsLeftWithoutACommit() throws IOException {
        Path file = folder.resolve("abandoned.safetensors");
        try (SafetensorsWriter writer = one(file)) {
            writer.write("w", MemorySegment.ofArray(new byte[4]));
            assertFalse(Files.exists(file), "not before the commit");
            assertEquals(1, count());
        }
        assertEquals(0, count());
    }

    @Test
    void commitReplacesAnOlderFileAndLeavesNothingBeside() throws IOException {
        Path file = Files.writeString(folder.resolve("w.safetensors"), "old");
        try (SafetensorsWriter writer = one(file)) {
            writer.write("w", MemorySegment.ofArray(new byte[] {1, 2, 3, 4}));
            assertEquals("old", Files.readString(file));
            writer.commit();
        }
        assertEquals(1, count());
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertEquals(4, read.tensors().get("w").data().byteSize());
        }
    }

    @Test
    void commitRefusesWhileATensorIsMissing() throws IOException {
        try (SafetensorsWriter writer = one(folder.resolve("half.safetensors"))) {
            IllegalStateException e = assertThrows(IllegalStateException.class, writer::commit);
            assertTrue(e.getMessage().contains("'w'"), e.getMessage());
        }
        assertEquals(0, count());
    }

    @Test
    void writesEveryTensorOnceAndInItsSize() throws IOException {
        MemorySegment four = MemorySegment.ofArray(new byte[4]);
        try (SafetensorsWriter writer = one(folder.resolve("w.safetensors"))) {
            assertThrows(IllegalArgumentException.class, () -> writer.write("v", four));
            assertThrows(IllegalArgumentException.class, () -> writer.write("w", four.asSlice(1)));
            assertThrows(IllegalArgumentException.class, () -> writer.writeFloats("w", four));
            writer.write("w", four);
            assertThrows(IllegalArgumentException.class, () -> writer.write("w", four));
        }
    }

    @Test
    void refusesDeclarationsNoFileCanHold() {
        Path file = folder.resolve("w.safetensors");
        Declaration w = new Declaration("w", DType.U8, Shape.of(4));
        List<List<Declaration>> refused =
                List.of(
                        List.of(w, w),
                        List.of(new Declaration("__metadata__", DType.U8, Shape.of(1))),
                        List.of(new Declaration("\ud800", DType.U8, Shape.of(1))));
        for (List<Declaration> tensors : refused) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> SafetensorsWriter.create(file, tensors, Map.of()));
        }
        assertThrows(
                IllegalArgumentException.class, () -> new Declaration("w", DType.F4, Shape.of(3)));
    }

    /// A limit on the size of files stands in for a full disk: the failing call is the same.
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void fullDiskIsAnIoExceptionThatNamesTheFileAndLeavesNothing() throws Exception {
        Path target = folder.resolve("large.safetensors");
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        Process child =
                new ProcessBuilder(
                                "/bin/sh",
                                "-c",
                                "ulimit -f 64 && exec \"$0\" \"$@\"",
                                java.toString(),
                                "-XX:-UsePerfData",
                                "-Xshare:auto",
                                "-cp",
                                System.getProperty("java.class.path"),
                                LargeWrite.class.getName(),
                                target.toString())
                        .redirectErrorStream(true)
                        .start();
        String output = new String(child.getInputStream().readAllBytes());
        assertTrue(child.waitFor(30, TimeUnit.SECONDS));
        assertEquals(0, child.exitValue(), output);
        assertTrue(output.contains("cannot write " + target), output);
        assertEquals(0, count());
    }

    /// Writes a megabyte to the file named, in a JVM that may not.
    static final class LargeWrite {
        public static void main(String[] args) {
            Declaration tensor = new Declaration("w", DType.F32, Shape.of(1 << 18));
            try (SafetensorsWriter writer =
                    SafetensorsWriter.create(Path.of(args[0]), List.of(tensor), Map.of())) {
                writer.writeFloats("w", MemorySegment.ofArray(new float[1 << 18]));
                writer.commit();
            } catch (IOException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    private static SafetensorsWriter one(Path file) throws IOException {
        return SafetensorsWriter.create(
                file, List.of(new Declaration("w", DType.U8, Shape.of(4))), Map.of());
    }

    private long count() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.count();
        }
    }

    @Test
    void floatsOnDiskAreLittleEndian() throws IOException {
        Path file = folder.resolve("one.safetensors");
        Declaration tensor = new Declaration("w", DType.F32, Shape.of());
        try (SafetensorsWriter writer = SafetensorsWriter.create(file, List.of(tensor), Map.of())) {
            MemorySegment value = MemorySegment.ofArray(new byte[4]);
            value.set(StoredTensor.FLOAT, 0, 1f);
            writer.writeFloats("w", value);
            writer.commit();
        }
        byte[] bytes = Files.readAllBytes(file);
        assertArrayEquals(
                new byte[] {0, 0, -128, 63},
                Arrays.copyOfRange(bytes, bytes.length - 4, bytes.length));
    }
}
