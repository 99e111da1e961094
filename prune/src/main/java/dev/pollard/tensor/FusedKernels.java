package dev.pollard.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// Element-wise steps of a decoder block, each in one pass over memory where torch takes three to
/// six and a temporary for every one. For contiguous float32 that needs no gradient; results
/// differ from torch's in the last bits.
final class FusedKernels {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();
    private static final int TILE = 32;
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();

    private FusedKernels() {}

    /// `y = x / √(mean x² + epsilon) · weight`, row by row; x and y `[rows, width]`.
    static void rmsNorm(
            MemorySegment x, MemorySegment weight, MemorySegment y, int width, double epsilon) {
        long rows = x.byteSize() / (4L * width);
        int whole = SPECIES.loopBound(width);
        for (long r = 0; r < rows; r++) {
            long row = 4L * r * width;
            var squares = FloatVector.zero(SPECIES);
            for (int i = 0; i < whole; i += LANES) {
                var v = load(x, row + 4L * i);
                squares = v.fma(v, squares);
            }
            double sum = VectorMath.sum(squares);
            for (int i = whole; i < width; i++) {
                float v = at(x, row + 4L * i);
                sum += (double) v * v;
            }
            float scale = (float) (1 / Math.sqrt(sum / width + epsilon));
            for (int i = 0; i < whole; i += LANES) {
                load(x, row + 4L * i)
                        .mul(scale)
                        .mul(load(weight, 4L * i))
                        .intoMemorySegment(y, row + 4L * i, ORDER);
            }
            for (int i = whole; i < width; i++) {
                put(y, row + 4L * i, at(x, row + 4L * i) * scale * at(weight, 4L * i));
            }
        }
    }

    /// `y = x / (1 + exp(-x)) · up`, element by element.
    static void siluTimes(MemorySegment x, MemorySegment up, MemorySegment y) {
        long elements = x.byteSize() / 4;
        long whole = SPECIES.loopBound(elements);
        for (long i = 0; i < whole; i += LANES) {
            var v = load(x, 4 * i);
            v.mul(load(up, 4 * i))
                    .div(VectorMath.exp(v.neg()).add(1f))
                    .intoMemorySegment(y, 4 * i, ORDER);
        }
        for (long i = whole; i < elements; i++) {
            float v = at(x, 4 * i);
            put(y, 4 * i, (float) (v * at(up, 4 * i) / (1 + Math.exp(-v))));
        }
    }

    /// `y_i = x_i cos_i + x_j sin_i` with j the entry half a row away: x `[heads, time, width]`
    /// with any stride of heads and times, tables `[time, width]`, y contiguous.
    static void rotate(
            MemorySegment x,
            long headStride,
            long timeStride,
            MemorySegment cos,
            MemorySegment sin,
            MemorySegment y,
            int heads,
            int time,
            int width) {
        int half = width / 2;
        int whole = SPECIES.loopBound(half);
        for (int h = 0; h < heads; h++) {
            for (int t = 0; t < time; t++) {
                long from = 4 * (h * headStride + t * timeStride);
                long to = 4L * ((long) h * time + t) * width;
                long table = 4L * t * width;
                for (int start = 0; start <= half; start += half) {
                    long own = 4L * start;
                    long other = 4L * (half - start);
                    for (int i = 0; i < whole; i += LANES) {
                        load(x, from + own + 4L * i)
                                .mul(load(cos, table + own + 4L * i))
                                .add(
                                        load(x, from + other + 4L * i)
                                                .mul(load(sin, table + own + 4L * i)))
                                .intoMemorySegment(y, to + own + 4L * i, ORDER);
                    }
                    for (int i = whole; i < half; i++) {
                        put(
                                y,
                                to + own + 4L * i,
                                at(x, from + own + 4L * i) * at(cos, table + own + 4L * i)
                                        + at(x, from + other + 4L * i)
                                                * at(sin, table + own + 4L * i));
                    }
                }
            }
        }
    }

    /// Copies the upper triangle of a square matrix of `n` rows onto the lower one, in tiles that
    /// stay in the cache.
    static void mirrorUpper(MemorySegment matrix, int n) {
        for (int r = 0; r < n; r += TILE) {
            for (int c = 0; c <= r; c += TILE) {
                for (int i = r; i < Math.min(r + TILE, n); i++) {
                    for (int j = c; j < Math.min(c + TILE, i); j++) {
                        put(matrix, 4 * ((long) i * n + j), at(matrix, 4 * ((long) j * n + i)));
                    }
                }
            }
        }
    }

    private static FloatVector load(MemorySegment floats, long offset) {
        return FloatVector.fromMemorySegment(SPECIES, floats, offset, ORDER);
    }

    private static float at(MemorySegment floats, long offset) {
        return floats.get(ValueLayout.JAVA_FLOAT, offset);
    }

    private static void put(MemorySegment floats, long offset, float value) {
        floats.set(ValueLayout.JAVA_FLOAT, offset, value);
    }
}
