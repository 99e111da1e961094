package dev.pollard.eval;

import dev.pollard.data.TokenWindows;
import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/// Perplexity: exp of the mean negative log-likelihood of a token. Every window is read alone.
///
/// Of windows without overlap all `length - 1` tokens but the first are predicted; they are as many
/// in each, so this is exp of the mean over windows, the protocol of SparseGPT (Frantar and
/// Alistarh, arXiv 2301.00774) and Wanda (Sun et al., arXiv 2306.11695). Of windows that overlap
/// ([TokenWindows#predictedFrom]) every token is predicted in one of them, and each token counts
/// the same.
///
/// The model comes into memory block by block, and a group of windows passes through a block before
/// the next is loaded: so memory is one block and the residual streams of a group, whatever the
/// size of the model.
public final class Perplexity {
    /// Bytes of residual streams that are held at once …
    private static final long GROUP_BYTES = 64L << 20;

    /// … unless that is fewer tokens than this: widening a weight to float32 costs about as much as
    /// multiplying it with some hundred tokens, and should not be felt.
    private static final int GROUP_TOKENS = 16_384;

    /// Bytes of logits that a worker holds at once.
    private static final long LOGITS_BYTES = 25 << 20;

    private final Compute compute;
    private final Workers workers;

    /// @param compute the dtype in which the forward passes multiply
    public Perplexity(Compute compute, Workers workers) {
        this.compute = compute;
        this.workers = workers;
    }

    /// Hears how far the measurement is. Called by the workers, one at a time.
    @FunctionalInterface
    public interface Progress {
        /// @param done of `total` steps: a step is one window, or one row of a pack of requests,
        ///     through one block; the head counts as a block, or as several
        void at(long done, long total);

        /// Nobody looks.
        Progress NONE = (_, _) -> {};
    }

    /// Measures `model` on `windows`. The number is the same for any number of workers.
    ///
    /// @throws NonFiniteLossException if the loss of a window is NaN or infinite
    /// @throws IllegalArgumentException if the windows are longer than the positions of the model
    /// @throws IllegalStateException if the thread is interrupted, after the windows at work ended
    /// @throws java.io.UncheckedIOException if the model's file cannot be read
    public PerplexityResult measure(Decoder model, TokenWindows windows, Progress progress) {
        long start = System.nanoTime();
        double[] losses = losses(model, windows, progress);
        int n = losses.length;
        long predicted = IntStream.range(0, n).mapToLong(windows::predicted).sum();
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += losses[i] * windows.predicted(i);
        }
        double mean = sum / predicted;
        double perplexity = Math.exp(mean);
        double squares = 0;
        for (int i = 0; i < n; i++) {
            double weight = (double) windows.predicted(i) * n / predicted; // 1 if all are as long
            double deviation = weight * (losses[i] - mean);
            squares += deviation * deviation;
        }
        return new PerplexityResult(
                perplexity,
                mean,
                n < 2
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(perplexity * Math.sqrt(squares / (n - 1) / n)),
                n,
                windows.available(),
                windows.tokens(),
                predicted,
                windows.length(),
                windows.sha256(),
                (System.nanoTime() - start) / 1e9,
                Arrays.stream(losses).boxed().toList());
    }

    /// Mean negative log-likelihood of every window, in nats per token.
    ///
    /// @throws NonFiniteLossException and the others as [#measure]
    public double[] losses(Decoder model, TokenWindows windows, Progress progress) {
        int count = windows.count();
        var steps = new Steps(progress, (long) count * (model.config().blocks() + 1));
        double[] losses = new double[count];
        int groups = Math.ceilDiv(count, groupSize(windows.length(), model.config().hiddenSize()));
        for (int g = 0; g < groups; g++) {
            int from = (int) ((long) count * g / groups);
            int to = (int) ((long) count * (g + 1) / groups);
            measure(model, windows, from, to, losses, steps);
        }
        return losses;
    }

    private static int groupSize(int length, int hidden) {
        long byMemory = GROUP_BYTES / (4L * length * hidden);
        long byLoading = Math.ceilDiv(GROUP_TOKENS, length);
        return Math.toIntExact(Math.max(byMemory, byLoading));
    }

    /// Windows `[from, to)` through the model, together.
    private void measure(
            Decoder model, TokenWindows windows, int from, int to, double[] losses, Steps steps) {
        var streams =
                new Streams(
                        IntStream.range(from, to).mapToObj(i -> windows.get(i).length).toList(),
                        model.config().hiddenSize());
        try (streams;
                var _ = Engine.bf16Products(compute == Compute.BFLOAT16)) {
            workers.forEach(
                    to - from, (_, i) -> streams.get(i).copy_(model.embed(windows.get(from + i))));
            for (int b = 0; b < model.config().blocks(); b++) {
                try (var _ = Scope.open()) {
                    Block block = model.block(b, compute);
                    workers.forEach(
                            to - from,
                            (_, i) -> {
                                Tensor x = streams.get(i);
                                x.copy_(block.forward(x, Tap.NONE));
                                steps.advance(1);
                            });
                }
            }
            workers.forEach(
                    to - from,
                    (_, i) -> {
                        int first = windows.predictedFrom(from + i);
                        losses[from + i] =
                                loss(model, streams.get(i), windows.get(from + i), first);
                        if (!Double.isFinite(losses[from + i])) {
                            throw new NonFiniteLossException(
                                    "evaluation window " + (from + i), losses[from + i]);
                        }
                        steps.advance(1);
                    });
        }
    }

    /// Mean of `log Σ exp(logits) − logit of the next id` over the ids from `first` on. The head
    /// takes a few rows at a time: the logits of a whole window would be the largest thing in
    /// memory.
    ///
    /// @param x what leaves the last block, `[time, hidden]`
    private static double loss(Decoder model, Tensor x, int[] ids, int first) {
        int predicted = ids.length - first;
        int rows =
                Math.toIntExact(
                        Math.max(16, LOGITS_BYTES / (4L * model.config().vocabularySize())));
        double sum = 0;
        for (int row = 0; row < predicted; row += rows) {
            try (var _ = Scope.open()) {
                int count = Math.min(rows, predicted - row);
                Tensor logits = // [count, vocabulary]
                        model.logits(x.narrow(0, first - 1 + row, count));
                sum += NextTokenLoss.sum(logits, ids, first + row);
            }
        }
        return sum / predicted;
    }
}
