package dev.pollard.format.safetensors;

import dev.pollard.format.MalformedFileException;
import dev.pollard.format.TensorFile;
import dev.pollard.format.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/// One `.safetensors` file, mapped read-only: opening reads the header and nothing else.
///
/// The whole format: the header's length as an unsigned 64-bit number, that many bytes of JSON
/// (tensor name → dtype, shape, begin and end of its bytes), then the bytes of all tensors, in C
/// order and little-endian, without gaps.
public final class SafetensorsFile implements TensorFile {
    private static final ValueLayout.OfLong LENGTH =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;
    private final Arena arena;
    private final SequencedMap<String, String> metadata;
    private final SequencedMap<String, TensorView> tensors;

    private SafetensorsFile(
            Path path,
            Arena arena,
            SequencedMap<String, String> metadata,
            SequencedMap<String, TensorView> tensors) {
        this.path = path;
        this.arena = arena;
        this.metadata = metadata;
        this.tensors = tensors;
    }

    /// Maps the file and checks its header completely; nothing is allocated before the file is seen
    /// to be as long as it claims.
    ///
    /// @throws MalformedFileException if the file breaks the format
    /// @throws IOException if it cannot be read
    public static SafetensorsFile open(Path path) throws IOException {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            MemorySegment file =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            MemorySegment text = header(path, file);
            long dataStart = LENGTH.byteSize() + text.byteSize();
            MemorySegment data = file.asSlice(dataStart);
            SafetensorsHeader header =
                    SafetensorsHeader.parse(
                            path,
                            LENGTH.byteSize(),
                            text.toArray(ValueLayout.JAVA_BYTE),
                            data.byteSize());
            SequencedMap<String, TensorView> tensors = new LinkedHashMap<>();
            for (SafetensorsHeader.Entry entry : header.entries()) {
                MemorySegment bytes = data.asSlice(entry.begin(), entry.end() - entry.begin());
                tensors.put(
                        entry.name(),
                        new TensorView(entry.name(), entry.dtype(), entry.shape(), bytes));
            }
            return new SafetensorsFile(
                    path, arena, header.metadata(), Collections.unmodifiableSequencedMap(tensors));
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    private static MemorySegment header(Path path, MemorySegment file)
            throws MalformedFileException {
        if (file.byteSize() < LENGTH.byteSize()) {
            throw new MalformedFileException(
                    path,
                    file.byteSize(),
                    "%d bytes are too few for a safetensors file".formatted(file.byteSize()));
        }
        long length = file.get(LENGTH, 0);
        if (length < 0 || length > StrictJson.MAX_BYTES) {
            throw new MalformedFileException(
                    path,
                    0,
                    "header length %s is above the limit of %d"
                            .formatted(Long.toUnsignedString(length), StrictJson.MAX_BYTES));
        }
        if (length > file.byteSize() - LENGTH.byteSize()) {
            throw new MalformedFileException(
                    path,
                    0,
                    "header length %d runs past the end of a file of %d bytes"
                            .formatted(length, file.byteSize()));
        }
        return file.asSlice(LENGTH.byteSize(), length);
    }

    @Override
    public Path path() {
        return path;
    }

    /// Tensors by name, in the order of their bytes.
    @Override
    public SequencedMap<String, TensorView> tensors() {
        return tensors;
    }

    /// The file's `__metadata__`, in its order; empty if it has none.
    public SequencedMap<String, String> metadata() {
        return metadata;
    }

    @Override
    public void close() {
        arena.close();
    }
}
