package dev.pollard.format.safetensors;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.TensorView;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsFileTest {
    @TempDir Path folder;

    @Test
    void readsTensorsInTheOrderOfTheirBytes() throws IOException {
        Path file =
                file(
                        "{'b':{'dtype':'F32','shape':[1],'data_offsets':[4,8]},"
                                + "'__metadata__':{'format':'pt','by':'hand'},"
                                + "'a':{'dtype':'I16','shape':[2,1],'data_offsets':[0,4]}}   ",
                        new byte[] {1, 0, -1, -1, 0, 0, -128, 63});
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            assertEquals(List.of("a", "b"), List.copyOf(opened.tensors().keySet()));
            assertEquals(Map.of("format", "pt", "by", "hand"), opened.metadata());
            TensorView a = opened.tensors().get("a");
            assertEquals(DType.I16, a.dtype());
            assertEquals(Shape.of(2, 1), a.shape());
            assertArrayEquals(new float[] {1, -1}, a.toFloats());
            assertArrayEquals(new float[] {1}, opened.tensors().get("b").toFloats());
        }
    }

    @Test
    void viewsDieWithTheFile() throws IOException {
        TensorView view;
        Path file = file("{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]}}", new byte[1]);
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            view = opened.tensors().get("a");
        }
        assertThrows(IllegalStateException.class, view::toFloats);
    }

    @Test
    void ignoresFieldsItDoesNotKnow() throws IOException {
        Path file =
                file(
                        "{'a':{'dtype':'U8','x':[{'y':[1.5]}],'shape':[],'data_offsets':[0,1]}}",
                        new byte[] {7});
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            assertArrayEquals(new float[] {7}, opened.tensors().get("a").toFloats());
        }
    }

    /// Single quotes stand for double ones. Every header is followed by four bytes of data.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}} x      | 63 | invalid JSON",
                "[1]                                                            | 8 | start with '{'",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}{}       | 62 | text after",
                "{'a':{'dtype':'F33','shape':[1],'data_offsets':[0,4]}}         | 22 | 'F33'",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,8]}}         | 9 | offsets give 8",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}}         | 9 | of 4 bytes",
                "{'a':{'dtype':'U8','shape':[2],'data_offsets':[0,2]}}          | 63 | last 2 bytes",
                "{'a':{'dtype':'U8','shape':[2],'data_offsets':[2,4]}}          | 61 | 2 bytes before",
                "{'a':{'dtype':'U8','shape':[-1],'data_offsets':[0,4]}}         | 36 | negative",
                "{'a':{'dtype':'U8','shape':[1.0],'data_offsets':[0,4]}}        | 36 | integer",
                "{'a':{'dtype':'U8','shape':[9223372036854775808],'data_offsets':[0,4]}} | 36 | 63",
                "{'a':{'shape':[4],'data_offsets':[0,4]}}                       | 9 | no dtype",
                "{'a':{'dtype':'U8','dtype':'U8','shape':[4],'data_offsets':[0,4]}} | 27 | twice",
                "{'__metadata__':{'a':1}}                                       | 29 | not a string",
                "{'__metadata__':{'a':'','a':''}}                               | 32 | twice",
                "{'a':[]}                                                       | 13 | JSON object",
                "{'\\ud800':{}}                                               | 16 | surrogate",
                "{'__metadata__':{'a':'\\ud800'}}                             | 29 | surrogate",
                "{'__metadata__':{'a':'\\udc00x'}}                            | 29 | surrogate",
            })
    void malformedHeaderIsRefusedAtItsByte(String header, long offset, String reason)
            throws IOException {
        Path file = file(header, new byte[4]);
        MalformedFileException e =
                assertThrows(MalformedFileException.class, () -> SafetensorsFile.open(file));
        assertEquals(offset, e.offset(), e.getMessage());
        assertEquals(file, e.file());
        assertTrue(e.getMessage().contains(reason), e.getMessage());
        assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
    }

    @Test
    void duplicateTensorIsRefusedEvenIfBothAgree() throws IOException {
        String entry = "'a':{'dtype':'U8','shape':[4],'data_offsets':[0,4]}";
        assertRefused("{" + entry + "," + entry + "}", "occurs twice");
    }

    @Test
    void deepNestingEndsInAMessageNotInAnOverflow() throws IOException {
        assertRefused("{'a':" + "[".repeat(1_000_000), "object");
        assertRefused("{'a':{'x':" + "[".repeat(1_000_000), "invalid JSON");
    }

    @Test
    void numberOfAMillionDigitsIsRefused() throws IOException {
        String digits = "9".repeat(1_000_000);
        assertRefused("{'a':{'dtype':'U8','shape':[" + digits + "]}}", "invalid JSON");
    }

    @Test
    void lengthsBeyondTheFileAreRefusedUnread() throws IOException {
        for (long length : new long[] {9, 1 << 20, 100_000_001, 1L << 32, 1L << 63, -1}) {
            byte[] bytes =
                    ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array();
            Path file = Files.write(folder.resolve("length-" + length), bytes);
            MalformedFileException e =
                    assertThrows(MalformedFileException.class, () -> SafetensorsFile.open(file));
            assertEquals(0, e.offset());
        }
    }

    @Test
    void filesShorterThanTheLengthFieldAreRefused() throws IOException {
        for (int length : new int[] {0, 1, 7}) {
            Path file = Files.write(folder.resolve("short"), new byte[length]);
            assertThrows(MalformedFileException.class, () -> SafetensorsFile.open(file));
        }
    }

    @Test
    void utf16HeaderIsRefused() throws IOException {
        byte[] header = "{}".getBytes(StandardCharsets.UTF_16LE);
        assertRefused(new String(header, ISO_8859_1), "NUL");
    }

    @Test
    void everyChangedByteOfAHeaderEitherReadsOrIsRefused() throws IOException {
        byte[] whole =
                ("{'__metadata__':{'a':'b'},'é':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},"
                                + "'c':{'dtype':'BOOL','shape':[2,0],'data_offsets':[4,4]}} ")
                        .replace('\'', '"')
                        .getBytes(UTF_8);
        Path file = folder.resolve("changed.safetensors");
        assertEquals(2, SafetensorsHeader.parse(file, 8, whole, 4).entries().size());
        for (int at = 0; at < whole.length; at++) {
            for (int value = 0; value < 256; value++) {
                byte[] changed = whole.clone();
                changed[at] = (byte) value;
                try {
                    SafetensorsHeader.parse(file, 8, changed, 4);
                } catch (MalformedFileException e) {
                    assertTrue(e.offset() <= 8 + whole.length + 4, e.getMessage());
                }
            }
        }
    }

    @Test
    void missingFileIsNotAMalformedOne() {
        assertThrows(
                NoSuchFileException.class,
                () -> SafetensorsFile.open(folder.resolve("none.safetensors")));
    }

    private void assertRefused(String header, String reason) throws IOException {
        Path file = file(header, new byte[4]);
        MalformedFileException e =
                assertThrows(MalformedFileException.class, () -> SafetensorsFile.open(file));
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    private Path file(String header, byte[] data) throws IOException {
        byte[] text = header.replace('\'', '"').getBytes(UTF_8);
        ByteBuffer bytes =
                ByteBuffer.allocate(8 + text.length + data.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(text.length).put(text).put(data);
        return Files.write(folder.resolve("hand.safetensors"), bytes.array());
    }
}
