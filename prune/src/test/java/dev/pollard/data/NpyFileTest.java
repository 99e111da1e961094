package dev.pollard.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpyFileTest {
    @TempDir Path folder;

    @Test
    void readsBothIntegersInAllVersions() throws Exception {
        for (int version = 1; version <= 3; version++) {
            for (int itemSize : new int[] {4, 8}) {
                String header = Npy.header("<i" + itemSize, "(6,)");
                try (var npy = NpyFile.open(write(version, header, 6, itemSize))) {
                    assertEquals(6, npy.columns());
                    assertArrayEquals(new int[] {2, 3, 4}, npy.read(2, 3, 100));
                }
            }
        }
    }

    @Test
    void readsKeysInAnyOrder() throws Exception {
        String header = "{\"shape\":(2,3),'fortran_order':False,'descr':'<i4'}";
        try (var npy = NpyFile.open(write(1, header, 6, 4))) {
            assertTrue(npy.isMatrix());
            assertEquals(2, npy.rows());
            assertEquals(3, npy.columns());
        }
    }

    @Test
    void refusesWhatIsNotTokenIds() throws Exception {
        refuse("dtype '<f4'", Npy.header("<f4", "(6,)"));
        refuse("dtype '>i4'", Npy.header(">i4", "(6,)"));
        refuse("dtype '|O'", Npy.header("|O", "(6,)"));
        refuse("one or two dimensions", Npy.header("<i4", "(1, 2, 3)"));
        refuse("one or two dimensions", Npy.header("<i4", "()"));
        refuse(
                "must be in C order",
                "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }\n");
    }

    @Test
    void refusesSizesThatTheFileDoesNotHave() throws Exception {
        refuse("does not fit", Npy.header("<i4", "(7,)"));
        refuse("does not fit", Npy.header("<i4", "(5,)"));
        refuse("does not fit", Npy.header("<i8", "(6,)"));
        refuse("does not fit", Npy.header("<i4", "(4294967296, 4294967296)"));
        refuse("does not fit", Npy.header("<i4", "(999999999999999999,)"));
        refuse("does not fit", Npy.header("<i4", "(0,)"));
        refuse("not a tuple of sizes", Npy.header("<i4", "(9999999999999999999,)"));
        refuse("not a tuple of sizes", Npy.header("<i4", "(-6,)"));
    }

    @Test
    void evaluatesNothing() throws Exception {
        refuse("not a tuple of sizes", Npy.header("<i4", "(__import__('os'),)"));
        refuse("expected", "__import__('os').remove('x')");
        refuse("unexpected header key 'x'", "{'x': 1}");
        refuse("stands twice", "{'descr': '<i4', 'descr': '<i4'}");
        refuse("something follows", Npy.header("<i4", "(6,)") + "0");
        refuse("lacks", "{'descr': '<i4'}");
        refuse("expected a quoted name", "{'descr");
        refuse("expected", "");
    }

    @Test
    void unpacksGzippedFiles() throws Exception {
        var packed = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(packed)) {
            gzip.write(Files.readAllBytes(write(1, Npy.header("<i8", "(2, 3)"), 6, 8)));
        }
        Path file = Files.write(folder.resolve("a.npy.gz"), packed.toByteArray());
        try (var npy = NpyFile.open(file)) {
            assertArrayEquals(new int[] {2, 3, 4}, npy.read(2, 3, 6));
        }
        for (int length = 0; length < packed.size(); length++) {
            Files.write(file, Arrays.copyOf(packed.toByteArray(), length));
            assertThrows(MalformedFileException.class, () -> NpyFile.open(file));
        }
        packed.reset();
        try (var gzip = new GZIPOutputStream(packed)) {
            gzip.write(new byte[9]);
        }
        Files.write(file, packed.toByteArray());
        assertThrows(MalformedFileException.class, () -> NpyFile.open(file));
    }

    @Test
    void refusesEveryTruncation() throws Exception {
        byte[] whole = Files.readAllBytes(write(1, Npy.header("<i4", "(6,)"), 6, 4));
        for (int length = 0; length < whole.length; length++) {
            Path file = Files.write(folder.resolve("cut.npy"), Arrays.copyOf(whole, length));
            var e = assertThrows(MalformedFileException.class, () -> NpyFile.open(file));
            assertTrue(e.offset() >= 0 && e.offset() <= length, e.getMessage());
        }
        whole[6] = 9;
        Path file = Files.write(folder.resolve("cut.npy"), whole);
        assertThrows(MalformedFileException.class, () -> NpyFile.open(file));
    }

    @Test
    void refusesIdsOutsideTheVocabularyWithTheirPosition() throws Exception {
        try (var npy = NpyFile.open(write(1, Npy.header("<i4", "(2, 3)"), 6, 4))) {
            var e = assertThrows(MalformedFileException.class, () -> npy.read(3, 3, 5));
            assertTrue(e.getMessage().contains("id 5 at position [1, 2]"), e.getMessage());
        }
    }

    private void refuse(String part, String header) throws IOException {
        Path file = write(1, header, 6, 4);
        var e = assertThrows(MalformedFileException.class, () -> NpyFile.open(file));
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    private Path write(int version, String header, int count, int itemSize) throws IOException {
        return Npy.write(folder.resolve("ids.npy"), version, header, count, itemSize);
    }
}
