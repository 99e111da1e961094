package dev.pollard.format.gguf;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// Dequantisation of ggml's blocks, one method per type.
///
/// A block holds 32 or 256 weights as small integers `q` and one or more scales; the comments name
/// its fields in the order of their bytes. Products and sums are float32 and keep the order of the
/// reference, so that results agree bit for bit.
final class Blocks {
    /// Decodes `count` blocks from the start of `in` to the start of `out`.
    @FunctionalInterface
    interface Decoder {
        void decode(byte[] in, int count, float[] out);
    }

    private static final VarHandle SHORT =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    /// The 16 levels of IQ4: denser near zero.
    private static final byte[] IQ4_LEVELS = {
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
    };

    /// The 16 values of a 4-bit float (1 sign, 2 exponent, 1 mantissa bit), doubled.
    private static final byte[] E2M1_DOUBLED = {
        0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12
    };

    private static final int[] POWERS_OF_3 = {1, 3, 9, 27, 81};

    private Blocks() {}

    private static float half(byte[] in, int at) {
        return Float.float16ToFloat((short) SHORT.get(in, at));
    }

    // Plain numbers: a block of one.

    static void f16(byte[] in, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = half(in, 2 * i);
        }
    }

    static void bf16(byte[] in, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = Float.intBitsToFloat((short) SHORT.get(in, 2 * i) << 16);
        }
    }

    static void f64(byte[] in, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = (float) Double.longBitsToDouble((long) LONG.get(in, 8 * i));
        }
    }

    static void i8(byte[] in, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = in[i];
        }
    }

    static void i16(byte[] in, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = (short) SHORT.get(in, 2 * i);
        }
    }

    static void i32(byte[] in, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = (int) INT.get(in, 4 * i);
        }
    }

    static void i64(byte[] in, int count, float[] out) {
        for (int i = 0; i < count; i++) {
            out[i] = (long) LONG.get(in, 8 * i);
        }
    }

    // Blocks of 32. Four-bit integers: low nibbles are weights 0..15, high nibbles 16..31.

    /// f16 d · q[16 bytes]: `d (q - 8)`.
    static void q4_0(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 18;
            int to = b * 32;
            float d = half(in, at);
            for (int j = 0; j < 16; j++) {
                int q = in[at + 2 + j];
                out[to + j] = d * ((q & 15) - 8);
                out[to + 16 + j] = d * ((q >> 4 & 15) - 8);
            }
        }
    }

    /// f16 d · f16 m · q[16 bytes]: `d q + m`.
    static void q4_1(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 20;
            int to = b * 32;
            float d = half(in, at);
            float m = half(in, at + 2);
            for (int j = 0; j < 16; j++) {
                int q = in[at + 4 + j];
                out[to + j] = d * (q & 15) + m;
                out[to + 16 + j] = d * (q >> 4 & 15) + m;
            }
        }
    }

    /// f16 d · u32 fifth bits · q[16 bytes]: `d (q - 16)`.
    static void q5_0(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 22;
            int to = b * 32;
            float d = half(in, at);
            int high = (int) INT.get(in, at + 2);
            for (int j = 0; j < 16; j++) {
                int q = in[at + 6 + j];
                out[to + j] = d * ((q & 15 | (high >>> j & 1) << 4) - 16);
                out[to + 16 + j] = d * ((q >> 4 & 15 | (high >>> j + 16 & 1) << 4) - 16);
            }
        }
    }

    /// f16 d · f16 m · u32 fifth bits · q[16 bytes]: `d q + m`.
    static void q5_1(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 24;
            int to = b * 32;
            float d = half(in, at);
            float m = half(in, at + 2);
            int high = (int) INT.get(in, at + 4);
            for (int j = 0; j < 16; j++) {
                int q = in[at + 8 + j];
                out[to + j] = d * (q & 15 | (high >>> j & 1) << 4) + m;
                out[to + 16 + j] = d * (q >> 4 & 15 | (high >>> j + 16 & 1) << 4) + m;
            }
        }
    }

    /// f16 d · i8 q[32]: `d q`.
    static void q8_0(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 34;
            int to = b * 32;
            float d = half(in, at);
            for (int j = 0; j < 32; j++) {
                out[to + j] = d * in[at + 2 + j];
            }
        }
    }

    /// f16 d · q[16 bytes]: `d level[q]`.
    static void iq4_nl(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 18;
            levels(in, at + 2, half(in, at), IQ4_LEVELS, out, b * 32);
        }
    }

    /// u8 exponent · q[16 bytes]: `2^(exponent - 127) value[q]`, the OCP microscaling format.
    static void mxfp4(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 17;
            int exponent = in[at] & 0xff;
            // Half of 2^(exponent - 127), because the table is doubled; the two smallest are
            // subnormal.
            float d =
                    Float.intBitsToFloat(exponent < 2 ? 0x200000 << exponent : exponent - 1 << 23);
            levels(in, at + 1, d, E2M1_DOUBLED, out, b * 32);
        }
    }

    private static void levels(byte[] in, int at, float d, byte[] levels, float[] out, int to) {
        for (int j = 0; j < 16; j++) {
            int q = in[at + j];
            out[to + j] = d * levels[q & 15];
            out[to + 16 + j] = d * levels[q >> 4 & 15];
        }
    }

    // Blocks of 256, cut into groups of 16 or 32 with quantised scales of their own.

    /// (4-bit scale, 4-bit minimum)[16] · q[64 bytes] · f16 d · f16 dmin: `d scale q - dmin
    /// minimum`.
    ///
    /// Two bits a weight: byte `l` of a half holds weights `l, l + 32, l + 64, l + 96` of its 128.
    static void q2_k(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 84;
            int to = b * 256;
            float d = half(in, at + 80);
            float dmin = half(in, at + 82);
            for (int group = 0; group < 16; group++, to += 16) {
                int scale = in[at + group];
                float dl = d * (scale & 15);
                float ml = dmin * (scale >> 4 & 15);
                int from = at + 16 + group / 8 * 32 + group % 2 * 16;
                int shift = group / 2 % 4 * 2;
                for (int j = 0; j < 16; j++) {
                    out[to + j] = dl * (in[from + j] >> shift & 3) - ml;
                }
            }
        }
    }

    /// third bits[32 bytes] · q[64 bytes] · 6-bit scales[12 bytes] · f16 d: `d (scale - 32) (q -
    /// 4)`.
    static void q3_k(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 110;
            int to = b * 256;
            float d = half(in, at + 108);
            for (int group = 0; group < 16; group++, to += 16) {
                int low = in[at + 96 + group % 8] >> group / 8 * 4 & 15;
                int high = in[at + 104 + group % 4] >> group / 4 * 2 & 3;
                float dl = d * ((low | high << 4) - 32);
                int from = at + 32 + group / 8 * 32 + group % 2 * 16;
                int shift = group / 2 % 4 * 2;
                int bits = at + group % 2 * 16;
                int bit = group / 2;
                for (int j = 0; j < 16; j++) {
                    int q = in[from + j] >> shift & 3 | (in[bits + j] >> bit & 1) << 2;
                    out[to + j] = dl * (q - 4);
                }
            }
        }
    }

    /// f16 d · f16 dmin · (6-bit scale, 6-bit minimum)[8] · q[128 bytes]: `d scale q - dmin
    /// minimum`.
    static void q4_k(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 144;
            int to = b * 256;
            float d = half(in, at);
            float dmin = half(in, at + 2);
            for (int group = 0; group < 8; group++, to += 32) {
                float dl = d * scale(in, at + 4, group);
                float ml = dmin * minimum(in, at + 4, group);
                int from = at + 16 + group / 2 * 32;
                int shift = group % 2 * 4;
                for (int j = 0; j < 32; j++) {
                    out[to + j] = dl * (in[from + j] >> shift & 15) - ml;
                }
            }
        }
    }

    /// f16 d · f16 dmin · (6-bit scale, 6-bit minimum)[8] · fifth bits[32 bytes] · q[128 bytes]: as
    /// [#q4_k].
    static void q5_k(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 176;
            int to = b * 256;
            float d = half(in, at);
            float dmin = half(in, at + 2);
            for (int group = 0; group < 8; group++, to += 32) {
                float dl = d * scale(in, at + 4, group);
                float ml = dmin * minimum(in, at + 4, group);
                int from = at + 48 + group / 2 * 32;
                int shift = group % 2 * 4;
                for (int j = 0; j < 32; j++) {
                    int q = in[from + j] >> shift & 15 | (in[at + 16 + j] >> group & 1) << 4;
                    out[to + j] = dl * q - ml;
                }
            }
        }
    }

    /// Groups 0..3 keep six bits in a byte; the upper two bits of those bytes complete groups 4..7.
    private static int scale(byte[] in, int scales, int group) {
        return group < 4
                ? in[scales + group] & 63
                : in[scales + group + 4] & 15 | (in[scales + group - 4] >> 6 & 3) << 4;
    }

    private static int minimum(byte[] in, int scales, int group) {
        return group < 4
                ? in[scales + group + 4] & 63
                : in[scales + group + 4] >> 4 & 15 | (in[scales + group] >> 6 & 3) << 4;
    }

    /// low nibbles[128 bytes] · upper two bits[64 bytes] · i8 scale[16] · f16 d: `d scale (q -
    /// 32)`.
    static void q6_k(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 210;
            int to = b * 256;
            float d = half(in, at + 208);
            for (int group = 0; group < 16; group++, to += 16) {
                float dl = d * in[at + 192 + group];
                int quarter = group / 2 % 4; // of the 128 weights of a half
                int from = at + group / 8 * 64 + quarter % 2 * 32 + group % 2 * 16;
                int bits = at + 128 + group / 8 * 32 + group % 2 * 16;
                for (int j = 0; j < 16; j++) {
                    int low = in[from + j] >> quarter / 2 * 4 & 15;
                    int high = in[bits + j] >> quarter * 2 & 3;
                    out[to + j] = dl * ((low | high << 4) - 32);
                }
            }
        }
    }

    /// f16 d · upper two scale bits[2 bytes] · lower four[4 bytes] · q[128 bytes]: `d (scale - 32)
    /// level[q]`.
    static void iq4_xs(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 136;
            float d = half(in, at);
            int high = (short) SHORT.get(in, at + 2);
            for (int group = 0; group < 8; group++) {
                int low = in[at + 4 + group / 2] >> group % 2 * 4 & 15;
                float dl = d * ((low | (high >> group * 2 & 3) << 4) - 32);
                levels(in, at + 8 + group * 16, dl, IQ4_LEVELS, out, b * 256 + group * 32);
            }
        }
    }

    /// five ternary digits a byte[48 bytes] · four a byte[4 bytes] · f16 d: `d (q - 1)`.
    ///
    /// A byte is a fraction of 3⁵ rounded up, so that a digit is the integer part after multiplying
    /// by a power of 3.
    static void tq1_0(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 54;
            int to = b * 256;
            float d = half(in, at + 52);
            to = trits(in, at, 32, 5, d, out, to);
            to = trits(in, at + 32, 16, 5, d, out, to);
            trits(in, at + 48, 4, 4, d, out, to);
        }
    }

    private static int trits(
            byte[] in, int at, int bytes, int digits, float d, float[] out, int to) {
        for (int n = 0; n < digits; n++) {
            for (int j = 0; j < bytes; j++) {
                int fraction = in[at + j] * POWERS_OF_3[n] & 0xff;
                out[to++] = d * ((fraction * 3 >> 8) - 1);
            }
        }
        return to;
    }

    /// q[64 bytes] · f16 d: `d (q - 1)`, two bits a weight as in [#q2_k].
    static void tq2_0(byte[] in, int count, float[] out) {
        for (int b = 0; b < count; b++) {
            int at = b * 66;
            int to = b * 256;
            float d = half(in, at + 64);
            for (int part = 0; part < 8; part++, to += 32) {
                int from = at + part / 4 * 32;
                int shift = part % 4 * 2;
                for (int j = 0; j < 32; j++) {
                    out[to + j] = d * ((in[from + j] >> shift & 3) - 1);
                }
            }
        }
    }
}
