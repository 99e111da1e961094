package dev.pollard.data;

import dev.pollard.format.MalformedFileException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/// Token ids in NumPy's `.npy` format (versions 1 to 3): int32 or int64, little-endian, C order,
/// 1-D or 2-D. Mapped, not loaded; a gzipped one (`.gz`) is unpacked into memory, and offsets are
/// those of the unpacked bytes.
///
/// The header is a Python literal; it is read by a parser that knows nothing but the three keys
/// that NumPy writes.
final class NpyFile implements AutoCloseable {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final ValueLayout.OfInt INT32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong INT64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// Bytes that a gzipped file may unpack to.
    private static final int LONGEST = 1 << 30;

    private final Path file;
    private final Arena arena;
    private final MemorySegment bytes;
    private final Header header;
    private final long start; // byte offset of the first id

    private record Header(int itemSize, List<Long> shape) {}

    /// @throws MalformedFileException if the file is not what the class says
    static NpyFile open(Path file) throws IOException {
        var arena = Arena.ofConfined();
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            if (file.toString().toLowerCase(Locale.ROOT).endsWith(".gz")) {
                byte[] unpacked = unpacked(file, Channels.newInputStream(channel));
                return new NpyFile(file, arena, MemorySegment.ofArray(unpacked));
            }
            var bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            return new NpyFile(file, arena, bytes);
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static byte[] unpacked(Path file, InputStream packed) throws IOException {
        byte[] bytes;
        try (var in = new GZIPInputStream(packed)) {
            bytes = in.readNBytes(LONGEST + 1);
        } catch (ZipException | EOFException e) {
            throw new MalformedFileException(file, 0, "broken gzip data", e);
        }
        if (bytes.length > LONGEST) {
            throw new MalformedFileException(
                    file, LONGEST, "unpacks to more than %,d bytes".formatted(LONGEST));
        }
        return bytes;
    }

    private NpyFile(Path file, Arena arena, MemorySegment bytes) throws IOException {
        this.file = file;
        this.arena = arena;
        this.bytes = bytes;
        long size = bytes.byteSize();
        if (size < 10 || bytes.asSlice(0, 6).mismatch(MemorySegment.ofArray(MAGIC)) >= 0) {
            throw malformed(0, "not a .npy file");
        }
        int version = bytes.get(ValueLayout.JAVA_BYTE, 6);
        if (version < 1 || version > 3) {
            throw malformed(6, ".npy version %d is not known".formatted(version));
        }
        boolean wide = version > 1;
        long from = wide ? 12 : 10;
        if (size < from) {
            throw malformed(size, "the header ends too early");
        }
        long length =
                wide
                        ? Integer.toUnsignedLong(bytes.get(INT32, 8))
                        : Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, 8))
                                | Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, 9)) << 8;
        if (length > size - from || length > 1 << 16) {
            throw malformed(8, "a header of %,d bytes in a file of %,d".formatted(length, size));
        }
        byte[] text = bytes.asSlice(from, length).toArray(ValueLayout.JAVA_BYTE);
        this.header = new HeaderParser(from, new String(text, StandardCharsets.ISO_8859_1)).parse();
        this.start = from + length;
        long items = 1;
        for (long dimension : header.shape) {
            if (dimension != 0 && items > size / dimension) { // also bars overflow
                items = Long.MAX_VALUE;
                break;
            }
            items *= dimension;
        }
        if (items > size || items * header.itemSize != size - start) {
            throw malformed(
                    start,
                    "shape %s of %d bytes each does not fit the %,d bytes that follow"
                            .formatted(header.shape, header.itemSize, size - start));
        }
    }

    /// Whether the rows of a matrix are the sequences.
    boolean isMatrix() {
        return header.shape.size() == 2;
    }

    /// Sequences: 1 for a 1-D file.
    long rows() {
        return isMatrix() ? header.shape.getFirst() : 1;
    }

    /// Ids of a row; of the whole file if it is 1-D.
    long columns() {
        return header.shape.getLast();
    }

    /// Ids `[from, from + count)` in file order.
    ///
    /// @param vocabulary ids must be below
    /// @throws MalformedFileException at the first id that is not
    int[] read(long from, int count, int vocabulary) throws MalformedFileException {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            long at = start + (from + i) * header.itemSize;
            long id = header.itemSize == 4 ? bytes.get(INT32, at) : bytes.get(INT64, at);
            if (id < 0 || id >= vocabulary) {
                throw malformed(
                        at,
                        "id %d at position %s is outside the vocabulary of %d"
                                .formatted(id, position(from + i), vocabulary));
            }
            ids[i] = (int) id;
        }
        return ids;
    }

    private String position(long item) {
        return isMatrix() ? "[%d, %d]".formatted(item / columns(), item % columns()) : "" + item;
    }

    private MalformedFileException malformed(long offset, String reason) {
        return new MalformedFileException(file, offset, reason);
    }

    @Override
    public void close() {
        arena.close();
    }

    /// Reads `{'descr': '<i4', 'fortran_order': False, 'shape': (32, 512), }`, keys in any order.
    private final class HeaderParser {
        private final long offset;
        private final String text;
        private int at;

        HeaderParser(long offset, String text) {
            this.offset = offset;
            this.text = text;
        }

        Header parse() throws MalformedFileException {
            String type = null;
            String order = null;
            List<Long> shape = null;
            var seen = new HashSet<String>();
            expect('{');
            while (!accept('}')) {
                int start = at;
                String key = string();
                expect(':');
                if (!seen.add(key)) {
                    throw at(start, "header key '" + key + "' stands twice");
                }
                switch (key) {
                    case "descr" -> type = string();
                    case "fortran_order" -> order = word();
                    case "shape" -> shape = tuple();
                    default -> throw at(start, "unexpected header key '" + key + "'");
                }
                if (!accept(',')) {
                    expect('}');
                    break;
                }
            }
            skipSpace();
            if (at != text.length()) {
                throw at(at, "something follows the header");
            }
            if (type == null || order == null || shape == null) {
                throw at(0, "the header lacks descr, fortran_order or shape");
            }
            if (!order.equals("False")) {
                throw at(0, "fortran_order is " + order + ", token ids must be in C order");
            }
            if (shape.isEmpty() || shape.size() > 2) {
                throw at(0, "shape " + shape + ", token ids have one or two dimensions");
            }
            int itemSize =
                    switch (type) {
                        case "<i4" -> 4;
                        case "<i8" -> 8;
                        default ->
                                throw at(
                                        0,
                                        "dtype '%s', token ids are int32 or int64 ('<i4', '<i8')"
                                                .formatted(type));
                    };
            return new Header(itemSize, List.copyOf(shape));
        }

        private List<Long> tuple() throws MalformedFileException {
            var sizes = new ArrayList<Long>();
            expect('(');
            while (!accept(')')) {
                sizes.add(number());
                if (!accept(',')) {
                    expect(')');
                    break;
                }
            }
            return sizes;
        }

        private long number() throws MalformedFileException {
            skipSpace();
            int from = at;
            while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
                at++;
            }
            if (from == at || at - from > 18) {
                throw at(from, "the shape is not a tuple of sizes");
            }
            return Long.parseLong(text.substring(from, at));
        }

        private String word() {
            skipSpace();
            int from = at;
            while (at < text.length() && Character.isLetter(text.charAt(at))) {
                at++;
            }
            return text.substring(from, at);
        }

        private String string() throws MalformedFileException {
            skipSpace();
            int from = at;
            if (at < text.length() && (text.charAt(at) == '\'' || text.charAt(at) == '"')) {
                int end = text.indexOf(text.charAt(at), at + 1);
                if (end > 0) {
                    at = end + 1;
                    return text.substring(from + 1, end);
                }
            }
            throw at(from, "expected a quoted name in the header");
        }

        private boolean accept(char c) {
            skipSpace();
            if (at < text.length() && text.charAt(at) == c) {
                at++;
                return true;
            }
            return false;
        }

        private void expect(char c) throws MalformedFileException {
            if (!accept(c)) {
                throw at(at, "expected '" + c + "' in the header");
            }
        }

        private void skipSpace() {
            while (at < text.length() && (text.charAt(at) == ' ' || text.charAt(at) == '\n')) {
                at++;
            }
        }

        private MalformedFileException at(int position, String reason) {
            return malformed(offset + position, reason);
        }
    }
}
