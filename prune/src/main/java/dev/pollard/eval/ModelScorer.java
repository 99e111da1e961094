package dev.pollard.eval;

import com.sun.management.OperatingSystemMXBean;
import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.tokenizer.Tokenizer;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/// Answers requests with a model and its tokenizer.
///
/// Log-likelihoods go block by block, like [Perplexity]: the model is never in memory as a whole.
/// Tokens that requests have in common at their beginning (the question of several choices, solved
/// examples in front of all questions) are computed once, and the head sees only the rows whose
/// next token is asked for. The numbers are the same for any number of workers.
public final class ModelScorer implements Scorer {
    /// Bytes of residual streams that are held at once, or [#GROUP_ROWS] if that is more: see
    /// [Perplexity].
    private static final long GROUP_BYTES = 64L << 20;

    private static final int GROUP_ROWS = 16_384;

    /// Bytes of logits that a worker holds at once.
    private static final long LOGITS_BYTES = 25 << 20;

    private final Decoder model;
    private final Compute compute;
    private final Workers workers;
    private final Tokenizer tokenizer;
    private final RequestTokens tokens;

    /// @param compute the dtype in which the forward passes multiply
    public ModelScorer(Decoder model, Tokenizer tokenizer, Compute compute, Workers workers) {
        this(model, tokenizer, compute, workers, model.config().contextLength());
    }

    /// @param longest sequence that the model shall read at once, in tokens
    /// @throws IllegalArgumentException if it is longer than the context of the model
    public ModelScorer(
            Decoder model, Tokenizer tokenizer, Compute compute, Workers workers, int longest) {
        if (longest < 1 || longest > model.config().contextLength()) {
            throw new IllegalArgumentException(
                    "sequences of %d tokens do not go with a context of %d"
                            .formatted(longest, model.config().contextLength()));
        }
        this.model = model;
        this.compute = compute;
        this.workers = workers;
        this.tokenizer = tokenizer;
        this.tokens = new RequestTokens(tokenizer, longest);
    }

    /// @throws IllegalArgumentException if a continuation has no token, or more than fit
    /// @throws NonFiniteLossException if a log-likelihood is NaN or infinite
    /// @throws IllegalStateException if the thread is interrupted
    /// @throws java.io.UncheckedIOException if the model's file cannot be read
    @Override
    public List<Scored> logLikelihoods(
            List<Request.LogLikelihood> requests, Perplexity.Progress progress) {
        return score(
                requests.stream().map(r -> tokens.pair(r.context(), r.continuation())).toList(),
                progress);
    }

    /// @throws NonFiniteLossException and the others as [#logLikelihoods]
    @Override
    public List<Scored> rolling(List<Request.Rolling> texts, Perplexity.Progress progress) {
        var windows = texts.stream().map(text -> tokens.windows(text.text())).toList();
        var scored = score(windows.stream().flatMap(List::stream).toList(), progress).iterator();
        var sums = new ArrayList<Scored>();
        for (var text : windows) {
            double sum = 0;
            int count = 0;
            for (int i = 0; i < text.size(); i++) {
                var window = scored.next();
                sum += window.logLikelihood();
                count += window.tokens();
            }
            sums.add(new Scored(sum, false, count));
        }
        return sums;
    }

    /// The blocks of the model stay in memory if they take half of the machine's at most; larger
    /// models are read again for every token.
    ///
    /// @throws IllegalArgumentException if the tokens to be written leave no place in the model's
    ///     context
    /// @throws NonFiniteLossException if the model is broken
    @Override
    public List<String> generate(
            List<Request.Generate> requests, Decoding decoding, Perplexity.Progress progress) {
        var prompts = new ArrayList<TokenWriter.Prompt>();
        for (var request : requests) {
            prompts.add(
                    new TokenWriter.Prompt(
                            tokens.prompt(request.context(), request.maxTokens()),
                            request.maxTokens(),
                            written -> isAnswered(written, request)));
        }
        var writer = new TokenWriter(model, compute, workers, halfOfMemory());
        var written = writer.write(prompts, decoding, progress);
        var answers = new ArrayList<String>();
        for (int i = 0; i < written.size(); i++) {
            answers.add(requests.get(i).answer(tokenizer.decode(written.get(i), true)));
        }
        return answers;
    }

    private static long halfOfMemory() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize()
                / 2;
    }

    private boolean isAnswered(int[] written, Request.Generate request) {
        if (tokenizer.eos().isPresent()
                && written[written.length - 1] == tokenizer.eos().getAsInt()) {
            return true;
        }
        return request.isAnswered(tokenizer.decode(written, true));
    }

    /// Scores spans, in groups that share the loading of the blocks.
    private List<Scored> score(List<Span> spans, Perplexity.Progress progress) {
        var branches = Pack.all(spans);
        var steps = new Steps(progress, steps(branches));
        var sums = new Sums(spans.size());
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16)) {
            for (var group : groups(branches)) {
                score(group, sums, steps);
            }
        } finally {
            branches.forEach(Pack.Branch::close);
        }
        var scored = new ArrayList<Scored>();
        for (int i = 0; i < spans.size(); i++) {
            if (!Double.isFinite(sums.logLikelihoods[i])) {
                throw new NonFiniteLossException("request " + i, -sums.logLikelihoods[i]);
            }
            scored.add(
                    new Scored(sums.logLikelihoods[i], sums.greedy[i], spans.get(i).predicted()));
        }
        return scored;
    }

    private List<List<Pack.Branch>> groups(List<Pack.Branch> branches) {
        long most = Math.max(GROUP_ROWS, GROUP_BYTES / (4L * model.config().hiddenSize()));
        var groups = new ArrayList<List<Pack.Branch>>();
        long rows = most;
        for (var branch : branches) {
            for (var pack : branch.packs()) {
                int count = pack.count();
                if (rows + count > most) {
                    groups.add(new ArrayList<>());
                    rows = 0;
                }
                var group = groups.getLast();
                if (!group.isEmpty() && group.getLast().trunk() == branch.trunk()) {
                    group.set(group.size() - 1, group.getLast().with(pack));
                } else {
                    group.add(branch.only(pack));
                    rows += branch.trunk().length;
                }
                rows += count;
            }
        }
        return groups;
    }

    /// A step is a row through a block. The head counts as several: a block has about `12 ·
    /// hidden²` weights.
    private int headSteps() {
        return Math.ceilDiv(model.config().vocabularySize(), 12 * model.config().hiddenSize());
    }

    private long steps(List<Pack.Branch> branches) {
        long total = 0;
        for (var branch : branches) {
            for (var pack : branch.packs()) {
                total += (long) pack.count() * model.config().blocks();
                total += (long) pack.targets().size() * headSteps();
            }
        }
        return total;
    }

    /// Branches through the model, together.
    private void score(List<Pack.Branch> branches, Sums sums, Steps steps) {
        var trunks = branches.stream().filter(b -> b.trunk().length > 0).toList();
        // Long ones first, so that the workers end at about the same time.
        var packs =
                branches.stream()
                        .flatMap(branch -> branch.packs().stream())
                        .sorted(Comparator.comparingInt(Pack::count).reversed())
                        .toList();
        int hidden = model.config().hiddenSize();
        try (var trunkStreams =
                        new Streams(trunks.stream().map(b -> b.trunk().length).toList(), hidden);
                var streams = new Streams(packs.stream().map(Pack::count).toList(), hidden)) {
            workers.forEach(
                    trunks.size(),
                    (_, i) -> trunkStreams.get(i).copy_(model.embed(trunks.get(i).trunk())));
            workers.forEach(
                    packs.size(),
                    (_, i) -> {
                        var pack = packs.get(i);
                        streams.get(i).copy_(model.embed(pack.ids(), pack.rows()));
                    });
            for (int b = 0; b < model.config().blocks(); b++) {
                try (var _ = Scope.open()) {
                    Block block = model.block(b, compute);
                    workers.forEach(
                            trunks.size(),
                            (_, i) -> {
                                Tensor x = trunkStreams.get(i);
                                x.copy_(block.forward(x, trunks.get(i).trunkRows(), Tap.NONE));
                            });
                    workers.forEach(
                            packs.size(),
                            (_, i) -> {
                                Tensor x = streams.get(i);
                                x.copy_(block.forward(x, packs.get(i).rows(), Tap.NONE));
                                steps.advance(packs.get(i).count());
                            });
                }
            }
            workers.forEach(
                    packs.size(),
                    (_, i) -> {
                        predict(packs.get(i).targets(), streams.get(i), sums);
                        steps.advance((long) packs.get(i).targets().size() * headSteps());
                    });
        }
    }

    /// Adds the log-probabilities of the targets to their spans. All targets of a span are in one
    /// pack, so no two workers add to the same.
    ///
    /// @param targets by row
    /// @param x what leaves the last block, `[rows, hidden]`
    private void predict(List<Pack.Target> targets, Tensor x, Sums sums) {
        int[] rows = targets.stream().mapToInt(Pack.Target::row).distinct().toArray();
        int vocabulary = model.config().vocabularySize();
        int atOnce = Math.toIntExact(Math.max(16, LOGITS_BYTES / (4L * vocabulary)));
        int next = 0;
        for (int from = 0; from < rows.length; from += atOnce) {
            int[] some = Arrays.copyOfRange(rows, from, Math.min(rows.length, from + atOnce));
            try (var _ = Scope.open()) {
                Tensor logits = // [some, vocabulary]
                        model.logits(x.rows(Tensor.ofIds(some))).contiguous();
                for (int r = 0; r < some.length; r++) {
                    var row = logits.segment().asSlice(4L * r * vocabulary, 4L * vocabulary);
                    var prediction = NextTokenLoss.prediction(row, vocabulary);
                    for (; next < targets.size() && targets.get(next).row() == some[r]; next++) {
                        var target = targets.get(next);
                        sums.logLikelihoods[target.span()] -= prediction.loss(row, target.id());
                        sums.greedy[target.span()] &= prediction.best() == target.id();
                    }
                }
            }
        }
    }

    /// What is known of every span so far.
    private static final class Sums {
        private final double[] logLikelihoods;
        private final boolean[] greedy;

        Sums(int spans) {
            logLikelihoods = new double[spans];
            greedy = new boolean[spans];
            Arrays.fill(greedy, true);
        }
    }
}
