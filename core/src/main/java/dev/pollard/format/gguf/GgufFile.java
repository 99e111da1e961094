package dev.pollard.format.gguf;

import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.TensorFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// A GGUF file, version 1 to 3, little-endian: the head is read and checked, the tensors stay
/// mapped.
///
/// ```
/// "GGUF" · version u32 · tensors · entries      counts and lengths are u64, in version 1 u32
/// entries ×  key string · type u32 · value
/// tensors ×  name string · rank u32 · sizes, fastest first · type u32 · offset u64 in the data
/// data, at the next multiple of general.alignment (32 if not said)
/// ```
///
/// Shapes are given in C order, that is, reversed. The reader is strict: tensors that overlap, are
/// unaligned, reach beyond the file or have half a block at the end of a row are refused.
public final class GgufFile implements TensorFile {
    private static final int MAGIC = 0x46554747; // "GGUF" read as a little-endian integer
    private static final String ALIGNMENT = "general.alignment";
    private static final long DEFAULT_ALIGNMENT = 32;
    private static final long MAX_ALIGNMENT = 1 << 20;
    private static final int MAX_RANK = 4;

    private final Path path;
    private final Arena arena;
    private final int version;
    private final GgufMetadata metadata;
    private final SequencedMap<String, GgufTensor> tensors;

    private GgufFile(
            Path path,
            Arena arena,
            int version,
            GgufMetadata metadata,
            SequencedMap<String, GgufTensor> tensors) {
        this.path = path;
        this.arena = arena;
        this.version = version;
        this.metadata = metadata;
        this.tensors = Collections.unmodifiableSequencedMap(tensors);
    }

    /// Maps the file and reads its head. Costs time for the head only, whatever the size of the
    /// tensors.
    ///
    /// @throws MalformedFileException if the bytes are not a sound GGUF file
    /// @throws IOException if the file cannot be read
    public static GgufFile open(Path path) throws IOException {
        Arena arena = Arena.ofShared();
        try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
            MemorySegment bytes = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
            return read(path, arena, bytes);
        } catch (IOException | RuntimeException failure) {
            arena.close();
            throw failure;
        }
    }

    private static GgufFile read(Path path, Arena arena, MemorySegment bytes)
            throws MalformedFileException {
        var cursor = new GgufCursor(path, bytes);
        if (cursor.u32() != MAGIC) {
            throw cursor.malformed(0, "not a GGUF file: it does not begin with \"GGUF\"");
        }
        int version = version(cursor);
        long tensorsAt = cursor.position();
        long tensorCount = cursor.length();
        long entryCount = cursor.length();
        long entriesAt = cursor.position();
        cursor.checkCount(tensorsAt, "tensors", tensorCount, cursor.lengthBytes() + 16);
        cursor.checkCount(
                tensorsAt + cursor.lengthBytes(),
                "metadata entries",
                entryCount,
                cursor.lengthBytes() + 5);

        var metadata = new GgufMetadata(path, entriesAt, entries(cursor, entryCount));
        List<Listing> listings = new ArrayList<>();
        for (long i = 0; i < tensorCount; i++) {
            listings.add(listing(cursor));
        }
        long alignment = alignment(metadata);
        long dataStart = (cursor.position() + alignment - 1) & -alignment;
        return new GgufFile(
                path,
                arena,
                version,
                metadata,
                tensors(cursor, bytes, listings, dataStart, alignment));
    }

    private static int version(GgufCursor cursor) throws MalformedFileException {
        long at = cursor.position();
        int version = cursor.u32();
        if (version == 1) {
            cursor.lengthsAre32Bit();
        } else if (Integer.reverseBytes(version) >= 1 && Integer.reverseBytes(version) <= 3) {
            throw cursor.malformed(at, "big-endian GGUF is not supported");
        } else if (version != 2 && version != 3) {
            throw cursor.malformed(
                    at,
                    "GGUF version %s is unknown (1 to 3 are)"
                            .formatted(Integer.toUnsignedString(version)));
        }
        return version;
    }

    private static SequencedMap<String, GgufMetadata.Entry> entries(GgufCursor cursor, long count)
            throws MalformedFileException {
        var entries = new LinkedHashMap<String, GgufMetadata.Entry>();
        for (long i = 0; i < count; i++) {
            long at = cursor.position();
            String key = cursor.string();
            GgufValueType type = cursor.valueType();
            Object value = cursor.value(type);
            if (entries.put(key, new GgufMetadata.Entry(type, value, at)) != null) {
                throw cursor.malformed(at, "key '%s' occurs twice".formatted(key));
            }
        }
        return entries;
    }

    /// One line of the list of tensors; `at` is its own byte offset, `offset` that of its data.
    private record Listing(String name, Shape shape, GgmlType type, long offset, long at) {
        /// @throws ArithmeticException if it does not fit in 63 bits
        long byteSize() {
            return Math.multiplyExact(shape.elements() / type.blockLength(), type.blockBytes());
        }
    }

    private static Listing listing(GgufCursor cursor) throws MalformedFileException {
        long at = cursor.position();
        String name = cursor.string();
        long rankAt = cursor.position();
        int rank = cursor.u32();
        if (rank < 0 || rank > MAX_RANK) {
            throw cursor.malformed(
                    rankAt,
                    "tensor '%s' has %s dimensions, at most %d are allowed"
                            .formatted(name, Integer.toUnsignedString(rank), MAX_RANK));
        }
        var sizes = new ArrayList<Long>(rank);
        for (int axis = 0; axis < rank; axis++) {
            sizes.addFirst(cursor.length()); // the file begins with the fastest dimension
        }
        long typeAt = cursor.position();
        int typeId = cursor.u32();
        GgmlType type =
                GgmlType.of(typeId)
                        .orElseThrow(
                                () ->
                                        cursor.malformed(
                                                typeAt,
                                                "tensor '%s' has the unknown type %s"
                                                        .formatted(
                                                                name,
                                                                Integer.toUnsignedString(typeId))));
        Listing listing;
        try {
            listing = new Listing(name, new Shape(sizes), type, cursor.u64(), at);
            listing.byteSize();
        } catch (IllegalArgumentException impossible) {
            throw cursor.malformed(
                    rankAt, "tensor '%s': %s".formatted(name, impossible.getMessage()));
        } catch (ArithmeticException _) {
            throw cursor.malformed(
                    rankAt,
                    "tensor '%s' of shape %s has more bytes than can be addressed"
                            .formatted(name, sizes));
        }
        long row = rank == 0 ? 1 : sizes.getLast();
        if (row % type.blockLength() != 0) {
            throw cursor.malformed(
                    rankAt,
                    "tensor '%s' has rows of %d weights, %s needs a multiple of %d"
                            .formatted(name, row, type, type.blockLength()));
        }
        return listing;
    }

    private static long alignment(GgufMetadata metadata) throws MalformedFileException {
        long alignment = metadata.integer(ALIGNMENT).orElse(DEFAULT_ALIGNMENT);
        if (Long.bitCount(alignment) != 1 || alignment < 1 || alignment > MAX_ALIGNMENT) {
            throw metadata.malformed(
                    ALIGNMENT,
                    "must be a power of two up to %d, not %d".formatted(MAX_ALIGNMENT, alignment));
        }
        return alignment;
    }

    private static SequencedMap<String, GgufTensor> tensors(
            GgufCursor cursor,
            MemorySegment bytes,
            List<Listing> listings,
            long dataStart,
            long alignment)
            throws MalformedFileException {
        long dataBytes = bytes.byteSize() - dataStart;
        var tensors = new LinkedHashMap<String, GgufTensor>();
        for (Listing listing : listings) {
            long size = listing.byteSize();
            if (listing.offset % alignment != 0) {
                throw cursor.malformed(
                        listing.at,
                        "tensor '%s' begins at %d of the data, not a multiple of %d"
                                .formatted(listing.name, listing.offset, alignment));
            }
            if (listing.offset < 0 || listing.offset > dataBytes - size) {
                throw cursor.malformed(
                        listing.at,
                        "tensor '%s' (%d bytes at %s of the data) reaches beyond the end of the file"
                                .formatted(
                                        listing.name, size, Long.toUnsignedString(listing.offset)));
            }
            MemorySegment data = bytes.asSlice(dataStart + listing.offset, size);
            var tensor = new GgufTensor(listing.name, listing.shape, listing.type, data);
            if (tensors.put(listing.name, tensor) != null) {
                throw cursor.malformed(
                        listing.at, "two tensors are named '%s'".formatted(listing.name));
            }
        }
        refuseOverlaps(cursor, listings);
        return tensors;
    }

    private static void refuseOverlaps(GgufCursor cursor, List<Listing> listings)
            throws MalformedFileException {
        List<Listing> inOrder =
                listings.stream()
                        .filter(listing -> listing.byteSize() > 0)
                        .sorted(Comparator.comparingLong(Listing::offset))
                        .toList();
        for (int i = 1; i < inOrder.size(); i++) {
            Listing before = inOrder.get(i - 1);
            Listing after = inOrder.get(i);
            if (before.offset + before.byteSize() > after.offset) {
                throw cursor.malformed(
                        after.at,
                        "tensors '%s' and '%s' overlap".formatted(before.name, after.name));
            }
        }
    }

    @Override
    public Path path() {
        return path;
    }

    /// 1, 2 or 3.
    public int version() {
        return version;
    }

    /// What the file says about itself: architecture, hyper-parameters, tokenizer.
    public GgufMetadata metadata() {
        return metadata;
    }

    @Override
    public SequencedMap<String, GgufTensor> tensors() {
        return tensors;
    }

    @Override
    public void close() {
        arena.close();
    }
}
