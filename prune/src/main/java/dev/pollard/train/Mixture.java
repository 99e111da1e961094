package dev.pollard.train;

import dev.pollard.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/// The endless, reproducible stream of windows that a model is trained on: each drawn from one of
/// several sources with the probability of its weight, and within a source all windows once, in
/// random order, before any comes again.
///
/// The documents of a source stand end to end, each between beginning and end of text if the
/// tokenizer has them; windows may span documents. In every pass they are cut at another offset. A
/// stream is a function of seed and position, so a run that is resumed goes on where it was.
public final class Mixture {
    private final List<Stream> streams = new ArrayList<>();
    private final double[] bounds; // cumulative shares
    private final SplittableRandom choice;
    private long position;

    /// @param sources the token ids of every source
    /// @param weights how often each is drawn, relative to each other
    /// @param length ids per window
    /// @throws IllegalArgumentException if a source is shorter than a window
    public Mixture(List<int[]> sources, List<Double> weights, int length, long seed) {
        double total = weights.stream().mapToDouble(Double::doubleValue).sum();
        this.bounds = new double[sources.size()];
        double share = 0;
        for (int i = 0; i < bounds.length; i++) {
            if (sources.get(i).length < length) {
                throw new IllegalArgumentException(
                        "source %d holds %,d tokens, one window needs %,d"
                                .formatted(i + 1, sources.get(i).length, length));
            }
            share += weights.get(i) / total;
            bounds[i] = share;
            streams.add(new Stream(sources.get(i), length, seed + 1 + i));
        }
        this.choice = new SplittableRandom(seed);
    }

    /// The ids of documents end to end.
    public static int[] join(List<String> documents, Tokenizer tokenizer) {
        int[] ids = new int[1 << 16];
        int count = 0;
        for (String document : documents) {
            int[] text = tokenizer.encode(document, false);
            ids = Arrays.copyOf(ids, Math.max(ids.length, 2 * (count + text.length + 2)));
            if (tokenizer.bos().isPresent()) {
                ids[count++] = tokenizer.bos().getAsInt();
            }
            System.arraycopy(text, 0, ids, count, text.length);
            count += text.length;
            if (tokenizer.eos().isPresent()) {
                ids[count++] = tokenizer.eos().getAsInt();
            }
        }
        return Arrays.copyOf(ids, count);
    }

    /// The next window.
    public int[] next() {
        return choose().next();
    }

    /// Leaves out windows that were seen before.
    public void skip(long windows) {
        for (long i = 0; i < windows; i++) {
            choose().skip();
        }
    }

    /// Windows that were handed out or left out.
    public long position() {
        return position;
    }

    /// How often each source was gone through so far.
    public double[] passes() {
        return streams.stream().mapToDouble(Stream::passes).toArray();
    }

    private Stream choose() {
        position++;
        double at = choice.nextDouble();
        int i = 0;
        while (i < bounds.length - 1 && at >= bounds[i]) {
            i++;
        }
        return streams.get(i);
    }

    /// The windows of one source.
    private static final class Stream {
        private final int[] ids;
        private final int length;
        private final long seed;
        private int[] starts = {};
        private int used;
        private long pass;

        Stream(int[] ids, int length, long seed) {
            this.ids = ids;
            this.length = length;
            this.seed = seed;
        }

        int[] next() {
            int start = start();
            return Arrays.copyOfRange(ids, start, start + length);
        }

        void skip() {
            start();
        }

        private int start() {
            if (used == starts.length) {
                shuffle();
            }
            return starts[used++];
        }

        private void shuffle() {
            var random = new SplittableRandom(seed * 1_000_003 + pass++);
            int offset = random.nextInt(Math.min(length, ids.length - length + 1));
            starts = new int[(ids.length - offset) / length];
            for (int i = 0; i < starts.length; i++) {
                int j = random.nextInt(i + 1);
                starts[i] = starts[j];
                starts[j] = offset + i * length;
            }
            used = 0;
        }

        double passes() {
            return starts.length == 0 ? 0 : pass - 1 + used / (double) starts.length;
        }
    }
}
