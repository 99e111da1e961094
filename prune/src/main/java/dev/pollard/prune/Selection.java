package dev.pollard.prune;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/// Exact choice of the weights to remove: those of the lowest scores, exactly as many as asked for.
///
/// One rule for ties, everywhere: among equal scores the **lower index is removed first** (row by
/// row, then by column). It is what a stable ascending sort gives, so Wanda's published masks come
/// out position by position. A `score <= threshold` would remove all that tie with the last one.
///
/// Scores are never negative and never NaN, so their float bits sort like themselves; the cut is
/// found by counting bits from the top, in time linear in the number of scores.
public final class Selection {
    /// The lowest of `scores` that stay: what is below `bits` goes, and of those equal to it the
    /// first `ties`.
    private record Cut(int bits, long ties) {}

    private static final int[] SHIFTS = {20, 9, 0};
    private static final int[] WIDTHS = {11, 11, 9};

    private Selection() {}

    /// Fills in the scores of one row.
    @FunctionalInterface
    public interface Scores {
        /// @param scores one per column, to be written; none negative, none NaN. Rows come in any
        ///     order and from several threads
        void row(int row, float[] scores);
    }

    /// How many of `size` scores a ratio removes: `⌊size · ratio⌋`, as the reference codes have it,
    /// but with a product that misses a whole number only by rounding taken as that number (0.29 of
    /// 100 is 29, not 28), and never all.
    public static long count(long size, double ratio) {
        double product = size * ratio;
        double nearest = Math.rint(product);
        // Ratio and product are each rounded once.
        boolean whole = Math.abs(product - nearest) <= 2 * Math.ulp(product);
        return Math.max(0, Math.min((long) (whole ? nearest : product), size - 1));
    }

    /// Removes the lowest scores of the whole matrix.
    public static Mask perMatrix(int rows, int columns, double ratio, Scores scores) {
        return perColumns(rows, columns, columns, ratio, scores);
    }

    /// Removes the lowest scores of every row by itself.
    public static Mask perRow(int rows, int columns, double ratio, Scores scores) {
        int count = (int) count(columns, ratio);
        if (count == 0) {
            return Mask.full(rows, columns);
        }
        int stride = Mask.wordsPerRow(columns);
        long[] words = new long[Math.multiplyExact(rows, stride)];
        eachRow(
                rows,
                columns,
                (r, row) -> {
                    scores.row(r, row);
                    keepAbove(row, 0, columns, cut(row, columns, count), words, r * stride);
                });
        return Mask.of(rows, columns, words);
    }

    /// Removes the lowest scores of every block of `width` columns, all rows of it together.
    public static Mask perColumns(int rows, int columns, int width, double ratio, Scores scores) {
        if (ratio == 0 || columns == 0) {
            return Mask.full(rows, columns);
        }
        Cut[] cuts = cuts(rows, columns, width, ratio, scores);
        int stride = Mask.wordsPerRow(columns);
        long[] words = new long[Math.multiplyExact(rows, stride)];
        long[] kept = new long[Mask.wordsPerRow(width)];
        float[] row = new float[columns];
        for (int r = 0; r < rows; r++) {
            scores.row(r, row);
            for (int b = 0; b < cuts.length; b++) {
                int from = b * width;
                int size = Math.min(width, columns - from);
                long ties = keepAbove(row, from, size, cuts[b], kept, 0);
                cuts[b] = new Cut(cuts[b].bits, cuts[b].ties - ties);
                Mask.place(kept, 0, size, words, r * stride, from);
            }
        }
        return Mask.of(rows, columns, words);
    }

    /// Keeps the `keep` highest scores of every `of` consecutive columns.
    ///
    /// @throws IllegalArgumentException if `of` does not divide `columns`
    public static Mask perGroup(int rows, int columns, int keep, int of, Scores scores) {
        if (columns % of != 0) {
            throw new IllegalArgumentException(
                    "%d:%d does not divide %d columns".formatted(keep, of, columns));
        }
        int stride = Mask.wordsPerRow(columns);
        long[] words = new long[Math.multiplyExact(rows, stride)];
        var ranks = Ranks.of(of);
        eachRow(
                rows,
                columns,
                (r, row) -> {
                    scores.row(r, row);
                    int ranked = ranks == null ? 0 : ranks.keep(row, keep, words, r * stride);
                    boolean[] removed = new boolean[of];
                    for (int c = ranked; c < columns; c += of) {
                        lowest(row, c, of, of - keep, removed);
                        for (int j = 0; j < of; j++) {
                            if (!removed[j]) {
                                words[r * stride + (c + j >> 6)] |= 1L << c + j;
                            }
                        }
                    }
                });
        return Mask.of(rows, columns, words);
    }

    /// Chooses within groups of `of` lanes of a vector: the rank of a score is how many of its
    /// group go before it.
    ///
    /// @param turns by place: every lane's neighbour so many places further in its group, round
    /// @param wraps 1 in the lanes whose neighbour that is stands before them
    private record Ranks(int of, List<VectorShuffle<Integer>> turns, List<IntVector> wraps) {
        private static final VectorSpecies<Integer> LANES = IntVector.SPECIES_PREFERRED;

        /// Null if groups of that size do not fill vectors.
        static Ranks of(int of) {
            if (LANES.length() % of != 0) {
                return null;
            }
            var turns = new ArrayList<VectorShuffle<Integer>>();
            var wraps = new ArrayList<IntVector>();
            for (int k = 1; k < of; k++) {
                int places = k;
                turns.add(
                        VectorShuffle.fromOp(
                                LANES, lane -> lane - lane % of + (lane + places) % of));
                int[] wrap = new int[LANES.length()];
                Arrays.setAll(wrap, lane -> lane % of + places >= of ? 1 : 0);
                wraps.add(IntVector.fromArray(LANES, wrap, 0));
            }
            return new Ranks(of, turns, wraps);
        }

        /// Sets the bits of the `keep` highest of every group, as far as whole vectors go.
        ///
        /// @return how many scores that are
        int keep(float[] scores, int keep, long[] words, int firstWord) {
            int whole = LANES.loopBound(scores.length);
            for (int c = 0; c < whole; c += LANES.length()) {
                var own =
                        FloatVector.fromArray(FloatVector.SPECIES_PREFERRED, scores, c)
                                .reinterpretAsInts();
                var rank = IntVector.zero(LANES);
                for (int k = 0; k < of - 1; k++) {
                    // Of equal scores the one that stands before goes first.
                    var goes = own.rearrange(turns.get(k)).lt(own.add(wraps.get(k)));
                    rank = rank.add(1, goes);
                }
                long kept = rank.compare(VectorOperators.GE, of - keep).toLong();
                words[firstWord + (c >> 6)] |= kept << c;
            }
            return whole;
        }
    }

    /// Marks the `count` lowest of `scores[from … from + size)`, ties by index.
    ///
    /// @param removed overwritten: entry `j` stands for score `from + j`
    public static void lowest(float[] scores, int from, int size, int count, boolean[] removed) {
        Arrays.fill(removed, 0, size, false);
        for (int n = 0; n < count; n++) {
            int least = -1;
            for (int j = 0; j < size; j++) {
                if (!removed[j] && (least < 0 || scores[from + j] < scores[from + least])) {
                    least = j;
                }
            }
            removed[least] = true;
        }
    }

    /// Of a tile of scores `[rows, columns]` taken together, the lowest `count` are removed.
    ///
    /// @param scores row-major, without gaps
    /// @param words overwritten with the tile's bits, 1 = kept: row `r` starts at word
    ///     `r · wordsPerRow(columns)`
    public static void perTile(float[] scores, int rows, int columns, int count, long[] words) {
        int stride = Mask.wordsPerRow(columns);
        Arrays.fill(words, 0, rows * stride, 0);
        // With nothing to remove the cut is below every score.
        Cut cut = count == 0 ? new Cut(0, 0) : cut(scores, rows * columns, count);
        long ties = cut.ties;
        for (int r = 0; r < rows; r++) {
            ties -=
                    keepAbove(
                            scores,
                            r * columns,
                            columns,
                            new Cut(cut.bits, ties),
                            words,
                            r * stride);
        }
    }

    /// Sets the bits of the scores that stay.
    ///
    /// @return how many of the cut's ties were used up
    private static long keepAbove(
            float[] scores, int from, int columns, Cut cut, long[] words, int firstWord) {
        long ties = 0;
        for (int c = 0; c < columns; c += 64) {
            int end = Math.min(64, columns - c);
            long above = 0;
            long equal = 0;
            for (int j = 0; j < end; j++) {
                int bits = bits(scores[from + c + j]);
                above |= (bits > cut.bits ? 1L : 0L) << j;
                equal |= (bits == cut.bits ? 1L : 0L) << j;
            }
            while (equal != 0 && ties < cut.ties) {
                equal &= equal - 1;
                ties++;
            }
            words[firstWord + (c >> 6)] = above | equal;
        }
        return ties;
    }

    /// The cut under which exactly `count` of the first `size` scores lie.
    private static Cut cut(float[] scores, int size, int count) {
        int[] candidates = new int[size];
        for (int i = 0; i < size; i++) {
            candidates[i] = bits(scores[i]);
        }
        long rank = count;
        int prefix = 0;
        int left = size;
        int[] histogram = new int[1 << 11];
        for (int level = 0; level < SHIFTS.length; level++) {
            int shift = SHIFTS[level];
            int digits = (1 << WIDTHS[level]) - 1;
            Arrays.fill(histogram, 0);
            for (int i = 0; i < left; i++) {
                histogram[candidates[i] >>> shift & digits]++;
            }
            int digit = 0;
            while (rank > histogram[digit]) {
                rank -= histogram[digit++];
            }
            prefix |= digit << shift;
            int matching = 0;
            for (int i = 0; i < left; i++) {
                int bits = candidates[i];
                candidates[matching] = bits;
                matching += (bits >>> shift & digits) == digit ? 1 : 0;
            }
            left = matching;
        }
        return new Cut(prefix, rank);
    }

    /// The same for every block of `width` columns of a matrix, whose scores are computed anew on
    /// each of three ways through, so that they need no memory.
    private static Cut[] cuts(int rows, int columns, int width, double ratio, Scores scores) {
        int blocks = Math.ceilDiv(columns, width);
        long[] rank = new long[blocks];
        Arrays.setAll(rank, b -> count((long) rows * Math.min(width, columns - b * width), ratio));
        int[] prefix = new int[blocks];
        int known = 0; // the bits of the prefixes that are decided
        float[] row = new float[columns];
        for (int level = 0; level < SHIFTS.length; level++) {
            int shift = SHIFTS[level];
            int digits = (1 << WIDTHS[level]) - 1;
            long[][] histogram = new long[blocks][digits + 1];
            for (int r = 0; r < rows; r++) {
                scores.row(r, row);
                for (int b = 0; b < blocks; b++) {
                    tally(row, b * width, width, known, prefix[b], shift, histogram[b]);
                }
            }
            for (int b = 0; b < blocks; b++) {
                int digit = 0;
                while (rank[b] > histogram[b][digit]) {
                    rank[b] -= histogram[b][digit++];
                }
                prefix[b] |= digit << shift;
            }
            known |= digits << shift;
        }
        var cuts = new Cut[blocks];
        Arrays.setAll(cuts, b -> new Cut(prefix[b], rank[b]));
        return cuts;
    }

    /// Counts by their next digit the scores whose bits are those of `prefix` as far as known.
    private static void tally(
            float[] scores,
            int from,
            int width,
            int known,
            int prefix,
            int shift,
            long[] histogram) {
        int digits = histogram.length - 1;
        for (int c = from; c < Math.min(from + width, scores.length); c++) {
            int bits = bits(scores[c]);
            if ((bits & known) == prefix) {
                histogram[bits >>> shift & digits]++;
            }
        }
    }

    private interface RowBody {
        void run(int row, float[] scores);
    }

    /// Rows in chunks, each with one buffer; every row's result is its own.
    private static void eachRow(int rows, int columns, RowBody body) {
        int chunk = 32;
        IntStream.range(0, (rows + chunk - 1) / chunk)
                .parallel()
                .forEach(
                        i -> {
                            float[] row = new float[columns];
                            for (int r = i * chunk; r < Math.min(rows, (i + 1) * chunk); r++) {
                                body.run(r, row);
                            }
                        });
    }

    private static int bits(float score) {
        return Float.floatToRawIntBits(score);
    }
}
