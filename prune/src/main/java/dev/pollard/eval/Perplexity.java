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
import java.util.Collections;
import java.util.OptionalDouble;

/// Perplexity by the protocol of SparseGPT (Frantar and Alistarh, arXiv 2301.00774) and Wanda (Sun
/// et al., arXiv 2306.11695): every window alone, the mean negative log-likelihood of its `length -
/// 1` predictions, exp of the mean over windows.
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
    private static final long LOGITS_BYTES = 25_000_000;

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
        double mean = Arrays.stream(losses).sum() / n;
        double perplexity = Math.exp(mean);
        double squares = Arrays.stream(losses).map(loss -> (loss - mean) * (loss - mean)).sum();
        return new PerplexityResult(
                perplexity,
                mean,
                n < 2
                        ? OptionalDouble.empty()
                        : OptionalDouble.of(perplexity * Math.sqrt(squares / (n - 1) / n)),
                n,
                windows.available(),
                windows.tokens(),
                (long) n * (windows.length() - 1),
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
                        Collections.nCopies(to - from, windows.length()),
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
                        losses[from + i] = loss(model, streams.get(i), windows.get(from + i));
                        if (!Double.isFinite(losses[from + i])) {
                            throw new NonFiniteLossException(
                                    "evaluation window " + (from + i), losses[from + i]);
                        }
                        steps.advance(1);
                    });
        }
    }

    /// Mean of `log Σ exp(logits) − logit of the next id` over all positions but the last. The head
    /// takes a few rows at a time: the logits of a whole window would be the largest thing in
    /// memory.
    ///
    /// @param x what leaves the last block, `[time, hidden]`
    private static double loss(Decoder model, Tensor x, int[] ids) {
        int predicted = ids.length - 1;
        int rows =
                Math.toIntExact(
                        Math.max(16, LOGITS_BYTES / (4L * model.config().vocabularySize())));
        double sum = 0;
        for (int row = 0; row < predicted; row += rows) {
            try (var _ = Scope.open()) {
                int count = Math.min(rows, predicted - row);
                Tensor logits = model.logits(x.narrow(0, row, count)); // [count, vocabulary]
                sum += NextTokenLoss.sum(logits, ids, row + 1);
            }
        }
        return sum / predicted;
    }
}
