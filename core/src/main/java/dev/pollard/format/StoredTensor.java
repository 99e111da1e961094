package dev.pollard.format;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// One named tensor inside a file, as stored: plain numbers ([TensorView]) or quantised blocks
/// (GGUF).
///
/// The bytes are a view on the mapped file and live as long as the [TensorFile] they came from.
public interface StoredTensor {
    /// The name in the file.
    String name();

    /// Sizes in C order, whatever order the file uses.
    Shape shape();

    /// The file's own word for how numbers are stored: `BF16`, `Q4_1`.
    String storage();

    /// The raw bytes, read-only, little-endian.
    MemorySegment data();

    /// Widens (or dequantises) elements `[from, from + count)` in C order into `target`, as
    /// float32.
    ///
    /// @param from first element; for quantised storage a multiple of the block length
    /// @param target at least `4 · count` bytes, any alignment
    /// @throws IllegalArgumentException if the storage holds no real numbers (a complex type, say)
    /// @throws IndexOutOfBoundsException if the range is not inside the tensor
    void readFloats(long from, long count, MemorySegment target);

    /// The whole tensor as float32.
    default float[] toFloats() {
        float[] values = new float[Math.toIntExact(shape().elements())];
        readFloats(0, values.length, MemorySegment.ofArray(values));
        return values;
    }

    /// Little-endian, unaligned: how every format here stores its numbers.
    ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
}
