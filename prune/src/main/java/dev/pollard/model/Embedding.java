package dev.pollard.model;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/// The table of token embeddings. It stays in the file: a sequence widens only the rows it needs.
final class Embedding {
    private final Checkpoint checkpoint;
    private final Entry table; // [vocabulary, width]

    Embedding(Checkpoint checkpoint, Entry table) {
        this.checkpoint = checkpoint;
        this.table = table;
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
        Tensor rows = Tensor.empty(ids.length, width);
        MemorySegment target = rows.segment();
        for (int t = 0; t < ids.length; t++) {
            if (ids[t] < 0 || ids[t] >= vocabulary) {
                throw new IllegalArgumentException(
                        "token id %d at position %d is outside the vocabulary of %d"
                                .formatted(ids[t], t, vocabulary));
            }
            long bytes = Float.BYTES * width;
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
