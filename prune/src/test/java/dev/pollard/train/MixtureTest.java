package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tokenizer.BpeTrainer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class MixtureTest {
    private static final int LENGTH = 8;

    private static int[] ids(int from, int count) {
        return IntStream.range(from, from + count).toArray();
    }

    /// Ids tell where a window was cut.
    private static List<Integer> starts(Mixture mixture, int windows) {
        var starts = new ArrayList<Integer>();
        for (int i = 0; i < windows; i++) {
            int[] window = mixture.next();
            assertArrayEquals(ids(window[0], LENGTH), window);
            starts.add(window[0]);
        }
        return starts;
    }

    @Test
    void aPassSeesEveryWindowOnceInRandomOrderAndTheNextIsCutElsewhere() {
        long seed = new Random().nextLong(1L << 32);
        System.out.println("seed " + seed);
        var mixture = new Mixture(List.of(ids(0, 1007)), List.of(1.0), LENGTH, seed);
        var passes = new ArrayList<List<Integer>>();
        for (int pass = 0; pass < 6; pass++) {
            int windows = 1007 / LENGTH; // of 1007 ids, whatever the offset
            var starts = starts(mixture, windows);
            assertEquals(pass + 1, mixture.passes()[0], 0);
            var sorted = starts.stream().sorted().toList();
            assertTrue(sorted.getFirst() < LENGTH, sorted.toString());
            for (int i = 1; i < windows; i++) {
                assertEquals(sorted.get(i - 1) + LENGTH, sorted.get(i));
            }
            assertNotEquals(sorted, starts, "not shuffled");
            assertTrue(passes.stream().noneMatch(starts::equals), "the same pass twice");
            passes.add(starts);
        }
        long offsets =
                passes.stream()
                        .map(starts -> starts.stream().min(Integer::compare))
                        .distinct()
                        .count();
        assertTrue(offsets > 1, "all passes are cut at the same places");
    }

    @Test
    void sourcesAreDrawnByTheirWeights() {
        var mixture =
                new Mixture(
                        List.of(ids(0, 400), ids(1000, 40), ids(2000, 900)),
                        List.of(2.0, 5.0, 1.0),
                        LENGTH,
                        3);
        int[] drawn = new int[3];
        int draws = 20_000;
        for (int start : starts(mixture, draws)) {
            drawn[start / 1000]++;
        }
        assertEquals(2 / 8.0, drawn[0] / (double) draws, 0.015);
        assertEquals(5 / 8.0, drawn[1] / (double) draws, 0.015);
        assertEquals(1 / 8.0, drawn[2] / (double) draws, 0.015);
    }

    @Test
    void skippingComesToTheSameAsReading() {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        var sources = List.of(ids(0, 300), ids(1000, 77));
        var read = new Mixture(sources, List.of(1.0, 0.3), LENGTH, seed);
        var skipped = new Mixture(sources, List.of(1.0, 0.3), LENGTH, seed);
        starts(read, 137);
        skipped.skip(137);
        assertEquals(137, read.position());
        assertEquals(137, skipped.position());
        assertArrayEquals(read.passes(), skipped.passes());
        assertEquals(starts(read, 100), starts(skipped, 100));
    }

    @Test
    void theSeedDecides() {
        var sources = List.of(ids(0, 300), ids(1000, 300));
        var weights = List.of(1.0, 1.0);
        var one = starts(new Mixture(sources, weights, LENGTH, 1), 50);
        assertEquals(one, starts(new Mixture(sources, weights, LENGTH, 1), 50));
        assertNotEquals(one, starts(new Mixture(sources, weights, LENGTH, 2), 50));
    }

    @Test
    void aSourceMayBeOneWindowAndNotLess() {
        var one = new Mixture(List.of(ids(5, LENGTH)), List.of(1.0), LENGTH, 0);
        assertEquals(List.of(5, 5, 5), starts(one, 3));
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                new Mixture(
                                        List.of(ids(0, 9), ids(0, 7)),
                                        List.of(1.0, 1.0),
                                        LENGTH,
                                        0));
        assertEquals("source 2 holds 7 tokens, one window needs 8", e.getMessage());
    }

    @Test
    void documentsStandBetweenBeginningAndEnd() throws Exception {
        var trainer = new BpeTrainer(258, "<b>", "<e>");
        trainer.add("ab", 1);
        try (var tokenizer = trainer.train()) {
            int begin = tokenizer.bos().getAsInt();
            int end = tokenizer.eos().getAsInt();
            int[] a = tokenizer.encode("a", false);
            int[] b = tokenizer.encode("b", false);
            assertArrayEquals(
                    new int[] {begin, a[0], end, begin, b[0], a[0], end},
                    Mixture.join(List.of("a", "ba"), tokenizer));
            assertEquals(0, Mixture.join(List.of(), tokenizer).length);
        }
    }
}
