package dev.pollard.prune;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Which weights of a matrix `[rows, columns]` are kept: one bit each, 1 = kept.
///
/// Bit `c mod 64` of word `c / 64` of a row stands for column `c`; every row starts on a new word,
/// and bits past the last column are 0. Immutable.
public final class Mask {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

    private final int rows;
    private final int columns;
    private final int wordsPerRow;
    private final long[] words;
    private final long kept;

    private Mask(int rows, int columns, long[] words) {
        this.rows = rows;
        this.columns = columns;
        this.wordsPerRow = wordsPerRow(columns);
        this.words = words;
        this.kept = Arrays.stream(words).map(Long::bitCount).sum();
    }

    /// A mask of the given words, copied; row `r` starts at word `r · wordsPerRow(columns)`.
    ///
    /// @throws IllegalArgumentException if the sizes do not fit or a bit past the last column is
    ///     set
    public static Mask of(int rows, int columns, long[] words) {
        long need = (long) checked(rows, columns) * wordsPerRow(columns);
        if (words.length != need) {
            throw new IllegalArgumentException(
                    "a mask [%d, %d] has %d words, not %d"
                            .formatted(rows, columns, need, words.length));
        }
        int stride = wordsPerRow(columns);
        for (int last = stride - 1; last < words.length; last += stride) {
            if ((words[last] & ~lastWord(columns)) != 0) {
                throw new IllegalArgumentException(
                        "row %d keeps columns past the last of %d"
                                .formatted(last / stride, columns));
            }
        }
        return new Mask(rows, columns, words.clone());
    }

    /// Everything kept.
    public static Mask full(int rows, int columns) {
        int stride = wordsPerRow(columns);
        long[] words = new long[Math.multiplyExact(checked(rows, columns), stride)];
        Arrays.fill(words, -1);
        for (int last = stride - 1; last < words.length; last += stride) {
            words[last] = lastWord(columns);
        }
        return new Mask(rows, columns, words);
    }

    /// Kept = not zero, of a float32 matrix.
    public static Mask ofNonZero(Tensor weight) {
        int rows = Math.toIntExact(weight.size(0));
        int columns = Math.toIntExact(weight.size(1));
        int stride = wordsPerRow(columns);
        long[] words = new long[Math.multiplyExact(checked(rows, columns), stride)];
        float[] row = new float[columns];
        try (var _ = Scope.open()) {
            MemorySegment source = weight.contiguous().segment();
            for (int r = 0; r < rows; r++) {
                read(source, r, row);
                int whole = SPECIES.loopBound(columns);
                for (int c = 0; c < whole; c += SPECIES.length()) {
                    var nonZero =
                            FloatVector.fromArray(SPECIES, row, c).compare(VectorOperators.NE, 0f);
                    words[r * stride + (c >> 6)] |= nonZero.toLong() << c;
                }
                for (int c = whole; c < columns; c++) {
                    if (row[c] != 0) {
                        words[r * stride + (c >> 6)] |= 1L << c;
                    }
                }
            }
        }
        return new Mask(rows, columns, words);
    }

    /// Words that one row of `columns` bits takes.
    public static int wordsPerRow(int columns) {
        return (columns + 63) >> 6;
    }

    /// Copies the first `columns` bits from `source[from …]` into a row that starts at
    /// `target[firstWord]`, from bit `column` on, where the row has zeros.
    public static void place(
            long[] source, int from, int columns, long[] target, int firstWord, int column) {
        int shift = column & 63;
        for (int k = 0; k < wordsPerRow(columns); k++) {
            int word = firstWord + (column >> 6) + k;
            target[word] |= source[from + k] << shift;
            if (shift != 0 && source[from + k] >>> 64 - shift != 0) {
                target[word + 1] |= source[from + k] >>> 64 - shift;
            }
        }
    }

    public int rows() {
        return rows;
    }

    public int columns() {
        return columns;
    }

    /// Number of weights kept.
    public long kept() {
        return kept;
    }

    /// Number of weights removed.
    public long pruned() {
        return (long) rows * columns - kept;
    }

    /// The fraction removed; of an empty matrix 0.
    public double sparsity() {
        return rows == 0 || columns == 0 ? 0 : (double) pruned() / ((long) rows * columns);
    }

    /// Number of weights kept that `other`, of the same shape, removes.
    public long keptBeyond(Mask other) {
        long count = 0;
        for (int i = 0; i < words.length; i++) {
            count += Long.bitCount(words[i] & ~other.words[i]);
        }
        return count;
    }

    /// @throws IndexOutOfBoundsException if there is no such weight
    public boolean isKept(int row, int column) {
        if (row < 0 || row >= rows || column < 0 || column >= columns) {
            throw new IndexOutOfBoundsException(
                    "(%d, %d) is outside [%d, %d]".formatted(row, column, rows, columns));
        }
        return (words[row * wordsPerRow + (column >> 6)] >>> column & 1) != 0;
    }

    /// Word `index` of a row: columns `64 index … 64 index + 63`.
    public long word(int row, int index) {
        return words[row * wordsPerRow + index];
    }

    /// A new tensor with the weights that are kept, and +0 elsewhere.
    ///
    /// @throws IllegalArgumentException if the shape is not `[rows, columns]`
    public Tensor applyTo(Tensor weight) {
        requireShape(weight);
        Tensor result = Tensor.empty(rows, columns);
        float[] row = new float[columns];
        try (var _ = Scope.open()) {
            MemorySegment source = weight.contiguous().segment();
            MemorySegment target = result.segment();
            for (int r = 0; r < rows; r++) {
                read(source, r, row);
                for (int k = 0; k < wordsPerRow; k++) {
                    clear(row, k << 6, gone(r, k));
                }
                write(row, target, r);
            }
        }
        return result;
    }

    /// Moves what is kept of `weight` to `taken`, where the rest becomes zero.
    ///
    /// @param weight `[rows, columns]` float32, contiguous; afterwards +0 where the mask keeps
    /// @param taken of the same shape, contiguous; overwritten
    /// @throws IllegalArgumentException if the shapes do not fit
    public void part(Tensor weight, Tensor taken) {
        requireShape(weight);
        requireShape(taken);
        MemorySegment left = weight.segment();
        MemorySegment right = taken.segment();
        float[] rest = new float[columns];
        float[] row = new float[columns];
        for (int r = 0; r < rows; r++) {
            read(left, r, rest);
            read(left, r, row);
            for (int k = 0; k < wordsPerRow; k++) {
                clear(rest, k << 6, word(r, k));
                clear(row, k << 6, gone(r, k));
            }
            write(rest, left, r);
            write(row, right, r);
        }
    }

    /// `row[first + j] ← +0` for every bit j.
    private static void clear(float[] row, int first, long bits) {
        for (long left = bits; left != 0; left &= left - 1) {
            row[first + Long.numberOfTrailingZeros(left)] = 0f;
        }
    }

    /// Whether every weight that is not zero is kept.
    ///
    /// @throws IllegalArgumentException if the shape is not `[rows, columns]`
    public boolean covers(Tensor weight) {
        requireShape(weight);
        Mask nonZero = ofNonZero(weight);
        for (int i = 0; i < words.length; i++) {
            if ((nonZero.words[i] & ~words[i]) != 0) {
                return false;
            }
        }
        return true;
    }

    /// Whether the mask has the pattern, wherever a method counts: [#matches(Sparsity, long)] with
    /// as many groups as there are rows or columns, whichever are more.
    public boolean matches(Sparsity sparsity) {
        return matches(sparsity, Math.max(rows, columns));
    }

    /// Whether the mask has exactly the pattern. N:M: every group of M columns keeps N, and there
    /// are whole groups only. Unstructured: as many are removed as when each of `groups` parts of
    /// the matrix rounds its share down, so fewer than `groups` short of the ratio, and never more.
    ///
    /// @param groups in how many parts the method counts: 1 for the whole matrix, the number of
    ///     rows for Wanda, of column blocks for SparseGPT
    public boolean matches(Sparsity sparsity, long groups) {
        return switch (sparsity) {
            case Sparsity.Unstructured(double ratio) -> {
                long most = Selection.count((long) rows * columns, ratio);
                yield pruned() <= most && pruned() >= most - Math.max(0, groups - 1);
            }
            case Sparsity.SemiStructured(int keep, int of) ->
                    columns % of == 0 && everyGroupKeeps(keep, of);
        };
    }

    private boolean everyGroupKeeps(int keep, int of) {
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c += of) {
                int count = 0;
                for (int j = c; j < c + of; j++) {
                    count += (int) (words[r * wordsPerRow + (j >> 6)] >>> j & 1);
                }
                if (count != keep) {
                    return false;
                }
            }
        }
        return true;
    }

    private long gone(int row, int index) {
        long inside = index == wordsPerRow - 1 ? lastWord(columns) : -1;
        return ~word(row, index) & inside;
    }

    private void requireShape(Tensor weight) {
        if (weight.rank() != 2 || weight.size(0) != rows || weight.size(1) != columns) {
            throw new IllegalArgumentException("%s does not fit %s".formatted(weight, this));
        }
    }

    private static void read(MemorySegment source, int row, float[] target) {
        MemorySegment.copy(
                source, ValueLayout.JAVA_FLOAT, 4L * row * target.length, target, 0, target.length);
    }

    private static void write(float[] source, MemorySegment target, int row) {
        MemorySegment.copy(
                source, 0, target, ValueLayout.JAVA_FLOAT, 4L * row * source.length, source.length);
    }

    private static long lastWord(int columns) {
        return -1L >>> -columns; // a shift counts modulo 64
    }

    private static int checked(int rows, int columns) {
        if (rows < 0 || columns < 1) {
            throw new IllegalArgumentException("no mask of [%d, %d]".formatted(rows, columns));
        }
        return rows;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Mask mask
                && rows == mask.rows
                && columns == mask.columns
                && Arrays.equals(words, mask.words);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * rows + columns) + Arrays.hashCode(words);
    }

    @Override
    public String toString() {
        return "Mask[%d, %d] keeping %d".formatted(rows, columns, kept);
    }
}
