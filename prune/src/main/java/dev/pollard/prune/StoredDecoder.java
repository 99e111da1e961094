package dev.pollard.prune;

import dev.pollard.config.ModelConfig;
import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.Rows;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;

/// A model with the weights that a pass left in the store in place of its own; what the pass did
/// not touch stays as it is.
///
/// @param model gives embeddings, head, and all that the store does not hold
public record StoredDecoder(Decoder model, BlockStore store, int pass) implements Decoder {
    @Override
    public ModelConfig config() {
        return model.config();
    }

    @Override
    public Tensor embed(int[] ids, Rows rows) {
        return model.embed(ids, rows);
    }

    @Override
    public Block block(int index, Compute compute) {
        Block block = model.block(index, compute);
        try {
            store.load(pass, index).ifPresent(found -> Driver.replace(block, found.weights()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return block;
    }

    @Override
    public Tensor logits(Tensor x) {
        return model.logits(x);
    }
}
