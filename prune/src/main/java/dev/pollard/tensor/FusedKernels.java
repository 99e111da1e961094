package dev.pollard.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Norms, gates, rotations, softmax and the loss, and their ways back, each in one to three passes
/// over memory where torch takes up to six and a temporary for every one. For contiguous float32;
/// results differ from torch's in the last bits.
final class FusedKernels {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();
    private static final int TILE = 32;
    private static final int ROW = 1024;
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

    /// The way back of [#rmsNorm]: with `r = 1 / √(mean x² + epsilon)` of a row,
    /// `∂x = r (w ∘ ∂y) − x r³ mean(w ∘ ∂y ∘ x)`, `∂w += Σ r x ∘ ∂y` over the rows.
    static void rmsNormBack(
            MemorySegment x,
            MemorySegment weight,
            MemorySegment ofY,
            MemorySegment ofX,
            MemorySegment ofWeight,
            int width,
            double epsilon) {
        long rows = x.byteSize() / (4L * width);
        int whole = SPECIES.loopBound(width);
        for (long r = 0; r < rows; r++) {
            long row = 4L * r * width;
            var squares = FloatVector.zero(SPECIES);
            var products = FloatVector.zero(SPECIES);
            for (int i = 0; i < whole; i += LANES) {
                var v = load(x, row + 4L * i);
                squares = v.fma(v, squares);
                products = v.fma(load(weight, 4L * i).mul(load(ofY, row + 4L * i)), products);
            }
            double square = VectorMath.sum(squares);
            double product = VectorMath.sum(products);
            for (int i = whole; i < width; i++) {
                float v = at(x, row + 4L * i);
                square += (double) v * v;
                product += (double) v * at(weight, 4L * i) * at(ofY, row + 4L * i);
            }
            double root = 1 / Math.sqrt(square / width + epsilon);
            float scale = (float) root;
            float pull = (float) (root * root * root * product / width);
            for (int i = 0; i < whole; i += LANES) {
                var v = load(x, row + 4L * i);
                var g = load(ofY, row + 4L * i).mul(scale);
                g.mul(load(weight, 4L * i))
                        .sub(v.mul(pull))
                        .intoMemorySegment(ofX, row + 4L * i, ORDER);
                g.fma(v, load(ofWeight, 4L * i)).intoMemorySegment(ofWeight, 4L * i, ORDER);
            }
            for (int i = whole; i < width; i++) {
                float v = at(x, row + 4L * i);
                float g = at(ofY, row + 4L * i) * scale;
                put(ofX, row + 4L * i, g * at(weight, 4L * i) - v * pull);
                put(ofWeight, 4L * i, at(ofWeight, 4L * i) + g * v);
            }
        }
    }

    /// The way back of [#siluTimes]: with `s = 1 / (1 + exp(-x))`,
    /// `∂x = ∂y up s (1 + x (1 − s))`, `∂up = ∂y x s`.
    static void siluTimesBack(
            MemorySegment x,
            MemorySegment up,
            MemorySegment ofY,
            MemorySegment ofX,
            MemorySegment ofUp) {
        long bytes = x.byteSize();
        for (long row = 0; row < bytes; row += 4 * ROW) {
            int n = (int) Math.min(ROW, (bytes - row) / 4);
            // In steps within the cache: the compiler of JDK 25 makes one loop over five segments
            // and throws it away again, for ever.
            sigmoid(x, ofX, row, n);
            product(ofY, ofX, ofUp, row, n); // ∂y s
            siluSlope(x, ofX, row, n);
            product(ofX, ofUp, ofX, row, n);
            product(ofX, up, ofX, row, n);
            product(ofUp, x, ofUp, row, n);
        }
    }

    /// `y = 1 / (1 + exp(-x))`.
    private static void sigmoid(MemorySegment x, MemorySegment y, long row, int n) {
        int whole = SPECIES.loopBound(n);
        var one = FloatVector.broadcast(SPECIES, 1f);
        for (int i = 0; i < whole; i += LANES) {
            one.div(VectorMath.exp(load(x, row + 4L * i).neg()).add(one))
                    .intoMemorySegment(y, row + 4L * i, ORDER);
        }
        for (int i = whole; i < n; i++) {
            put(y, row + 4L * i, (float) (1 / (1 + Math.exp(-at(x, row + 4L * i)))));
        }
    }

    /// `s ← 1 + x (1 − s)`.
    private static void siluSlope(MemorySegment x, MemorySegment s, long row, int n) {
        int whole = SPECIES.loopBound(n);
        var one = FloatVector.broadcast(SPECIES, 1f);
        for (int i = 0; i < whole; i += LANES) {
            one.sub(load(s, row + 4L * i))
                    .fma(load(x, row + 4L * i), one)
                    .intoMemorySegment(s, row + 4L * i, ORDER);
        }
        for (int i = whole; i < n; i++) {
            put(s, row + 4L * i, 1 + at(x, row + 4L * i) * (1 - at(s, row + 4L * i)));
        }
    }

    private static void product(
            MemorySegment a, MemorySegment b, MemorySegment y, long row, int n) {
        int whole = SPECIES.loopBound(n);
        for (int i = 0; i < whole; i += LANES) {
            load(a, row + 4L * i)
                    .mul(load(b, row + 4L * i))
                    .intoMemorySegment(y, row + 4L * i, ORDER);
        }
        for (int i = whole; i < n; i++) {
            put(y, row + 4L * i, at(a, row + 4L * i) * at(b, row + 4L * i));
        }
    }

    /// Softmax of `scale · x` in place, row by row, each over what it sees: `[…, rows, seen]`, row
    /// r of `rows` sees all but the last `rows − 1 − r` entries; the others become 0.
    static void causalSoftmax(MemorySegment x, long rows, long seen, double scale) {
        long all = x.byteSize() / (4 * seen);
        for (long r = 0; r < all; r++) {
            int visible = Math.toIntExact(seen - rows + 1 + r % rows);
            long row = 4 * r * seen;
            float most = most(x, row, visible);
            double sum = exponentials(x, row, x, row, visible, most, (float) scale);
            times(x, row, visible, (float) (1 / sum));
            x.asSlice(row + 4L * visible, 4 * (seen - visible)).fill((byte) 0);
        }
    }

    /// The way back of [#causalSoftmax], in place of `ofY`:
    /// `∂x = scale · y ∘ (∂y − Σ y ∘ ∂y)`, the sum along a row.
    static void causalSoftmaxBack(
            MemorySegment y, MemorySegment ofY, long rows, long seen, double scale) {
        long all = y.byteSize() / (4 * seen);
        for (long r = 0; r < all; r++) {
            int visible = Math.toIntExact(seen - rows + 1 + r % rows);
            long row = 4 * r * seen;
            int whole = SPECIES.loopBound(visible);
            var products = FloatVector.zero(SPECIES);
            for (int i = 0; i < whole; i += LANES) {
                products = load(y, row + 4L * i).fma(load(ofY, row + 4L * i), products);
            }
            double sum = VectorMath.sum(products);
            for (int i = whole; i < visible; i++) {
                sum += (double) at(y, row + 4L * i) * at(ofY, row + 4L * i);
            }
            float mean = (float) sum;
            for (int i = 0; i < whole; i += LANES) {
                load(ofY, row + 4L * i)
                        .sub(mean)
                        .mul(load(y, row + 4L * i))
                        .mul((float) scale)
                        .intoMemorySegment(ofY, row + 4L * i, ORDER);
            }
            for (int i = whole; i < visible; i++) {
                float g = (at(ofY, row + 4L * i) - mean) * at(y, row + 4L * i) * (float) scale;
                put(ofY, row + 4L * i, g);
            }
            ofY.asSlice(row + 4L * visible, 4 * (seen - visible)).fill((byte) 0);
        }
    }

    /// The mean of `-log softmax(x)[id]` over the rows that have an id, and its gradient; x
    /// `[rows, n]`.
    ///
    /// @param ids of every row, or [Tensor#NO_ID]
    /// @param ofX what it holds is lost
    static double crossEntropy(MemorySegment x, int[] ids, MemorySegment ofX, int n) {
        int counted = 0;
        for (int id : ids) {
            counted += id == Tensor.NO_ID ? 0 : 1;
        }
        double loss = 0;
        for (int r = 0; r < ids.length; r++) {
            long row = 4L * r * n;
            if (ids[r] == Tensor.NO_ID) {
                ofX.asSlice(row, 4L * n).fill((byte) 0);
                continue;
            }
            long own = row + 4L * Objects.checkIndex(ids[r], n);
            float most = most(x, row, n);
            double sum = exponentials(x, row, ofX, row, n, most, 1f);
            loss += Math.log(sum) + most - at(x, own);
            times(ofX, row, n, (float) (1 / (sum * counted)));
            put(ofX, own, at(ofX, own) - 1f / counted);
        }
        return loss / counted;
    }

    private static float most(MemorySegment x, long row, int n) {
        int whole = SPECIES.loopBound(n);
        float most = Float.NEGATIVE_INFINITY;
        if (whole > 0) {
            var mosts = load(x, row);
            for (int i = LANES; i < whole; i += LANES) {
                mosts = mosts.max(load(x, row + 4L * i));
            }
            most = mosts.reduceLanes(VectorOperators.MAX); // exact in any order
        }
        for (int i = whole; i < n; i++) {
            most = Math.max(most, at(x, row + 4L * i));
        }
        return most;
    }

    /// `y = exp(scale · (x − most))`.
    ///
    /// @return the sum of y
    private static double exponentials(
            MemorySegment x, long from, MemorySegment y, long to, int n, float most, float scale) {
        int whole = SPECIES.loopBound(n);
        var sums = FloatVector.zero(SPECIES);
        for (int i = 0; i < whole; i += LANES) {
            var e = VectorMath.exp(load(x, from + 4L * i).sub(most).mul(scale));
            sums = sums.add(e);
            e.intoMemorySegment(y, to + 4L * i, ORDER);
        }
        double sum = VectorMath.sum(sums);
        if (whole < n) {
            var rest = SPECIES.indexInRange(whole, n);
            var e =
                    VectorMath.exp(
                            FloatVector.fromMemorySegment(
                                            SPECIES, x, from + 4L * whole, ORDER, rest)
                                    .sub(most)
                                    .mul(scale));
            e.intoMemorySegment(y, to + 4L * whole, ORDER, rest);
            sum += VectorMath.sum(FloatVector.zero(SPECIES).blend(e, rest));
        }
        return sum;
    }

    private static void times(MemorySegment x, long row, int n, float factor) {
        int whole = SPECIES.loopBound(n);
        for (int i = 0; i < whole; i += LANES) {
            load(x, row + 4L * i).mul(factor).intoMemorySegment(x, row + 4L * i, ORDER);
        }
        for (int i = whole; i < n; i++) {
            put(x, row + 4L * i, at(x, row + 4L * i) * factor);
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

    /// A bit for every entry of x, 1 where it is 0.
    static long[] zeros(MemorySegment x) {
        long elements = x.byteSize() / 4;
        long[] zeros = new long[Math.toIntExact(Math.ceilDiv(elements, Long.SIZE))];
        for (long i = 0; i < elements; i++) {
            if (at(x, 4 * i) == 0) {
                zeros[(int) (i / Long.SIZE)] |= 1L << i;
            }
        }
        return zeros;
    }

    /// `x ← +0` where `where` has a 1.
    static void clear(MemorySegment x, long[] where) {
        if (where.length != Math.ceilDiv(x.byteSize() / 4, Long.SIZE)) {
            throw new IllegalArgumentException(
                    "%d words of bits for %d numbers".formatted(where.length, x.byteSize() / 4));
        }
        var zero = FloatVector.zero(SPECIES);
        for (int w = 0; w < where.length; w++) {
            long first = (long) w * Long.SIZE;
            int n = (int) Math.min(Long.SIZE, x.byteSize() / 4 - first);
            for (int i = 0; i < n; i += LANES) {
                zero.intoMemorySegment(
                        x, 4 * (first + i), ORDER, VectorMask.fromLong(SPECIES, where[w] >>> i));
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
