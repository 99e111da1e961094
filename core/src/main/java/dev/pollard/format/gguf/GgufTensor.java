package dev.pollard.format.gguf;

import dev.pollard.format.Shape;
import dev.pollard.format.StoredTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/// One tensor of a GGUF file.
///
/// @param shape sizes in C order, the reverse of what the file lists
/// @param type how its numbers, or blocks of numbers, are stored
/// @param data the bytes in the file, read-only
public record GgufTensor(String name, Shape shape, GgmlType type, MemorySegment data)
        implements StoredTensor {
    /// Weights decoded at a time: small enough for both buffers to stay in the first-level cache.
    private static final int CHUNK = 4096;

    public GgufTensor {
        data = data.asReadOnly();
    }

    @Override
    public String storage() {
        return type.name();
    }

    /// {@inheritDoc}
    ///
    /// Equals llama.cpp's dequantisation bit for bit (float32 products and sums, not fused).
    ///
    /// @throws IllegalArgumentException if `from` is inside a block, or the type has no decoder
    @Override
    public void readFloats(long from, long count, MemorySegment target) {
        Objects.checkFromIndexSize(from, count, shape.elements());
        if (from % type.blockLength() != 0) {
            throw new IllegalArgumentException(
                    "element %d of tensor '%s' is inside a block of %d"
                            .formatted(from, name, type.blockLength()));
        }
        if (type == GgmlType.F32) {
            MemorySegment.copy(
                    data,
                    FLOAT,
                    from * Float.BYTES,
                    target,
                    ValueLayout.JAVA_FLOAT_UNALIGNED,
                    0,
                    count);
            return;
        }
        Blocks.Decoder decoder =
                type.decoder()
                        .orElseThrow(
                                () ->
                                        new IllegalArgumentException(
                                                "tensor '%s' is stored as %s, which cannot be dequantised"
                                                        .formatted(name, type)));
        // The inner loops run over arrays, not segments: they stay fast whatever mix of segments
        // callers bring.
        int blocksPerChunk = CHUNK / type.blockLength();
        byte[] blocks = new byte[blocksPerChunk * type.blockBytes()];
        float[] floats = new float[CHUNK];
        for (long done = 0; done < count; done += CHUNK) {
            int wanted = (int) Math.min(CHUNK, count - done);
            int blockCount = Math.ceilDiv(wanted, type.blockLength());
            long at = (from + done) / type.blockLength() * type.blockBytes();
            MemorySegment.copy(
                    data, ValueLayout.JAVA_BYTE, at, blocks, 0, blockCount * type.blockBytes());
            decoder.decode(blocks, blockCount, floats);
            MemorySegment.copy(
                    floats,
                    0,
                    target,
                    ValueLayout.JAVA_FLOAT_UNALIGNED,
                    done * Float.BYTES,
                    wanted);
        }
    }
}
