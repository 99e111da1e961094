package dev.pollard.format;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// The bulk loops behind [DType].
///
/// Numbers pass through short heap arrays: segments may be heap, native or mapped, and a loop over
/// segments that has seen all three no longer compiles to vector code, while one over arrays always
/// does. The copies in and out stay in the first-level cache.
final class Conversions {
    private static final int CHUNK = 2048;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE =
            ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final float[] F8_E5M2 = new float[256];
    private static final float[] F8_E4M3 = new float[256];
    private static final float[] F8_E8M0 = new float[256];
    private static final float[] F8_E4M3FNUZ = new float[256];
    private static final float[] F8_E5M2FNUZ = new float[256];

    static {
        for (int code = 0; code < 256; code++) {
            int magnitude = code & 0x7f;
            // E5M2 is the upper byte of a float16, infinities and NaN included.
            F8_E5M2[code] = Float.float16ToFloat((short) (code << 8));
            F8_E4M3[code] = magnitude == 0x7f ? Float.NaN : small(code, 3, 7);
            F8_E8M0[code] = code == 0xff ? Float.NaN : Math.scalb(1f, code - 127);
            F8_E4M3FNUZ[code] = code == 0x80 ? Float.NaN : small(code, 3, 8);
            F8_E5M2FNUZ[code] = code == 0x80 ? Float.NaN : small(code, 2, 16);
        }
    }

    private Conversions() {}

    /// A finite 8-bit number: sign, exponent, then `mantissaBits` of mantissa.
    private static float small(int code, int mantissaBits, int bias) {
        int exponent = (code & 0x7f) >>> mantissaBits;
        int mantissa = code & ((1 << mantissaBits) - 1);
        int significand = exponent == 0 ? mantissa : mantissa | 1 << mantissaBits;
        float value = Math.scalb((float) significand, Math.max(exponent, 1) - bias - mantissaBits);
        return code < 0x80 ? value : -value;
    }

    static void widen(
            DType dtype, MemorySegment source, long from, long count, MemorySegment target) {
        int chunk = (int) Math.min(CHUNK, count);
        switch (dtype) {
            case F32 -> MemorySegment.copy(source, 4 * from, target, 0, 4 * count);
            case BF16 -> {
                short[] in = new short[chunk];
                float[] out = new float[chunk];
                for (long done = 0; done < count; done += chunk) {
                    int n = (int) Math.min(chunk, count - done);
                    MemorySegment.copy(source, SHORT, 2 * (from + done), in, 0, n);
                    for (int i = 0; i < n; i++) {
                        out[i] = Float.intBitsToFloat(in[i] << 16);
                    }
                    store(out, n, target, done);
                }
            }
            case F16 -> {
                short[] in = new short[chunk];
                float[] out = new float[chunk];
                for (long done = 0; done < count; done += chunk) {
                    int n = (int) Math.min(chunk, count - done);
                    MemorySegment.copy(source, SHORT, 2 * (from + done), in, 0, n);
                    for (int i = 0; i < n; i++) {
                        out[i] = Float.float16ToFloat(in[i]);
                    }
                    store(out, n, target, done);
                }
            }
            case I16, U16 -> {
                int mask = dtype == DType.U16 ? 0xffff : -1;
                short[] in = new short[chunk];
                float[] out = new float[chunk];
                for (long done = 0; done < count; done += chunk) {
                    int n = (int) Math.min(chunk, count - done);
                    MemorySegment.copy(source, SHORT, 2 * (from + done), in, 0, n);
                    for (int i = 0; i < n; i++) {
                        out[i] = in[i] & mask;
                    }
                    store(out, n, target, done);
                }
            }
            case I32, U32 -> {
                long mask = dtype == DType.U32 ? 0xffff_ffffL : -1;
                int[] in = new int[chunk];
                float[] out = new float[chunk];
                for (long done = 0; done < count; done += chunk) {
                    int n = (int) Math.min(chunk, count - done);
                    MemorySegment.copy(source, INT, 4 * (from + done), in, 0, n);
                    for (int i = 0; i < n; i++) {
                        out[i] = in[i] & mask;
                    }
                    store(out, n, target, done);
                }
            }
            case I64, U64 -> {
                boolean unsigned = dtype == DType.U64;
                long[] in = new long[chunk];
                float[] out = new float[chunk];
                for (long done = 0; done < count; done += chunk) {
                    int n = (int) Math.min(chunk, count - done);
                    MemorySegment.copy(source, LONG, 8 * (from + done), in, 0, n);
                    for (int i = 0; i < n; i++) {
                        out[i] = unsigned ? unsignedToFloat(in[i]) : in[i];
                    }
                    store(out, n, target, done);
                }
            }
            case F64 -> {
                double[] in = new double[chunk];
                float[] out = new float[chunk];
                for (long done = 0; done < count; done += chunk) {
                    int n = (int) Math.min(chunk, count - done);
                    MemorySegment.copy(source, DOUBLE, 8 * (from + done), in, 0, n);
                    for (int i = 0; i < n; i++) {
                        out[i] = (float) in[i];
                    }
                    store(out, n, target, done);
                }
            }
            case BOOL, I8, U8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ -> {
                byte[] in = new byte[chunk];
                float[] out = new float[chunk];
                for (long done = 0; done < count; done += chunk) {
                    int n = (int) Math.min(chunk, count - done);
                    MemorySegment.copy(source, ValueLayout.JAVA_BYTE, from + done, in, 0, n);
                    widenBytes(dtype, in, n, out);
                    store(out, n, target, done);
                }
            }
            case F4, F6_E2M3, F6_E3M2, C64 ->
                    throw new IllegalArgumentException(dtype + " does not convert to float32");
        }
    }

    private static void widenBytes(DType dtype, byte[] in, int n, float[] out) {
        switch (dtype) {
            case BOOL -> {
                for (int i = 0; i < n; i++) {
                    out[i] = in[i] != 0 ? 1 : 0;
                }
            }
            case I8 -> {
                for (int i = 0; i < n; i++) {
                    out[i] = in[i];
                }
            }
            case U8 -> {
                for (int i = 0; i < n; i++) {
                    out[i] = in[i] & 0xff;
                }
            }
            case F8_E5M2 -> look(F8_E5M2, in, n, out);
            case F8_E4M3 -> look(F8_E4M3, in, n, out);
            case F8_E8M0 -> look(F8_E8M0, in, n, out);
            case F8_E4M3FNUZ -> look(F8_E4M3FNUZ, in, n, out);
            case F8_E5M2FNUZ -> look(F8_E5M2FNUZ, in, n, out);
            case F4, F6_E2M3, F6_E3M2, I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64 ->
                    throw new IllegalArgumentException(dtype + " is not one byte wide");
        }
    }

    private static void look(float[] table, byte[] in, int n, float[] out) {
        for (int i = 0; i < n; i++) {
            out[i] = table[in[i] & 0xff];
        }
    }

    /// Halving keeps the lowest bit sticky, so that the rounding is still to nearest even.
    private static float unsignedToFloat(long value) {
        return value >= 0 ? value : 2 * (float) (value >>> 1 | value & 1);
    }

    private static void store(float[] values, int n, MemorySegment target, long index) {
        MemorySegment.copy(values, 0, target, StoredTensor.FLOAT, Float.BYTES * index, n);
    }

    static void narrow(DType dtype, MemorySegment source, long count, MemorySegment target) {
        if (dtype == DType.F32) {
            MemorySegment.copy(source, 0, target, 0, Float.BYTES * count);
            return;
        }
        int chunk = (int) Math.min(CHUNK, count);
        float[] in = new float[chunk];
        short[] out = new short[chunk];
        for (long done = 0; done < count; done += chunk) {
            int n = (int) Math.min(chunk, count - done);
            MemorySegment.copy(source, StoredTensor.FLOAT, Float.BYTES * done, in, 0, n);
            if (dtype == DType.F16) {
                for (int i = 0; i < n; i++) {
                    out[i] = Float.floatToFloat16(in[i]);
                }
            } else {
                for (int i = 0; i < n; i++) {
                    out[i] = bfloat16(in[i]);
                }
            }
            MemorySegment.copy(out, 0, target, SHORT, Short.BYTES * done, n);
        }
    }

    /// Adding half of the last kept place, less one when that place is even, rounds to nearest even
    /// and carries into the exponent (up to infinity) by itself. NaN is quieted instead: the carry
    /// could turn it into infinity.
    private static short bfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int rounded = bits + 0x7fff + (bits >>> 16 & 1) >>> 16;
        int quiet = bits >>> 16 | 0x40;
        return (short) ((bits & 0x7fff_ffff) > 0x7f80_0000 ? quiet : rounded);
    }
}
