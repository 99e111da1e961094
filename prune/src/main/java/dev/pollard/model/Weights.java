package dev.pollard.model;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.format.MalformedFileException;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Tensor;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/// Reads weights of a checkpoint into tensors: float32, `[out, in]`, checked to be finite. Those
/// that are held in memory already are taken as they are, to be read only.
final class Weights {
    private static final long CHUNK = 1 << 18;

    private final Checkpoint checkpoint;
    private final Map<String, Tensor> held;
    private final Residents residents = new Residents();

    Weights(Checkpoint checkpoint) {
        this(checkpoint, Map.of());
    }

    /// @param held weights in memory, by name
    Weights(Checkpoint checkpoint, Map<String, Tensor> held) {
        this.checkpoint = checkpoint;
        this.held = held;
    }

    /// Where tensors go that live as long as the model.
    Residents residents() {
        return residents;
    }

    /// A weight outside the blocks, for as long as the model is open.
    Tensor resident(String name) {
        return resident(checkpoint.outside(name));
    }

    private Tensor resident(Entry entry) {
        return held.containsKey(entry.name())
                ? held.get(entry.name())
                : residents.keep(() -> load(entry));
    }

    LayerNorm residentLayerNorm(String module, double epsilon) {
        return new LayerNorm(resident(module + ".weight"), resident(module + ".bias"), epsilon);
    }

    /// The table of token embeddings, which stays in the file unless it is held.
    Embedding embedding(String name) {
        Entry table = checkpoint.outside(name);
        return new Embedding(checkpoint, table, Optional.ofNullable(held.get(table.name())));
    }

    /// The head: the weight of this name, or the embedding table. Read when it is first used.
    Head head(String name, String embedding) {
        boolean tied = checkpoint.config().tiedHead();
        Entry entry = tied ? checkpoint.outside(embedding) : checkpoint.named(name);
        return new Head(() -> resident(entry));
    }

    /// The weights of one block, read into the current scope.
    InBlock block(int index, Compute compute) {
        return new InBlock(index, compute);
    }

    /// Reads a weight into the current scope.
    Tensor load(Entry entry) {
        if (held.containsKey(entry.name())) {
            return held.get(entry.name());
        }
        var shape = entry.weight().shape();
        Tensor tensor = Tensor.empty(shape.sizes().stream().mapToLong(Long::longValue).toArray());
        checkpoint.read(entry, tensor.segment());
        Engine.forgetPages(entry.stored().data());
        checkFinite(checkpoint, entry.name(), tensor);
        return tensor;
    }

    /// Reads a weight through a small buffer.
    static void checkFinite(Checkpoint checkpoint, Entry entry) {
        long elements = entry.weight().shape().elements();
        Tensor buffer = Tensor.empty(Math.min(CHUNK, elements));
        for (long from = 0; from < elements; from += CHUNK) {
            long count = Math.min(CHUNK, elements - from);
            Tensor part = buffer.narrow(0, 0, count);
            entry.stored().readFloats(from, count, part.segment());
            checkFinite(checkpoint, entry.name(), part);
        }
    }

    static void checkFinite(Checkpoint checkpoint, String name, Tensor tensor) {
        if (!tensor.isFinite()) {
            throw new UncheckedIOException(
                    new MalformedFileException(
                            checkpoint.path(),
                            0,
                            "tensor %s holds NaN or infinite numbers".formatted(name)));
        }
    }

    /// The weights of one block by their names inside the block.
    final class InBlock {
        private final int index;
        private final Compute compute;

        private InBlock(int index, Compute compute) {
            this.index = index;
            this.compute = compute;
        }

        Linear linear(String module, boolean bias) {
            Entry weight = checkpoint.inBlock(index, module + ".weight");
            return new Linear(
                    weight.module(),
                    weight.weight().input(),
                    load(weight),
                    bias ? Optional.of(vector(module + ".bias")) : Optional.empty(),
                    compute);
        }

        /// A vector: a bias, or a norm's weight.
        Tensor vector(String name) {
            return load(checkpoint.inBlock(index, name));
        }

        LayerNorm layerNorm(String module, double epsilon) {
            return new LayerNorm(vector(module + ".weight"), vector(module + ".bias"), epsilon);
        }

        RmsNorm rmsNorm(String module, double epsilon) {
            return new RmsNorm(vector(module + ".weight"), epsilon);
        }
    }

    /// A table in memory once it is asked for.
    static final class Head {
        private final Supplier<Tensor> load;
        private Tensor table; // [vocabulary, width]

        private Head(Supplier<Tensor> load) {
            this.load = load;
        }

        /// `[time, width]` → `[time, vocabulary]`.
        Tensor logits(Tensor x) {
            return x.tallLinear(table());
        }

        private synchronized Tensor table() {
            if (table == null) {
                table = load.get();
            }
            return table;
        }
    }
}
