package dev.pollard.model;

import dev.pollard.config.ModelConfig;
import dev.pollard.tensor.Tensor;

/// A decoder-only language model whose blocks come into memory one at a time.
///
/// The three steps of a forward pass, for one sequence of `time` tokens: [#embed], every block in
/// turn, [#logits]. Embeddings and head stay mapped or loaded as long as the decoder is open;
/// a block lives in the caller's [dev.pollard.tensor.Scope].
public interface Decoder {
    ModelConfig config();

    /// The residual stream that enters block 0: `[rows, hidden]` float32.
    ///
    /// @param ids one for each row
    /// @param rows which sequences they belong to
    /// @throws IllegalArgumentException if an id is outside the vocabulary or a sequence is longer
    ///     than the positions of the model
    Tensor embed(int[] ids, Rows rows);

    /// One sequence from its beginning: `[time, hidden]`.
    ///
    /// @throws IllegalArgumentException as [#embed(int[], Rows)]
    default Tensor embed(int[] ids) {
        return embed(ids, Rows.sequence(ids.length));
    }

    /// Reads block `index` (0-based) into the current scope.
    ///
    /// @throws java.io.UncheckedIOException if the file cannot be read
    Block block(int index, Compute compute);

    /// Final norm and head: `[time, hidden]` → `[time, vocabulary]` float32.
    Tensor logits(Tensor x);
}
