package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.data.TokenWindows;
import dev.pollard.model.Compute;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PerplexityTest {
    private static final int VOCABULARY = 11;

    @TempDir Path folder;

    @Test
    void equalsDoubleLoops() throws Exception {
        var model = new ToyDecoder(folder, VOCABULARY, 6, 2, 1);
        var windows = windows(1, 5, 40);
        double[] expected =
                IntStream.range(0, 5).mapToDouble(i -> model.naiveLoss(windows.get(i))).toArray();
        try (var workers = new Workers(2)) {
            var perplexity = new Perplexity(Compute.FLOAT32, workers);
            assertArrayEquals(
                    expected, perplexity.losses(model, windows, Perplexity.Progress.NONE), 1e-5);
            var result = perplexity.measure(model, windows, Perplexity.Progress.NONE);
            double mean = Arrays.stream(expected).sum() / 5;
            assertEquals(mean, result.meanLoss(), 1e-5);
            assertEquals(Math.exp(mean), result.perplexity(), 1e-4 * Math.exp(mean));
            double deviation =
                    Math.sqrt(Arrays.stream(expected).map(x -> (x - mean) * (x - mean)).sum() / 4);
            assertEquals(
                    Math.exp(mean) * deviation / Math.sqrt(5),
                    result.standardError().getAsDouble(),
                    1e-3);
            assertEquals(5, result.windows());
            assertEquals(5, result.windowsAvailable());
            assertEquals(200, result.tokens());
            assertEquals(195, result.predicted());
            assertEquals(40, result.length());
            assertEquals(windows.sha256(), result.sha256());
        }
    }

    /// Every token but the first is predicted once, from the window's tokens before it.
    @Test
    void predictsEveryTokenOnceInStrides() throws Exception {
        var model = new ToyDecoder(folder, VOCABULARY, 6, 2, 1);
        int[] ids = new Random(3).ints(101, 0, VOCABULARY).toArray();
        for (int stride : new int[] {1, 7, 16, 39}) {
            var windows = Windows.strided(folder, ids, 40, stride, VOCABULARY);
            double expected = 0;
            for (int t = 1; t < ids.length; t++) {
                int start = 0; // of the first window that reaches it
                while (start + 40 <= t) {
                    start += stride;
                }
                expected += lastLoss(model, Arrays.copyOfRange(ids, start, t + 1));
            }
            try (var workers = new Workers(2)) {
                var result =
                        new Perplexity(Compute.FLOAT32, workers)
                                .measure(model, windows, Perplexity.Progress.NONE);
                assertEquals(expected / 100, result.meanLoss(), 1e-5, "stride " + stride);
                assertEquals(100, result.predicted());
                double[] tokens =
                        IntStream.range(0, windows.count())
                                .mapToDouble(windows::predicted)
                                .toArray();
                double[] losses =
                        IntStream.range(0, windows.count())
                                .mapToDouble(i -> tokens[i] * result.losses().get(i))
                                .toArray();
                var measure = Measure.perplexity(Metric.PERPLEXITY, losses, tokens);
                assertEquals(result.perplexity(), measure.value(), 1e-9);
                assertEquals(
                        result.standardError().getAsDouble(),
                        measure.standardError().getAsDouble(),
                        1e-9);
            }
        }
    }

    /// Negative log-likelihood of the last id.
    private static double lastLoss(ToyDecoder model, int[] ids) {
        int n = ids.length - 1;
        double before = n < 2 ? 0 : model.naiveLoss(Arrays.copyOf(ids, n)) * (n - 1);
        return model.naiveLoss(ids) * n - before;
    }

    @Test
    void isTheSameForAnyNumberOfWorkers() throws Exception {
        var model = new ToyDecoder(folder, VOCABULARY, 8, 3, 2);
        var windows = windows(2, 7, 33);
        double[] one = losses(model, windows, 1);
        for (int workers = 2; workers <= 4; workers++) {
            assertArrayEquals(one, losses(model, windows, workers));
        }
    }

    @Test
    void takesTheHeadInPieces() throws Exception {
        int vocabulary = 100_000; // 62 rows of logits at once
        var model = new ToyDecoder(folder, vocabulary, 2, 1, 3);
        var windows = windows(3, 1, 100);
        assertEquals(model.naiveLoss(windows.get(0)), losses(model, windows, 1)[0], 1e-4);
    }

    @Test
    void loadsABlockOncePerGroupOfWindows() throws Exception {
        var model = new ToyDecoder(folder, VOCABULARY, 1024, 2, 4);
        // 16,384 tokens of 1,024 floats are 64 MB: 2,340 windows of seven.
        var windows = windows(4, 2400, 7);
        double[] losses = losses(model, windows, 2);
        assertEquals(2 * 2, model.blocksLoaded.get());
        for (int i : new int[] {0, 1199, 1200, 2399}) {
            double expected = model.naiveLoss(windows.get(i));
            assertEquals(expected, losses[i], 1e-5 * expected);
        }
    }

    @Test
    void tellsEveryStep() throws Exception {
        var model = new ToyDecoder(folder, VOCABULARY, 4, 3, 5);
        var last = new AtomicLong();
        try (var workers = new Workers(2)) {
            new Perplexity(Compute.FLOAT32, workers)
                    .measure(
                            model,
                            windows(5, 6, 9),
                            (done, total) -> {
                                assertEquals(last.incrementAndGet(), done);
                                assertEquals(6 * 4, total);
                            });
        }
        assertEquals(24, last.get());
    }

    @Test
    void oneWindowHasNoStandardError() throws Exception {
        try (var workers = new Workers(1)) {
            var result =
                    new Perplexity(Compute.FLOAT32, workers)
                            .measure(
                                    new ToyDecoder(folder, VOCABULARY, 4, 1, 6),
                                    windows(6, 1, 9),
                                    Perplexity.Progress.NONE);
            assertEquals(OptionalDouble.empty(), result.standardError());
        }
    }

    @Test
    void namesTheWindowWhoseLossIsNotFinite() throws Exception {
        var model = new ToyDecoder(folder, VOCABULARY + 1, 4, 1, 7);
        model.poison(VOCABULARY);
        int[] ids = new Random(7).ints(30, 0, VOCABULARY).toArray();
        ids[14] = VOCABULARY;
        // The head is the table: one bad row spoils every sum, so the first window is named.
        var windows = Windows.of(folder, ids, 10, VOCABULARY + 1);
        var e = assertThrows(NonFiniteLossException.class, () -> losses(model, windows, 1));
        assertTrue(e.getMessage().contains("window 0 is NaN"), e.getMessage());
    }

    @Test
    void stopsBetweenWindowsWhenInterrupted() throws Exception {
        var model = new ToyDecoder(folder, VOCABULARY, 4, 1, 8);
        var windows = windows(8, 50, 9);
        var caller = Thread.currentThread();
        var last = new AtomicLong();
        try (var workers = new Workers(2)) {
            var perplexity = new Perplexity(Compute.FLOAT32, workers);
            var e =
                    assertThrows(
                            IllegalStateException.class,
                            () ->
                                    perplexity.measure(
                                            model,
                                            windows,
                                            (done, _) -> {
                                                last.set(done);
                                                caller.interrupt();
                                                pause();
                                            }));
            assertTrue(e.getCause() instanceof InterruptedException);
            assertTrue(Thread.interrupted(), "the caller must see the interruption");
            assertTrue(last.get() < 50, "ran on to step " + last.get());
        }
    }

    private static void pause() {
        try {
            Thread.sleep(20);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private static double[] losses(ToyDecoder model, TokenWindows windows, int crew) {
        try (var workers = new Workers(crew)) {
            return new Perplexity(Compute.FLOAT32, workers)
                    .losses(model, windows, Perplexity.Progress.NONE);
        }
    }

    private TokenWindows windows(long seed, int count, int length) throws IOException {
        int[] ids = new Random(seed).ints((long) count * length, 0, VOCABULARY).toArray();
        return Windows.of(folder, ids, length, VOCABULARY);
    }
}
