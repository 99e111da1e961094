package dev.pollard.format.torch;

import dev.pollard.format.MalformedFileException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.zip.CRC32;

/// The entries of a mapped zip file by its central directory, zip64 included, each a view on the
/// file's own bytes.
///
/// PyTorch stores its entries uncompressed, so that they can be mapped; a compressed or encrypted
/// one is refused when it is asked for. Layouts from PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.
final class ZipDirectory {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int LOCAL_HEADER = 0x04034b50;
    private static final int CENTRAL_HEADER = 0x02014b50;
    private static final int END = 0x06054b50;
    private static final int ZIP64_LOCATOR = 0x07064b50;
    private static final int ZIP64_END = 0x06064b50;

    private static final int LOCAL_HEADER_BYTES = 30;
    private static final int CENTRAL_HEADER_BYTES = 46;
    private static final int END_BYTES = 22;
    private static final int ZIP64_LOCATOR_BYTES = 20;
    private static final int ZIP64_END_BYTES = 56;
    private static final int LONGEST_COMMENT = 0xffff;

    private static final int ZIP64_EXTRA = 1;
    private static final int IN_ZIP64_SHORT = 0xffff;
    private static final long IN_ZIP64_INT = 0xffff_ffffL;
    private static final int ENCRYPTED = 1;

    /// @param position offset of the entry in the central directory
    /// @param size bytes, compressed and not: equal for a stored entry
    private record Entry(
            long position, int flags, int method, int crc, long packed, long size, long header) {}

    private final Path file;
    private final MemorySegment bytes;
    private final SequencedMap<String, Entry> entries = new LinkedHashMap<>();

    ZipDirectory(Path file, MemorySegment bytes) throws MalformedFileException {
        this.file = file;
        this.bytes = bytes;
        read();
    }

    private void read() throws MalformedFileException {
        long end = findEnd();
        long count = u16(end + 10);
        long size = u32(end + 12);
        long start = u32(end + 16);
        long disk = u16(end + 4);
        long limit = end;
        if (count == IN_ZIP64_SHORT || size == IN_ZIP64_INT || start == IN_ZIP64_INT) {
            long locator = end - ZIP64_LOCATOR_BYTES;
            if (locator >= 0 && i32(locator) == ZIP64_LOCATOR) {
                long end64 = i64(locator + 8);
                require(end64, ZIP64_END_BYTES, locator, locator, "zip64 end record");
                if (i32(end64) != ZIP64_END) {
                    throw malformed(end64, "no zip64 end record here");
                }
                disk = u32(end64 + 16);
                count = i64(end64 + 32);
                size = i64(end64 + 40);
                start = i64(end64 + 48);
                limit = end64;
            }
        }
        if (disk != 0) {
            throw malformed(end, "zip file in several parts");
        }
        require(start, size, limit, end, "central directory");
        if (count < 0 || count > size / CENTRAL_HEADER_BYTES) {
            throw malformed(
                    end,
                    "%s entries in a central directory of %d bytes"
                            .formatted(Long.toUnsignedString(count), size));
        }
        long at = start;
        for (long i = 0; i < count; i++) {
            at = readEntry(at, start + size);
        }
    }

    /// The end record stands before a comment of unknown length, which ends the file.
    private long findEnd() throws MalformedFileException {
        long last = bytes.byteSize() - END_BYTES;
        for (long at = last; at >= 0 && at >= last - LONGEST_COMMENT; at--) {
            if (i32(at) == END && u16(at + 20) == last - at) {
                return at;
            }
        }
        throw malformed(0, "not a zip file: no end of central directory");
    }

    private long readEntry(long at, long limit) throws MalformedFileException {
        require(at, CENTRAL_HEADER_BYTES, limit, at, "central directory entry");
        if (i32(at) != CENTRAL_HEADER) {
            throw malformed(at, "no central directory entry here");
        }
        int nameLength = u16(at + 28);
        int extraLength = u16(at + 30);
        long extra = at + CENTRAL_HEADER_BYTES + nameLength;
        long next = extra + extraLength + u16(at + 32);
        require(at, next - at, limit, at, "central directory entry");
        byte[] name = new byte[nameLength];
        MemorySegment.copy(
                bytes, ValueLayout.JAVA_BYTE, at + CENTRAL_HEADER_BYTES, name, 0, nameLength);

        long packed = u32(at + 20);
        long size = u32(at + 24);
        long header = u32(at + 42);
        long wide = zip64(extra, extra + extraLength);
        // The wide fields stand in this order, only those that did not fit.
        long[] fields = {size, packed, header};
        for (int i = 0; i < fields.length; i++) {
            if (fields[i] == IN_ZIP64_INT && wide >= 0) {
                require(wide, Long.BYTES, extra + extraLength, at, "zip64 field");
                fields[i] = i64(wide);
                wide += Long.BYTES;
            }
        }
        String text = new String(name, StandardCharsets.UTF_8);
        Entry entry =
                new Entry(
                        at,
                        u16(at + 8),
                        u16(at + 10),
                        i32(at + 16),
                        fields[1],
                        fields[0],
                        fields[2]);
        if (entries.put(text, entry) != null) {
            throw malformed(at, "entry '" + text + "' occurs twice");
        }
        return next;
    }

    /// Start of the zip64 extra field between the two offsets, or -1.
    private long zip64(long extra, long limit) {
        for (long at = extra; at + 4 <= limit; at += 4 + u16(at + 2)) {
            if (u16(at) == ZIP64_EXTRA) {
                return at + 4;
            }
        }
        return -1;
    }

    /// Names of all entries, in directory order.
    Iterable<String> names() {
        return entries.keySet();
    }

    boolean contains(String name) {
        return entries.containsKey(name);
    }

    /// The bytes of a stored entry, not copied and not checked against their checksum: that would
    /// read all of a checkpoint only to list it.
    MemorySegment bytes(String name) throws MalformedFileException {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw malformed(bytes.byteSize(), "no entry '" + name + "' in the zip file");
        }
        String quoted = "entry '" + name + "'";
        if ((entry.flags() & ENCRYPTED) != 0) {
            throw malformed(entry.position(), quoted + " is encrypted");
        }
        if (entry.method() != 0) {
            throw malformed(
                    entry.position(),
                    quoted + " is compressed; PyTorch stores entries as they are");
        }
        if (entry.packed() != entry.size()) {
            throw malformed(entry.position(), quoted + " is stored, but has two sizes");
        }
        long end = bytes.byteSize();
        require(entry.header(), LOCAL_HEADER_BYTES, end, entry.position(), quoted);
        if (i32(entry.header()) != LOCAL_HEADER) {
            throw malformed(entry.header(), quoted + " does not start here");
        }
        long data =
                entry.header()
                        + LOCAL_HEADER_BYTES
                        + u16(entry.header() + 26)
                        + u16(entry.header() + 28);
        require(data, entry.size(), end, entry.position(), quoted);
        return bytes.asSlice(data, entry.size());
    }

    /// A copy of a stored entry, its checksum compared.
    ///
    /// @param limit longest entry to be copied, in bytes
    byte[] copy(String name, int limit) throws MalformedFileException {
        MemorySegment view = bytes(name);
        Entry entry = entries.get(name);
        if (view.byteSize() > limit) {
            throw malformed(
                    entry.position(),
                    "entry '%s' of %d bytes is above the limit of %d"
                            .formatted(name, view.byteSize(), limit));
        }
        byte[] copy = view.toArray(ValueLayout.JAVA_BYTE);
        CRC32 crc = new CRC32();
        crc.update(copy);
        if ((int) crc.getValue() != entry.crc()) {
            throw malformed(position(view), "entry '" + name + "' does not match its checksum");
        }
        return copy;
    }

    /// Offset in the file of a view this directory gave out.
    long position(MemorySegment view) {
        return view.address() - bytes.address();
    }

    /// Refuses a range `[from, from + length)` that is not inside `[0, limit)`.
    private void require(long from, long length, long limit, long position, String what)
            throws MalformedFileException {
        if (from < 0 || length < 0 || from > limit || length > limit - from) {
            throw malformed(position, what + " lies outside the file");
        }
    }

    private MalformedFileException malformed(long position, String reason) {
        return new MalformedFileException(file, position, reason);
    }

    private int u16(long at) {
        return Short.toUnsignedInt(bytes.get(SHORT, at));
    }

    private int i32(long at) {
        return bytes.get(INT, at);
    }

    private long u32(long at) {
        return Integer.toUnsignedLong(bytes.get(INT, at));
    }

    private long i64(long at) {
        return bytes.get(LONG, at);
    }
}
