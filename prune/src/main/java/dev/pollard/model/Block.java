package dev.pollard.model;

import dev.pollard.tensor.Tensor;
import java.util.List;

/// One decoder block with its weights in memory.
public interface Block {
    /// The residual stream through the block: `[rows, hidden]` → `[rows, hidden]`, float32. Safe to
    /// call from several threads at once.
    ///
    /// @param rows which sequences they belong to
    Tensor forward(Tensor x, Rows rows, Tap tap);

    /// One sequence from its beginning: `[time, hidden]` → `[time, hidden]`.
    default Tensor forward(Tensor x, Tap tap) {
        return forward(x, Rows.sequence(Math.toIntExact(x.size(0))), tap);
    }

    /// The prunable layers, in the order in which they compute. Nothing in the block reads the
    /// output of the last but the residual sum.
    List<Linear> linears();
}
