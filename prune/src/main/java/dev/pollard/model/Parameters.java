package dev.pollard.model;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Predicate;

/// The weights of a model in memory, float32, to be differentiated and changed; and the decoder
/// that
/// computes with them.
///
/// A block of this [#decoder] costs nothing to load, and sees the weights as they are at that time.
/// Whoever changes a weight writes into [#values], while no forward pass is under way.
public final class Parameters implements AutoCloseable {
    private final SequencedMap<Entry, Tensor> leaves = new LinkedHashMap<>();
    private final List<Entry> trained;
    private final Weights weights;
    private final Decoder decoder;

    private Parameters(Model model, Predicate<Entry> trained) {
        var checkpoint = model.checkpoint();
        this.trained = checkpoint.entries().stream().filter(trained).toList();
        Map<String, Tensor> held = new LinkedHashMap<>();
        try {
            for (var entry : checkpoint.entries()) {
                try (var scope = Scope.open()) {
                    Tensor tensor = scope.keep(model.weight(entry));
                    leaves.put(entry, tensor);
                    held.put(entry.name(), tensor);
                }
            }
            this.trained.forEach(entry -> leaves.get(entry).requireGradient());
            this.weights = new Weights(checkpoint, held);
            this.decoder = Model.decoder(model.config(), weights);
        } catch (Throwable e) {
            leaves.values().forEach(Tensor::close);
            throw e;
        }
    }

    /// Reads all weights of `model`, which stays open.
    ///
    /// @param trained those of which gradients are wanted
    /// @throws java.io.UncheckedIOException if one holds NaN or infinite numbers: names it
    public static Parameters of(Model model, Predicate<Entry> trained) {
        return new Parameters(model, trained);
    }

    public Decoder decoder() {
        return decoder;
    }

    /// All of them, in the order of the checkpoint.
    public List<Entry> entries() {
        return List.copyOf(leaves.keySet());
    }

    /// Those of which gradients are wanted, in the order of the checkpoint.
    public List<Entry> trained() {
        return trained;
    }

    /// Those of one block; those outside the blocks for -1.
    public List<Entry> trained(int block) {
        return trained.stream().filter(entry -> entry.block() == block).toList();
    }

    /// A weight as the decoder computes with it: a matrix `[out, in]`, float32.
    public Tensor leaf(Entry entry) {
        return leaves.get(entry);
    }

    /// The numbers of a weight, in the current scope: writing to them changes the model.
    public Tensor values(Entry entry) {
        return leaves.get(entry).detach();
    }

    @Override
    public void close() {
        weights.residents().close();
        leaves.values().forEach(Tensor::close);
    }
}
