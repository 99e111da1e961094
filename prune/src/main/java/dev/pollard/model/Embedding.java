package dev.pollard.model;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// The table of token embeddings. It stays in the file, unless it is held in memory: a sequence
/// widens only the rows it needs.
final class Embedding {
    private final Checkpoint checkpoint;
    private final Entry table; // [vocabulary, width]
    private final Optional<Tensor> held;

    /// @param held the table in memory
    Embedding(Checkpoint checkpoint, Entry table, Optional<Tensor> held) {
        this.checkpoint = checkpoint;
        this.table = table;
        this.held = held;
    }

    /// The rows of the ids: `[time, width]` float32.
    ///
    /// @throws IllegalArgumentException if there is no id, or one is outside the vocabulary
    Tensor rows(int[] ids) {
        long vocabulary = table.weight().shape().size(0);
        long width = table.weight().shape().size(1);
        if (ids.length == 0) {
            throw new IllegalArgumentException("no token");
        }
        for (int t = 0; t < ids.length; t++) {
            if (ids[t] < 0 || ids[t] >= vocabulary) {
                throw new IllegalArgumentException(
                        "token id %d at position %d is outside the vocabulary of %d"
                                .formatted(ids[t], t, vocabulary));
            }
        }
        return held.isPresent() ? held.get().rows(Tensor.ofIds(ids)) : read(ids, width);
    }

    private Tensor read(int[] ids, long width) {
        Tensor rows = Tensor.empty(ids.length, width);
        MemorySegment target = rows.segment();
        long bytes = Float.BYTES * width;
        for (int t = 0; t < ids.length; t++) {
            checkpoint.readRows(table, ids[t], 1, target.asSlice(t * bytes, bytes));
        }
        Weights.checkFinite(checkpoint, table.name(), rows);
        return rows;
    }

    /// As [#rows(int[])], for a model with a limited number of positions.
    ///
    /// @throws IllegalArgumentException also if a sequence is longer than there are positions
    Tensor rows(int[] ids, Rows rows, int positions) {
        if (rows.reach() > positions) {
            throw new IllegalArgumentException(
                    "%d tokens are more than the model's %d positions"
                            .formatted(rows.reach(), positions));
        }
        return rows(ids);
    }
}
