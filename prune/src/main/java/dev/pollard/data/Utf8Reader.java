package dev.pollard.data;

import dev.pollard.format.MalformedFileException;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/// Characters of a text file, plain or gzipped, decoded strictly: a byte that is not UTF-8 is
/// refused with its offset, never replaced. A byte order mark at the start is dropped.
///
/// Offsets of a gzipped file count the unpacked bytes.
final class Utf8Reader extends Reader {
    private static final int BUFFER = 1 << 16;
    private static final int BYTE_ORDER_MARK = 0xFEFF;

    private final Path file;
    private final boolean packed;
    private final InputStream in;
    private final CharsetDecoder decoder =
            StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT);
    private final ByteBuffer bytes = ByteBuffer.allocate(BUFFER).flip();
    private final CharBuffer chars = CharBuffer.allocate(BUFFER).flip();
    private long decoded; // bytes that became characters
    private boolean ended;

    /// @throws java.nio.file.NoSuchFileException if there is no such file
    /// @throws MalformedFileException if it is named `.gz` and is not gzip
    static Utf8Reader open(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new FileSystemException(file.toString(), null, "is a folder, not a text file");
        }
        boolean packed = file.toString().toLowerCase(Locale.ROOT).endsWith(".gz");
        var raw = new BufferedInputStream(Files.newInputStream(file), BUFFER);
        InputStream in = raw;
        if (packed) {
            try {
                in = new GZIPInputStream(raw, BUFFER);
            } catch (ZipException | EOFException e) {
                raw.close();
                throw new MalformedFileException(file, 0, "not a gzip file", e);
            }
        }
        var reader = new Utf8Reader(file, packed, in);
        try {
            reader.fill();
            if (reader.chars.hasRemaining() && reader.chars.get(0) == BYTE_ORDER_MARK) {
                reader.chars.get();
            }
            return reader;
        } catch (IOException e) {
            reader.close();
            throw e;
        }
    }

    /// Whether the file holds no characters; only before the first is read.
    boolean isEmpty() {
        return ended && !chars.hasRemaining();
    }

    /// Byte offset of character `index` (0-based, without a byte order mark): for the message
    /// about a file that proved bad there.
    static long byteOffset(Path file, long index) throws IOException {
        try (var reader = open(file)) {
            long offset = reader.decoded - bytesOf(reader.chars);
            for (long left = index; left > 0; ) {
                if (!reader.chars.hasRemaining()) {
                    if (!reader.fill()) {
                        return offset;
                    }
                    continue;
                }
                int count = (int) Math.min(left, reader.chars.remaining());
                var passed = reader.chars.slice(reader.chars.position(), count);
                offset += bytesOf(passed);
                reader.chars.position(reader.chars.position() + count);
                left -= count;
            }
            return offset;
        }
    }

    private Utf8Reader(Path file, boolean packed, InputStream in) {
        this.file = file;
        this.packed = packed;
        this.in = in;
    }

    @Override
    public int read(char[] target, int from, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        while (!chars.hasRemaining()) {
            if (!fill()) {
                return -1;
            }
        }
        int count = Math.min(length, chars.remaining());
        chars.get(target, from, count);
        return count;
    }

    /// Decodes the next buffer; false at the end of the file.
    private boolean fill() throws IOException {
        if (ended) {
            return false;
        }
        chars.clear();
        while (true) {
            bytes.compact();
            int read = readBytes();
            bytes.flip();
            boolean last = read < 0;
            int before = bytes.position();
            CoderResult result = decoder.decode(bytes, chars, last);
            decoded += bytes.position() - before;
            if (result.isError()) {
                throw new MalformedFileException(
                        file,
                        decoded,
                        packed ? "the unpacked text is not UTF-8" : "not UTF-8 text");
            }
            ended = last && !result.isOverflow();
            if (chars.position() > 0 || ended) {
                chars.flip();
                return chars.hasRemaining();
            }
        }
    }

    private int readBytes() throws IOException {
        if (!bytes.hasRemaining()) {
            return 0;
        }
        try {
            int read = in.read(bytes.array(), bytes.position(), bytes.remaining());
            if (read > 0) {
                bytes.position(bytes.position() + read);
            }
            return read;
        } catch (EOFException e) {
            throw new MalformedFileException(file, decoded, "gzip data ends too early", e);
        } catch (ZipException e) {
            throw new MalformedFileException(file, decoded, "broken gzip data", e);
        }
    }

    private static long bytesOf(CharBuffer text) {
        long count = 0;
        for (int i = text.position(); i < text.limit(); i++) {
            char c = text.get(i);
            // Each half of a surrogate pair stands for two of its four bytes.
            count += c < 0x80 ? 1 : c < 0x800 || Character.isSurrogate(c) ? 2 : 3;
        }
        return count;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
