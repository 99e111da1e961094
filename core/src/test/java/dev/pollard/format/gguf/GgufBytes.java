package dev.pollard.format.gguf;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Writes small GGUF files for tests, byte by byte: also wrong ones.
public final class GgufBytes {
    private final int version;
    private final ByteArrayOutputStream entries = new ByteArrayOutputStream();
    private final ByteArrayOutputStream listings = new ByteArrayOutputStream();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();
    private long entryCount;
    private long tensorCount;

    public GgufBytes(int version) {
        this.version = version;
    }

    /// A string, an `Integer` (u32), a `Float`, a `Boolean`, or a list of strings, floats or
    /// integers (i32).
    public GgufBytes entry(String key, Object value) {
        string(entries, key);
        switch (value) {
            case String text -> {
                number(entries, 4, GgufValueType.STRING.ordinal());
                string(entries, text);
            }
            case Integer number -> {
                number(entries, 4, GgufValueType.UINT32.ordinal());
                number(entries, 4, number);
            }
            case Float number -> {
                number(entries, 4, GgufValueType.FLOAT32.ordinal());
                number(entries, 4, Float.floatToRawIntBits(number));
            }
            case Boolean flag -> {
                number(entries, 4, GgufValueType.BOOL.ordinal());
                number(entries, 1, flag ? 1 : 0);
            }
            case List<?> list -> {
                number(entries, 4, GgufValueType.ARRAY.ordinal());
                list(list);
            }
            default -> throw new IllegalArgumentException("no such value in tests: " + value);
        }
        entryCount++;
        return this;
    }

    private void list(List<?> list) {
        GgufValueType type =
                switch (list.getFirst()) {
                    case String _ -> GgufValueType.STRING;
                    case Float _ -> GgufValueType.FLOAT32;
                    default -> GgufValueType.INT32;
                };
        number(entries, 4, type.ordinal());
        length(entries, list.size());
        for (Object element : list) {
            switch (element) {
                case String text -> string(entries, text);
                case Float number -> number(entries, 4, Float.floatToRawIntBits(number));
                default -> number(entries, 4, (Integer) element);
            }
        }
    }

    /// @param sizes in the file's order, fastest first
    public GgufBytes tensor(String name, int type, byte[] bytes, long... sizes) {
        string(listings, name);
        number(listings, 4, sizes.length);
        for (long size : sizes) {
            length(listings, size);
        }
        number(listings, 4, type);
        number(listings, 8, data.size());
        data.writeBytes(bytes);
        pad(data, 32);
        tensorCount++;
        return this;
    }

    public byte[] bytes() {
        var file = new ByteArrayOutputStream();
        file.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        number(file, 4, version);
        length(file, tensorCount);
        length(file, entryCount);
        file.writeBytes(entries.toByteArray());
        file.writeBytes(listings.toByteArray());
        pad(file, 32);
        file.writeBytes(data.toByteArray());
        return file.toByteArray();
    }

    public Path write(Path file) throws IOException {
        return Files.write(file, bytes());
    }

    private void length(ByteArrayOutputStream out, long length) {
        number(out, version == 1 ? 4 : 8, length);
    }

    private void string(ByteArrayOutputStream out, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        length(out, utf8.length);
        out.writeBytes(utf8);
    }

    private static void number(ByteArrayOutputStream out, int bytes, long value) {
        var eight = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, value);
        out.write(eight.array(), 0, bytes);
    }

    private static void pad(ByteArrayOutputStream out, int alignment) {
        while (out.size() % alignment != 0) {
            out.write(0);
        }
    }
}
