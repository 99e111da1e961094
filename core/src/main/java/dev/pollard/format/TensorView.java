package dev.pollard.format;

import java.lang.foreign.MemorySegment;
import java.util.Objects;

/// A tensor of plain numbers, in C order without gaps, as a view on bytes that somebody else owns.
///
/// @param name the name in the file
/// @param dtype how each number is stored
/// @param shape sizes, outermost first
/// @param data exactly the tensor's bytes, little-endian, any alignment; kept read-only
public record TensorView(String name, DType dtype, Shape shape, MemorySegment data)
        implements StoredTensor {
    /// @throws IllegalArgumentException if the bytes are not as many as dtype and shape say
    public TensorView {
        Objects.requireNonNull(name, "name");
        long expected = dtype.bytes(shape.elements());
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException(
                    "tensor %s: %s %s is %d bytes, not %d"
                            .formatted(name, dtype, shape, expected, data.byteSize()));
        }
        data = data.asReadOnly();
    }

    @Override
    public String storage() {
        return dtype.name();
    }

    @Override
    public void readFloats(long from, long count, MemorySegment target) {
        Objects.checkFromIndexSize(from, count, shape.elements());
        dtype.widen(data, from, count, target);
    }

    /// Without the bytes: `model.norm.weight BF16 [576]`.
    @Override
    public String toString() {
        return name + " " + dtype + " " + shape;
    }
}
