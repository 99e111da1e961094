package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SelectionTest {
    @ParameterizedTest
    @CsvSource({
        "10, 0.7, 7",
        "100, 0.29, 29",
        "100, 0.57, 57",
        "576, 0.7, 403",
        "3, 0.3333333333333333, 1",
        "3, 0.33, 0",
        "12288, 0.5, 6144",
        "1, 0.99, 0",
        "10, 0.9999999999999999, 9",
        "10, 0, 0",
        "0, 0.5, 0",
        "5000000000, 0.1, 500000000"
    })
    void countsLikeTheTruncatedProductButForgivesRounding(long size, double ratio, long count) {
        assertEquals(count, Selection.count(size, ratio));
    }

    /// Scores from few values, so that most of them tie; 64 values in all bit ranges besides.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void removesWhatAStableSortPutsFirst(int seed) {
        var random = new Random(seed);
        int rows = 1 + random.nextInt(12);
        int columns = 1 + random.nextInt(200);
        float[] values = new float[1 + random.nextInt(64)];
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.intBitsToFloat(random.nextInt(0x7f800001));
        }
        float[] scores = new float[rows * columns];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = values[random.nextInt(values.length)];
        }
        double ratio = random.nextDouble();
        Selection.Scores source =
                (row, target) -> System.arraycopy(scores, row * columns, target, 0, columns);

        long[] sorted = full(rows, columns);
        removeSorted(
                scores, 0, rows * columns, Selection.count(scores.length, ratio), columns, sorted);
        assertEquals(
                Mask.of(rows, columns, sorted),
                Selection.perMatrix(rows, columns, ratio, source),
                "seed " + seed);
        long[] tile = new long[sorted.length];
        Selection.perTile(scores, rows, columns, (int) Selection.count(scores.length, ratio), tile);
        assertArrayEquals(sorted, tile, "seed " + seed);

        long[] byRow = full(rows, columns);
        for (int r = 0; r < rows; r++) {
            removeSorted(
                    scores, r * columns, columns, Selection.count(columns, ratio), columns, byRow);
        }
        assertEquals(
                Mask.of(rows, columns, byRow),
                Selection.perRow(rows, columns, ratio, source),
                "seed " + seed);

        for (int width : new int[] {1, 7, 64, 128, 300}) {
            long[] byBlock = full(rows, columns);
            for (int from = 0; from < columns; from += width) {
                int first = from;
                int size = Math.min(width, columns - from);
                var block =
                        IntStream.range(0, rows * size)
                                .map(i -> i / size * columns + first + i % size);
                removeSorted(
                        scores,
                        block,
                        Selection.count((long) rows * size, ratio),
                        columns,
                        byBlock);
            }
            assertEquals(
                    Mask.of(rows, columns, byBlock),
                    Selection.perColumns(rows, columns, width, ratio, source),
                    "seed %d, blocks of %d".formatted(seed, width));
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 2", "1, 4", "2, 4", "3, 4", "4, 8", "7, 8", "8, 16", "2, 3", "5, 9", "16, 32"})
    void removesInGroupsWhatAStableSortPutsFirst(int keep, int of) {
        var random = new Random(of);
        for (int groups : new int[] {1, 3, 16, 37}) {
            int rows = 1 + random.nextInt(12);
            int columns = groups * of;
            float[] scores = new float[rows * columns];
            for (int i = 0; i < scores.length; i++) {
                scores[i] =
                        switch (random.nextInt(5)) {
                            case 0 -> Float.POSITIVE_INFINITY;
                            case 1 -> Float.intBitsToFloat(random.nextInt(0x7f800001));
                            default -> random.nextInt(3);
                        };
            }
            long[] expected = full(rows, columns);
            for (int first = 0; first < scores.length; first += of) {
                removeSorted(scores, first, of, of - keep, columns, expected);
            }
            assertEquals(
                    Mask.of(rows, columns, expected),
                    Selection.perGroup(
                            rows,
                            columns,
                            keep,
                            of,
                            (row, target) ->
                                    System.arraycopy(scores, row * columns, target, 0, columns)),
                    groups + " groups");
        }
    }

    @Test
    void groupsMustDivideTheColumns() {
        assertThrows(
                IllegalArgumentException.class,
                () -> Selection.perGroup(1, 10, 2, 4, (_, _) -> {}));
    }

    private static long[] full(int rows, int columns) {
        long[] words = new long[rows * Mask.wordsPerRow(columns)];
        Mask mask = Mask.full(rows, columns);
        for (int i = 0; i < words.length; i++) {
            words[i] = mask.word(0, i);
        }
        return words;
    }

    private static void removeSorted(
            float[] scores, int from, int size, long count, int columns, long[] words) {
        removeSorted(scores, IntStream.range(from, from + size), count, columns, words);
    }

    private static void removeSorted(
            float[] scores, IntStream places, long count, int columns, long[] words) {
        places.boxed()
                .sorted(Comparator.comparing((Integer i) -> scores[i]))
                .limit(count)
                .forEach(
                        i -> {
                            int word = i / columns * Mask.wordsPerRow(columns) + i % columns / 64;
                            words[word] &= ~(1L << i % columns);
                        });
    }
}
