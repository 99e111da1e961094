package dev.pollard.format.gguf;

import dev.pollard.format.MalformedFileException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Walks the head of a GGUF file. Every length is held against the bytes that are left before
/// anything is allocated.
final class GgufCursor {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int MAX_NESTING = 8;

    private final Path file;
    private final MemorySegment bytes;
    private long position;
    private int lengthBytes = 8;

    GgufCursor(Path file, MemorySegment bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    /// Version 1 writes counts, string lengths and dimensions in 32 bits.
    void lengthsAre32Bit() {
        lengthBytes = 4;
    }

    int lengthBytes() {
        return lengthBytes;
    }

    long position() {
        return position;
    }

    private long take(long size, String what) throws MalformedFileException {
        if (size > bytes.byteSize() - position) {
            throw malformed(position, "the file ends inside " + what);
        }
        long at = position;
        position += size;
        return at;
    }

    int u32() throws MalformedFileException {
        return bytes.get(INT, take(4, "a number"));
    }

    long u64() throws MalformedFileException {
        return bytes.get(LONG, take(8, "a number"));
    }

    /// A count, a length or a dimension.
    long length() throws MalformedFileException {
        long at = position;
        long length = lengthBytes == 4 ? Integer.toUnsignedLong(u32()) : u64();
        if (length < 0) {
            throw malformed(
                    at, "a length of %s is impossible".formatted(Long.toUnsignedString(length)));
        }
        return length;
    }

    /// Refuses a count that the bytes left cannot hold.
    void checkCount(long at, String what, long count, long leastBytesEach)
            throws MalformedFileException {
        if (count > (bytes.byteSize() - position) / leastBytesEach) {
            throw malformed(
                    at, "%d %s are claimed, more than the file can hold".formatted(count, what));
        }
    }

    String string() throws MalformedFileException {
        long at = position;
        long length = length();
        if (length > bytes.byteSize() - position || length > Integer.MAX_VALUE - 8) {
            throw malformed(at, "a string of %d bytes reaches beyond the file".formatted(length));
        }
        byte[] utf8 =
                bytes.asSlice(take(length, "a string"), length).toArray(ValueLayout.JAVA_BYTE);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
        } catch (CharacterCodingException notUtf8) {
            throw new MalformedFileException(file, at, "a string is not UTF-8", notUtf8);
        }
    }

    GgufValueType valueType() throws MalformedFileException {
        long at = position;
        int id = u32();
        if (id < 0 || id >= GgufValueType.values().length) {
            throw malformed(at, "value type %s is unknown".formatted(Integer.toUnsignedString(id)));
        }
        return GgufValueType.values()[id];
    }

    /// Integers come as `Long` (`BigInteger` beyond it), the others as `Float`, `Double`,
    /// `Boolean`, `String`; arrays as lists of these.
    Object value(GgufValueType type) throws MalformedFileException {
        return value(type, 0);
    }

    private Object value(GgufValueType type, int nesting) throws MalformedFileException {
        return switch (type) {
            case UINT8 -> (long) Byte.toUnsignedInt(bytes.get(ValueLayout.JAVA_BYTE, next(type)));
            case INT8 -> (long) bytes.get(ValueLayout.JAVA_BYTE, next(type));
            case UINT16 -> (long) Short.toUnsignedInt(bytes.get(SHORT, next(type)));
            case INT16 -> (long) bytes.get(SHORT, next(type));
            case UINT32 -> Integer.toUnsignedLong(bytes.get(INT, next(type)));
            case INT32 -> (long) bytes.get(INT, next(type));
            case INT64 -> bytes.get(LONG, next(type));
            case UINT64 -> unsigned(bytes.get(LONG, next(type)));
            case FLOAT32 -> Float.intBitsToFloat(bytes.get(INT, next(type)));
            case FLOAT64 -> Double.longBitsToDouble(bytes.get(LONG, next(type)));
            case BOOL -> bool();
            case STRING -> string();
            case ARRAY -> array(nesting);
        };
    }

    private long next(GgufValueType type) throws MalformedFileException {
        return take(type.bytes(), "a value");
    }

    private static Object unsigned(long value) {
        if (value >= 0) {
            return value;
        }
        return new BigInteger(Long.toUnsignedString(value));
    }

    private boolean bool() throws MalformedFileException {
        long at = position;
        byte value = bytes.get(ValueLayout.JAVA_BYTE, next(GgufValueType.BOOL));
        if (value != 0 && value != 1) {
            throw malformed(at, "a bool must be 0 or 1, not %d".formatted(value));
        }
        return value == 1;
    }

    private List<Object> array(int nesting) throws MalformedFileException {
        if (nesting == MAX_NESTING) {
            throw malformed(position, "arrays are nested more than %d deep".formatted(MAX_NESTING));
        }
        GgufValueType elementType = valueType();
        long at = position;
        long count = length();
        int leastBytes =
                switch (elementType) {
                    case STRING -> lengthBytes;
                    case ARRAY -> 4 + lengthBytes;
                    case UINT8,
                            INT8,
                            UINT16,
                            INT16,
                            UINT32,
                            INT32,
                            FLOAT32,
                            BOOL,
                            UINT64,
                            INT64,
                            FLOAT64 ->
                            elementType.bytes();
                };
        checkCount(at, "array elements", count, leastBytes);
        if (count > Integer.MAX_VALUE - 8) {
            throw malformed(at, "an array of %d elements is too long".formatted(count));
        }
        var elements = new ArrayList<>((int) count);
        for (long i = 0; i < count; i++) {
            elements.add(value(elementType, nesting + 1));
        }
        return List.copyOf(elements);
    }

    MalformedFileException malformed(long at, String reason) {
        return new MalformedFileException(file, at, reason);
    }
}
