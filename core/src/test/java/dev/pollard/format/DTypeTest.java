package dev.pollard.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class DTypeTest {
    private static final long SEED = 20260101;

    @Test
    void bfloat16RoundsToTheNearestAndTiesToEven() {
        SplittableRandom random = new SplittableRandom(SEED);
        float[] values = new float[20_000];
        for (int i = 0; i < values.length; i++) {
            int bits = random.nextInt();
            // A third are exact ties, where only the rule of even decides.
            values[i] = Float.intBitsToFloat(i % 3 == 0 ? bits & 0xffff_0000 | 0x8000 : bits);
        }
        short[] narrowed = narrowed(DType.BF16, values);
        for (int i = 0; i < values.length; i++) {
            assertEquals(
                    nearestBfloat16(values[i]),
                    Float.intBitsToFloat(narrowed[i] << 16),
                    values[i] + " with seed " + SEED);
        }
    }

    /// Compares distances to both neighbours in float64, where they are exact.
    private static float nearestBfloat16(float value) {
        if (Float.isNaN(value)) {
            return Float.NaN;
        }
        int lowBits = Float.floatToRawIntBits(value) & 0xffff_0000;
        float low = Float.intBitsToFloat(lowBits);
        if (Float.isInfinite(value) || low == value) {
            return low;
        }
        float high = Float.intBitsToFloat(lowBits + 0x1_0000);
        double above = Float.isInfinite(high) ? Math.scalb(Math.signum(high), 128) : (double) high;
        double toLow = Math.abs((double) value - low);
        double toHigh = Math.abs(above - value);
        boolean lowIsEven = (lowBits & 0x1_0000) == 0;
        return toLow < toHigh || toLow == toHigh && lowIsEven ? low : high;
    }

    @ParameterizedTest
    @CsvSource({
        "3f800000, 3f80",
        "3f808000, 3f80",
        "3f818000, 3f82",
        "3f808001, 3f81", // ties to even
        "80000000, 8000",
        "00000001, 0000",
        "00008001, 0001", // zero and subnormal numbers
        "7f7fffff, 7f80",
        "ff7fffff, ff80",
        "7f7f7fff, 7f7f", // overflow to infinity
        "7f800000, 7f80",
        "ff800000, ff80",
        "7f800001, 7fc0",
        "ffc12345, ffc1" // stays NaN
    })
    void bfloat16OfEdgeCases(String float32, String bfloat16) {
        float value = Float.intBitsToFloat(Integer.parseUnsignedInt(float32, 16));
        assertEquals(bfloat16, "%04x".formatted(narrowed(DType.BF16, new float[] {value})[0]));
    }

    @ParameterizedTest
    @EnumSource(names = {"F16", "BF16"})
    void everyHalfSurvivesTheWayThroughFloat32(DType dtype) {
        ByteBuffer halves = ByteBuffer.allocate(2 << 16).order(ByteOrder.LITTLE_ENDIAN);
        for (int code = 0; code < 1 << 16; code++) {
            halves.putShort((short) code);
        }
        float[] wide = widened(dtype, MemorySegment.ofArray(halves.array()), 0, 1 << 16);
        short[] back = narrowed(dtype, wide);
        for (int code = 0; code < 1 << 16; code++) {
            if (Float.isNaN(wide[code])) {
                float again = widened(dtype, bytes(back[code]), 0, 1)[0];
                assertTrue(Float.isNaN(again), "NaN " + code);
            } else {
                assertEquals((short) code, back[code]);
            }
        }
    }

    @Test
    void float16RoundsTiesToEvenAndOverflowsToInfinity() {
        short[] halves =
                narrowed(
                        DType.F16, new float[] {1 + 0x1p-11f, 1 + 3 * 0x1p-11f, 65520, 65519, -0f});
        assertArrayEquals(new short[] {0x3c00, 0x3c02, 0x7c00, 0x7bff, (short) 0x8000}, halves);
    }

    @ParameterizedTest
    @CsvSource({
        "F8_E4M3, 7e, 448",
        "F8_E4M3, 01, 0.001953125",
        "F8_E4M3, 7f, NaN",
        "F8_E4M3, ff, NaN",
        "F8_E4M3, b8, -1",
        "F8_E5M2, 7b, 57344",
        "F8_E5M2, 7c, Infinity",
        "F8_E5M2, fe, NaN",
        "F8_E5M2, 01, 1.52587890625E-5",
        "F8_E4M3FNUZ, 7f, 240",
        "F8_E4M3FNUZ, 80, NaN",
        "F8_E4M3FNUZ, 01, 9.765625E-4",
        "F8_E5M2FNUZ, 7f, 57344",
        "F8_E5M2FNUZ, 80, NaN",
        "F8_E5M2FNUZ, 01, 7.62939453125E-6",
        "F8_E8M0, 7f, 1",
        "F8_E8M0, 00, 5.877472E-39",
        "F8_E8M0, ff, NaN",
        "BOOL, 02, 1",
        "BOOL, 00, 0",
        "U8, ff, 255",
        "I8, ff, -1"
    })
    void oneByteKindsWidenAsDefined(DType dtype, String code, float expected) {
        byte[] one = {(byte) Integer.parseInt(code, 16)};
        assertEquals(expected, widened(dtype, MemorySegment.ofArray(one), 0, 1)[0]);
    }

    @Test
    void wideIntegersRoundOnceToTheNearestFloat() {
        SplittableRandom random = new SplittableRandom(SEED);
        ByteBuffer longs = ByteBuffer.allocate(8 * 3000).order(ByteOrder.LITTLE_ENDIAN);
        while (longs.hasRemaining()) {
            // Just above, at and below ties of the 24 bits that float32 keeps.
            longs.putLong(random.nextLong() & ~0xff_ffff_ffffL | 1L << 39 | random.nextInt(3) - 1);
        }
        MemorySegment source = MemorySegment.ofArray(longs.array());
        float[] signed = widened(DType.I64, source, 0, 3000);
        float[] unsigned = widened(DType.U64, source, 0, 3000);
        for (int i = 0; i < 3000; i++) {
            long value = longs.getLong(8 * i);
            assertEquals(BigInteger.valueOf(value).floatValue(), signed[i]);
            assertEquals(new BigInteger(Long.toUnsignedString(value)).floatValue(), unsigned[i]);
        }
    }

    @Test
    void sixteenAndThirtyTwoBitIntegersKeepTheirSign() {
        assertEquals(-1, widened(DType.I16, bytes((short) -1), 0, 1)[0]);
        assertEquals(65535, widened(DType.U16, bytes((short) -1), 0, 1)[0]);
        MemorySegment ones = MemorySegment.ofArray(new int[] {-1});
        assertEquals(-1, widened(DType.I32, ones, 0, 1)[0]);
        assertEquals(4294967296f, widened(DType.U32, ones, 0, 1)[0]);
    }

    /// A range that starts inside one chunk and ends inside another, on unaligned native memory.
    @ParameterizedTest
    @EnumSource
    void readsRangesAcrossChunks(DType dtype) {
        if (!dtype.widens()) {
            return;
        }
        int elements = 6000;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment source = arena.allocate(dtype.bytes(elements) + 1).asSlice(1);
            SplittableRandom random = new SplittableRandom(SEED);
            for (long i = 0; i < source.byteSize(); i++) {
                source.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
            }
            float[] range = widened(dtype, source, 1999, 3001);
            for (int i = 0; i < range.length; i++) {
                assertEquals(widened(dtype, source, 1999 + i, 1)[0], range[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F4", "F6_E2M3", "F6_E3M2", "C64"})
    void complexAndSubByteKindsAreNotConverted(DType dtype) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[24]);
        assertThrows(IllegalArgumentException.class, () -> dtype.widen(bytes, 0, 1, bytes));
    }

    @Test
    void onlyTheThreeFloatKindsOfWeightsAreNarrowedTo() {
        MemorySegment bytes = MemorySegment.ofArray(new byte[24]);
        assertThrows(IllegalArgumentException.class, () -> DType.I8.narrow(bytes, 1, bytes));
        assertThrows(IllegalArgumentException.class, () -> DType.F64.narrow(bytes, 1, bytes));
    }

    @Test
    void rangesOutsideEitherSegmentAreRefused() {
        MemorySegment four = MemorySegment.ofArray(new byte[8]);
        MemorySegment room = MemorySegment.ofArray(new float[3]);
        assertThrows(IndexOutOfBoundsException.class, () -> DType.F16.widen(four, 2, 3, room));
        assertThrows(IndexOutOfBoundsException.class, () -> DType.F16.widen(four, 0, 4, room));
        assertThrows(IndexOutOfBoundsException.class, () -> DType.F16.widen(four, -1, 1, room));
        assertThrows(IndexOutOfBoundsException.class, () -> DType.F16.narrow(room, 4, four));
    }

    @Test
    void sizesInBytesAreExactOrRefused() {
        assertEquals(3, DType.F4.bytes(6));
        assertEquals(3, DType.F6_E3M2.bytes(4));
        assertEquals(0, DType.F64.bytes(0));
        assertThrows(IllegalArgumentException.class, () -> DType.F4.bytes(3));
        assertThrows(IllegalArgumentException.class, () -> DType.F32.bytes(1L << 61));
        assertThrows(IllegalArgumentException.class, () -> DType.U8.bytes(Long.MAX_VALUE));
    }

    @Test
    void viewMustHaveAsManyBytesAsItsShapeSays() {
        MemorySegment ten = MemorySegment.ofArray(new byte[10]);
        assertThrows(
                IllegalArgumentException.class,
                () -> new TensorView("w", DType.F16, Shape.of(2, 3), ten));
        TensorView view = new TensorView("w", DType.F16, Shape.of(5), ten);
        assertTrue(view.data().isReadOnly());
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> view.readFloats(3, 3, MemorySegment.ofArray(new float[3])));
    }

    private static float[] widened(DType dtype, MemorySegment source, long from, int count) {
        float[] target = new float[count];
        dtype.widen(source, from, count, MemorySegment.ofArray(target));
        return target;
    }

    private static short[] narrowed(DType dtype, float[] values) {
        short[] target = new short[values.length];
        dtype.narrow(MemorySegment.ofArray(values), values.length, MemorySegment.ofArray(target));
        return target;
    }

    private static MemorySegment bytes(short value) {
        return MemorySegment.ofArray(new short[] {value});
    }
}
