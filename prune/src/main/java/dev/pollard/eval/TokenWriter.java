package dev.pollard.eval;

import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.KeyValues;
import dev.pollard.model.Linear;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Rows;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import java.util.stream.Stream;

/// Writes on after token ids. Keys and values of what was read are kept, so that every token
/// passes through the model once.
///
/// The blocks stay in memory while it writes, if they fit in what it may use; if not, every block
/// is read again for every token, once for all sequences.
final class TokenWriter {
    /// Sequences that go through the model together: some, for a step reads all weights whatever
    /// their number. Fixed, so that the text does not depend on the number of workers.
    private static final int TOGETHER = 8;

    private final Decoder model;
    private final Compute compute;
    private final Workers workers;
    private final long memoryBytes;

    /// @param memoryBytes that blocks in memory may take
    TokenWriter(Decoder model, Compute compute, Workers workers, long memoryBytes) {
        this.model = model;
        this.compute = compute;
        this.workers = workers;
        this.memoryBytes = memoryBytes;
    }

    /// What to write on after.
    ///
    /// @param ids at least one
    /// @param most tokens to be written
    /// @param ended whether what was written so far is enough; asked after every token
    record Prompt(int[] ids, int most, Predicate<int[]> ended) {}

    /// What was written after every prompt.
    ///
    /// @param progress hears of tokens; those that are not needed, because an answer ended early,
    ///     count as done
    /// @throws NonFiniteLossException if the logits hold NaN
    List<int[]> write(List<Prompt> prompts, Decoding decoding, Perplexity.Progress progress) {
        var steps = new Steps(progress, prompts.stream().mapToLong(Prompt::most).sum());
        var batches = new ArrayList<Batch>();
        var random = new SplittableRandom(decoding.seed());
        for (int from = 0; from < prompts.size(); from += TOGETHER) {
            var answers = new ArrayList<Answer>();
            for (int i = from; i < Math.min(from + TOGETHER, prompts.size()); i++) {
                answers.add(new Answer(i, prompts.get(i), new Sampler(decoding, random.split())));
            }
            batches.add(new Batch(answers, steps));
        }
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16);
                var _ = Scope.open()) {
            write(batches);
            return batches.stream().flatMap(Batch::written).toList();
        } finally {
            batches.forEach(Batch::close);
        }
    }

    private void write(List<Batch> batches) {
        int blocks = model.config().blocks();
        Block first = model.block(0, compute);
        if (bytes(first) * blocks <= memoryBytes) {
            var all = new ArrayList<>(List.of(first));
            for (int b = 1; b < blocks; b++) {
                all.add(model.block(b, compute));
            }
            workers.forEach(batches.size(), (_, i) -> batches.get(i).finish(all));
            return;
        }
        for (var left = batches; !left.isEmpty(); left = unfinished(left)) {
            var some = left;
            workers.forEach(some.size(), (_, i) -> some.get(i).begin());
            for (int b = 0; b < blocks; b++) {
                int index = b;
                try (var _ = Scope.open()) {
                    Block block = b == 0 ? first : model.block(b, compute);
                    workers.forEach(some.size(), (_, i) -> some.get(i).through(index, block));
                }
            }
            workers.forEach(some.size(), (_, i) -> some.get(i).end());
        }
    }

    private static List<Batch> unfinished(List<Batch> batches) {
        return batches.stream().filter(batch -> !batch.unfinished.isEmpty()).toList();
    }

    private long bytes(Block block) {
        long weights = block.linears().stream().mapToLong(TokenWriter::weights).sum();
        return weights * (compute == Compute.BFLOAT16 ? 6 : 4); // with a bfloat16 copy
    }

    private static long weights(Linear linear) {
        return linear.rows() * linear.columns();
    }

    /// A prompt and what follows it so far.
    private final class Answer implements AutoCloseable {
        private final int number;
        private final Prompt prompt;
        private final Sampler sampler;
        private final KeyValues[] seen = new KeyValues[model.config().blocks()];
        private int[] written = new int[0];

        Answer(int number, Prompt prompt, Sampler sampler) {
            this.number = number;
            this.prompt = prompt;
            this.sampler = sampler;
            Arrays.setAll(seen, _ -> new KeyValues());
        }

        /// What the model has not read yet.
        int[] unread() {
            return written.length == 0 ? prompt.ids() : new int[] {written[written.length - 1]};
        }

        /// Tokens that the model has read.
        int position() {
            return written.length == 0 ? 0 : prompt.ids().length + written.length - 1;
        }

        /// Adds a token.
        ///
        /// @return whether there will be another
        boolean add(int id) {
            written = Arrays.copyOf(written, written.length + 1);
            written[written.length - 1] = id;
            return written.length < prompt.most() && !prompt.ended().test(written);
        }

        @Override
        public void close() {
            for (var kept : seen) {
                kept.close();
            }
        }
    }

    /// Answers that are written together.
    private final class Batch implements AutoCloseable {
        private final List<Answer> answers;
        private final Steps steps;
        private List<Answer> unfinished;
        private Tensor x; // the residual stream of a step, or null

        Batch(List<Answer> answers, Steps steps) {
            this.answers = answers;
            this.steps = steps;
            this.unfinished = answers.stream().filter(a -> a.prompt.most() > 0).toList();
        }

        void finish(List<Block> blocks) {
            while (!unfinished.isEmpty()) {
                try (var _ = Scope.open()) {
                    begin();
                    for (int b = 0; b < blocks.size(); b++) {
                        through(b, blocks.get(b));
                    }
                    end();
                }
            }
        }

        /// The tokens that were not read yet become the stream.
        void begin() {
            int[] ids = unfinished.stream().flatMapToInt(a -> Arrays.stream(a.unread())).toArray();
            replace(model.embed(ids, rows(0)));
        }

        void through(int index, Block block) {
            try (var _ = Scope.open()) {
                replace(block.forward(x, rows(index), Tap.NONE));
            }
        }

        private Rows rows(int block) {
            var rows = new Rows.Builder();
            for (var answer : unfinished) {
                var seen = answer.seen[block];
                int position = answer.position();
                rows.after(position == 0 ? null : seen, position, answer.unread().length, seen);
            }
            return rows.build();
        }

        /// Chooses a token for every answer. The head sees the last row of each.
        void end() {
            try (var _ = Scope.open()) {
                int[] last = new int[unfinished.size()];
                int row = -1;
                for (int i = 0; i < last.length; i++) {
                    row += unfinished.get(i).unread().length;
                    last[i] = row;
                }
                Tensor logits = model.logits(x.rows(Tensor.ofIds(last))); // [answers, vocabulary]
                var left = new ArrayList<Answer>();
                for (int i = 0; i < last.length; i++) {
                    var answer = unfinished.get(i);
                    int id = answer.sampler.choose(logits.select(0, i).contiguous());
                    if (id < 0) {
                        throw new NonFiniteLossException(
                                "what follows prompt " + answer.number, Double.NaN);
                    }
                    if (answer.add(id)) {
                        left.add(answer);
                        steps.advance(1);
                    } else {
                        answer.close();
                        steps.advance(1L + answer.prompt.most() - answer.written.length);
                    }
                }
                unfinished = List.copyOf(left);
            }
        }

        private void replace(Tensor next) {
            try (var scope = Scope.open()) {
                scope.keep(next);
            }
            if (x != null) {
                x.close();
            }
            x = next;
        }

        Stream<int[]> written() {
            return answers.stream().map(answer -> answer.written);
        }

        @Override
        public void close() {
            answers.forEach(Answer::close);
            if (x != null) {
                x.close();
                x = null;
            }
        }
    }
}
