package dev.pollard.train;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Parameters;
import dev.pollard.model.Rows;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tape;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Forward and backward through a model: gradients of the next-token loss, one sample on each
/// worker.
///
/// The samples of a round go back through a block together; when they have passed it, the gradients
/// of its weights are handed on and dropped. So memory holds the weights, the activations of a
/// round, and the gradients of one block for each of its samples. What the receiver is given comes
/// in the order of the samples: what it adds up does not depend on who computed it.
public final class GradientPass {
    /// What becomes of a block's activations between the way there and the way back.
    public enum Activations {
        /// They stay: three forward passes' worth of work, and memory that grows with the blocks.
        KEPT,
        /// Only the stream that enters a block stays, and the block is computed again when its turn
        /// comes (Chen et al., "Training Deep Nets with Sublinear Memory Cost", arXiv 1604.06174):
        /// a third more work.
        RECOMPUTED
    }

    /// Takes gradients.
    @FunctionalInterface
    public interface Receiver {
        /// Called once a round for every weight, from several threads for different weights. The
        /// tensors die when the call returns.
        ///
        /// @param first the sample that `gradients` begin with
        /// @param gradients of the weight, float32 in its shape, one for each sample of the round
        void take(Entry weight, int first, List<Tensor> gradients);
    }

    private final Parameters parameters;
    private final Decoder decoder;
    private final int blocks;
    private final int lowest; // block with a weight to be trained; -1 if embeddings are trained
    private final Activations activations;
    private final Compute compute;
    private final Workers workers;

    /// @param compute the dtype in which products are formed, on both ways
    /// @throws IllegalArgumentException if no weight is to be trained
    public GradientPass(
            Parameters parameters, Activations activations, Compute compute, Workers workers) {
        this.parameters = parameters;
        this.decoder = parameters.decoder();
        this.blocks = decoder.config().blocks();
        this.lowest =
                parameters.trained().stream()
                        .mapToInt(Entry::block)
                        .min()
                        .orElseThrow(
                                () ->
                                        new IllegalArgumentException(
                                                "no weight to take gradients of"));
        this.activations = activations;
        this.compute = compute;
        this.workers = workers;
    }

    /// Goes through `samples`, in rounds of as many as there are workers.
    ///
    /// @param samples each some sequences of token ids that are computed as one; its loss is the
    ///     mean of `-log p(next token)` over all of its predictions, in nats
    /// @return the loss of every sample
    /// @throws NonFiniteLossException if a loss is NaN or infinite: names the sample, and the block
    ///     and the layer where the numbers cease to be finite
    /// @throws IllegalArgumentException if a sample predicts nothing, or has an id outside the
    ///     vocabulary or more tokens than the model has positions
    public double[] run(List<int[][]> samples, Receiver receiver) {
        return run(samples, 0, receiver);
    }

    /// The same for samples that are part of more.
    ///
    /// @param number that the first of them has when one is named
    public double[] run(List<int[][]> samples, int number, Receiver receiver) {
        double[] losses = new double[samples.size()];
        for (int first = 0; first < samples.size(); first += workers.count()) {
            int end = Math.min(samples.size(), first + workers.count());
            round(samples.subList(first, end), first, number, losses, receiver);
        }
        return losses;
    }

    private void round(
            List<int[][]> samples, int first, int number, double[] losses, Receiver receiver) {
        var journeys = new ArrayList<Journey>();
        samples.forEach(sample -> journeys.add(new Journey(sample)));
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16)) {
            workers.forEach(
                    samples.size(),
                    (_, i) -> losses[first + i] = journeys.get(i).forward(number + first + i));
            for (int b = blocks - 1; b >= Math.max(0, lowest); b--) {
                int block = b;
                workers.forEach(samples.size(), (_, i) -> journeys.get(i).backward(block));
                deliver(parameters.trained(b), first, journeys, receiver);
            }
            if (lowest < 0) {
                workers.forEach(samples.size(), (_, i) -> journeys.get(i).backToTheIds());
                deliver(parameters.trained(-1), first, journeys, receiver);
            }
        } finally {
            journeys.forEach(Journey::close);
        }
    }

    private void deliver(
            List<Entry> weights, int first, List<Journey> journeys, Receiver receiver) {
        var gradients = new ArrayList<List<Tensor>>();
        weights.forEach(w -> gradients.add(journeys.stream().map(j -> j.take(w)).toList()));
        try {
            workers.forEach(
                    weights.size(),
                    (_, w) -> receiver.take(weights.get(w), first, gradients.get(w)));
        } finally {
            gradients.forEach(ofSamples -> ofSamples.forEach(Tensor::close));
        }
    }

    /// A sample on its way through the model and back. It frees what it keeps when it is used up.
    private final class Journey implements AutoCloseable {
        private final int[] ids;
        private final int[] next; // for every row the id to be predicted
        private final Rows rows;
        private final List<Tensor> entering = new ArrayList<>(); // what enters each block, leaves
        private final List<Tape> tapes = new ArrayList<>(); // null where none is kept
        private final List<Tensor> leaving =
                new ArrayList<>(); // on the tapes; null where none is kept
        private final Map<Entry, Tensor> gradients = new LinkedHashMap<>();
        private Tensor gradient; // of the loss, with respect to what enters the block at hand

        Journey(int[][] sequences) {
            int count = 0;
            var builder = new Rows.Builder();
            for (int[] sequence : sequences) {
                builder.begin(sequence.length);
                count += sequence.length;
            }
            this.rows = builder.build();
            this.ids = new int[count];
            this.next = new int[count];
            int row = 0;
            for (int[] sequence : sequences) {
                System.arraycopy(sequence, 0, ids, row, sequence.length);
                System.arraycopy(sequence, 1, next, row, sequence.length - 1);
                row += sequence.length;
                next[row - 1] = Tensor.NO_ID;
            }
            if (count == sequences.length) {
                throw new IllegalArgumentException("a sample without a token to predict");
            }
        }

        /// From the ids to the loss, and back through the head.
        double forward(int sample) {
            try (var scope = Scope.open()) {
                Tensor x = decoder.embed(ids, rows).detach();
                for (int b = 0; b < blocks; b++) {
                    try (var block = Scope.open()) {
                        // Below the first weight to be trained nothing need be recorded.
                        boolean recorded = b >= lowest;
                        Tensor start = recorded ? leaf(x) : x;
                        boolean kept = recorded && activations == Activations.KEPT;
                        tapes.add(kept ? new Tape() : null);
                        entering.add(recorded ? scope.keep(start) : null);
                        Tensor end = forward(start, b, recorded);
                        leaving.add(kept ? scope.keep(end) : null);
                        x = block.release(end.detach());
                    }
                }
                Tensor end = leaf(x); // [rows, hidden]
                try (var tape = new Tape()) {
                    Tensor logits; // [rows, vocabulary]
                    try (var _ = tape.record()) {
                        logits = decoder.logits(end);
                    }
                    var loss = logits.crossEntropyAndGradient(next);
                    if (!Double.isFinite(loss.loss())) {
                        throw new NonFiniteLossException(where(sample), loss.loss());
                    }
                    var inputs = with(end, parameters.trained(-1));
                    take(scope, tape.gradients(logits, loss.gradient(), inputs), -1);
                    return loss.loss();
                }
            }
        }

        /// From what leaves a block to what enters it.
        void backward(int block) {
            Tape kept = tapes.set(block, null);
            try (var scope = Scope.open();
                    var tape = kept == null ? new Tape() : kept;
                    var start = entering.set(block, null);
                    var arriving = gradient;
                    var end = leaving.set(block, null)) {
                Tensor left = end == null ? recorded(tape, start, block) : end;
                var inputs = with(start, parameters.trained(block));
                take(scope, tape.gradients(left, arriving, inputs), block);
            }
        }

        /// The last step, through the embeddings.
        void backToTheIds() {
            try (var scope = Scope.open();
                    var tape = new Tape()) {
                var weights = parameters.trained(-1);
                var leaves = weights.stream().map(parameters::leaf).toList();
                Tensor start; // [rows, hidden]
                try (var _ = tape.record()) {
                    start = decoder.embed(ids, rows);
                }
                add(scope, tape.gradients(start, gradient, leaves), weights);
            }
        }

        /// Recorded operations have other last bits than the others: a block that will be computed
        /// again is recorded both times, for the gradients shall not depend on what is kept.
        private Tensor forward(Tensor start, int block, boolean recorded) {
            if (!recorded) {
                return unrecorded(start, block, Tap.NONE);
            }
            Tape kept = tapes.get(block);
            if (kept != null) {
                return recorded(kept, start, block);
            }
            try (var passing = new Tape()) {
                return recorded(passing, start, block);
            }
        }

        private Tensor recorded(Tape tape, Tensor start, int block) {
            try (var _ = tape.record()) {
                return block(block).forward(start, rows, Tap.NONE);
            }
        }

        private Tensor unrecorded(Tensor start, int block, Tap tap) {
            try (var _ = Engine.unrecorded()) {
                return block(block).forward(start, rows, tap);
            }
        }

        private Tensor leaf(Tensor x) {
            return x.detach().requireGradient();
        }

        private Block block(int index) {
            return decoder.block(index, Compute.FLOAT32);
        }

        private List<Tensor> with(Tensor start, List<Entry> weights) {
            var leaves = new ArrayList<Tensor>();
            leaves.add(start);
            weights.forEach(weight -> leaves.add(parameters.leaf(weight)));
            return leaves;
        }

        /// Keeps the gradient of the stream, and those of the weights of a block.
        private void take(Scope scope, List<Optional<Tensor>> found, int block) {
            gradient = scope.keep(found.getFirst().orElseThrow());
            add(scope, found.subList(1, found.size()), parameters.trained(block));
        }

        private void add(Scope scope, List<Optional<Tensor>> found, List<Entry> weights) {
            for (int w = 0; w < weights.size(); w++) {
                if (found.get(w).isPresent()) {
                    Tensor g = found.get(w).get();
                    Tensor before = gradients.get(weights.get(w)); // a head that is the embedding
                    if (before == null) {
                        gradients.put(weights.get(w), scope.keep(g));
                    } else {
                        before.add_(g);
                    }
                }
            }
        }

        /// Hands over the gradient of a weight.
        Tensor take(Entry weight) {
            Tensor g = gradients.remove(weight);
            if (g == null) {
                throw new IllegalStateException("the loss does not depend on " + weight.name());
            }
            return g;
        }

        private String where(int sample) {
            Tensor x = decoder.embed(ids, rows).detach();
            for (int b = 0; b < blocks; b++) {
                try (var block = Scope.open()) {
                    var layers = new ArrayList<String>(); // that read what is not finite
                    Tap tap =
                            (layer, read) -> {
                                if (!read.isFinite()) {
                                    layers.add(layer.name());
                                }
                                return true;
                            };
                    x = block.release(unrecorded(x, b, tap));
                    if (!x.isFinite()) {
                        return "sample %d (not finite from block %d on%s)"
                                .formatted(
                                        sample,
                                        b,
                                        layers.isEmpty()
                                                ? ", in what it adds up last"
                                                : ", first in what %s reads"
                                                        .formatted(layers.getFirst()));
                    }
                }
            }
            return "sample %d (not finite in the head)".formatted(sample);
        }

        @Override
        public void close() {
            for (var kept : List.of(entering, leaving)) {
                kept.stream().filter(x -> x != null).forEach(Tensor::close);
            }
            tapes.stream().filter(tape -> tape != null).forEach(Tape::close);
            gradients.values().forEach(Tensor::close);
            if (gradient != null) {
                gradient.close();
            }
        }
    }
}
