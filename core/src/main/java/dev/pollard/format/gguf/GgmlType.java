package dev.pollard.format.gguf;

import java.util.Arrays;
import java.util.Optional;

/// How ggml stores numbers: plain, or as blocks that share a scale.
///
/// The names, numbers and block sizes are those of the format; a type without a decoder is known by
/// size only.
public enum GgmlType {
    F32(0, 1, 4, null), // copied, not decoded
    F16(1, 1, 2, Blocks::f16),
    Q4_0(2, 32, 18, Blocks::q4_0),
    Q4_1(3, 32, 20, Blocks::q4_1),
    Q5_0(6, 32, 22, Blocks::q5_0),
    Q5_1(7, 32, 24, Blocks::q5_1),
    Q8_0(8, 32, 34, Blocks::q8_0),
    Q8_1(9, 32, 36, null),
    Q2_K(10, 256, 84, Blocks::q2_k),
    Q3_K(11, 256, 110, Blocks::q3_k),
    Q4_K(12, 256, 144, Blocks::q4_k),
    Q5_K(13, 256, 176, Blocks::q5_k),
    Q6_K(14, 256, 210, Blocks::q6_k),
    Q8_K(15, 256, 292, null),
    IQ2_XXS(16, 256, 66, null),
    IQ2_XS(17, 256, 74, null),
    IQ3_XXS(18, 256, 98, null),
    IQ1_S(19, 256, 50, null),
    IQ4_NL(20, 32, 18, Blocks::iq4_nl),
    IQ3_S(21, 256, 110, null),
    IQ2_S(22, 256, 82, null),
    IQ4_XS(23, 256, 136, Blocks::iq4_xs),
    I8(24, 1, 1, Blocks::i8),
    I16(25, 1, 2, Blocks::i16),
    I32(26, 1, 4, Blocks::i32),
    I64(27, 1, 8, Blocks::i64),
    F64(28, 1, 8, Blocks::f64),
    IQ1_M(29, 256, 56, null),
    BF16(30, 1, 2, Blocks::bf16),
    TQ1_0(34, 256, 54, Blocks::tq1_0),
    TQ2_0(35, 256, 66, Blocks::tq2_0),
    MXFP4(39, 32, 17, Blocks::mxfp4);

    private final int id;
    private final int blockLength;
    private final int blockBytes;
    private final Blocks.Decoder decoder;

    GgmlType(int id, int blockLength, int blockBytes, Blocks.Decoder decoder) {
        this.id = id;
        this.blockLength = blockLength;
        this.blockBytes = blockBytes;
        this.decoder = decoder;
    }

    /// The type with this number in the file; empty for unknown ones and those removed from the
    /// format.
    static Optional<GgmlType> of(int id) {
        return Arrays.stream(values()).filter(type -> type.id == id).findAny();
    }

    /// Weights in one block; 1 for plain numbers.
    public int blockLength() {
        return blockLength;
    }

    /// Bytes of one block.
    public int blockBytes() {
        return blockBytes;
    }

    /// Whether [GgufTensor#readFloats] can read it.
    public boolean readable() {
        return this == F32 || decoder != null;
    }

    Optional<Blocks.Decoder> decoder() {
        return Optional.ofNullable(decoder);
    }
}
