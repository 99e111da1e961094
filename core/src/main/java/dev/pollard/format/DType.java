package dev.pollard.format;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// How one number of a tensor is stored. The constants are named exactly as safetensors writes
/// them, and stand in the order by which its reference writer sorts tensors, narrowest first.
public enum DType {
    /// One byte; everything but 0 is true.
    BOOL(8),
    /// Two numbers a byte: 1 sign, 2 exponent, 1 mantissa bit.
    F4(4),
    F6_E2M3(6),
    F6_E3M2(6),
    U8(8),
    I8(8),
    /// 5 exponent bits with infinities (Micikevicius et al., "FP8 Formats for Deep Learning",
    /// arXiv 2209.05433).
    F8_E5M2(8),
    /// 4 exponent bits, no infinities, one NaN per sign (arXiv 2209.05433).
    F8_E4M3(8),
    /// A power of two alone: the scale of a block.
    F8_E8M0(8),
    /// As [#F8_E4M3], without negative zero; the bias is 8 (Noune et al., arXiv 2206.02915).
    F8_E4M3FNUZ(8),
    /// As [#F8_E5M2], without infinities and negative zero; the bias is 16 (arXiv 2206.02915).
    F8_E5M2FNUZ(8),
    I16(16),
    U16(16),
    F16(16),
    /// The upper half of a float32.
    BF16(16),
    I32(32),
    U32(32),
    F32(32),
    /// Two float32: real, imaginary.
    C64(64),
    F64(64),
    I64(64),
    U64(64);

    private static final Map<String, DType> BY_NAME =
            Stream.of(values()).collect(Collectors.toMap(DType::name, Function.identity()));

    private final int bits;

    DType(int bits) {
        this.bits = bits;
    }

    /// The dtype a file calls `name`, case included.
    public static Optional<DType> named(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    /// Bits of one element.
    public int bits() {
        return bits;
    }

    /// Bytes that `elements` numbers fill.
    ///
    /// @throws IllegalArgumentException if that is not a whole number of bytes, or overflows 63
    ///     bits
    public long bytes(long elements) {
        if (Math.multiplyHigh(elements, bits) != 0 || elements * bits < 0) {
            throw new IllegalArgumentException(elements + " elements of " + this + " overflow");
        }
        long total = elements * bits;
        if (total % Byte.SIZE != 0) {
            throw new IllegalArgumentException(
                    "%d elements of %s end inside a byte".formatted(elements, this));
        }
        return total / Byte.SIZE;
    }

    /// Whether [#widen] knows this dtype. Complex and sub-byte kinds are carried, not converted.
    public boolean widens() {
        return switch (this) {
            case F4, F6_E2M3, F6_E3M2, C64 -> false;
            case BOOL, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ -> true;
            case I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64 -> true;
        };
    }

    /// Whether [#narrow] knows this dtype.
    public boolean narrows() {
        return this == F32 || this == F16 || this == BF16;
    }

    /// Widens elements `[from, from + count)` of `source` to float32, rounding to nearest even
    /// where float32 is the narrower one (F64, wide integers).
    ///
    /// @param source numbers of this dtype, little-endian, any alignment
    /// @param target at least `4 · count` bytes; filled from its start, little-endian
    /// @throws IllegalArgumentException if the dtype is complex or narrower than a byte
    /// @throws IndexOutOfBoundsException if either segment is too small
    public void widen(MemorySegment source, long from, long count, MemorySegment target) {
        if (!widens()) {
            throw new IllegalArgumentException(this + " does not convert to float32");
        }
        Objects.checkFromIndexSize(from, count, source.byteSize() * Byte.SIZE / bits);
        Objects.checkFromIndexSize(0, count, target.byteSize() / Float.BYTES);
        Conversions.widen(this, source, from, count, target);
    }

    /// Rounds float32 numbers to this dtype, to nearest even; too large becomes infinite, NaN stays
    /// NaN.
    ///
    /// @param source `count` float32, little-endian, any alignment
    /// @param target at least `count` elements; filled from its start
    /// @throws IllegalArgumentException if this is not F32, F16 or BF16
    /// @throws IndexOutOfBoundsException if either segment is too small
    public void narrow(MemorySegment source, long count, MemorySegment target) {
        if (!narrows()) {
            throw new IllegalArgumentException("float32 does not narrow to " + this);
        }
        Objects.checkFromIndexSize(0, count, source.byteSize() / Float.BYTES);
        Objects.checkFromIndexSize(0, count, target.byteSize() * Byte.SIZE / bits);
        Conversions.narrow(this, source, count, target);
    }
}
