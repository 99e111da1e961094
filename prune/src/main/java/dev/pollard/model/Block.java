package dev.pollard.model;

import dev.pollard.tensor.Tensor;
import java.util.List;

/// One decoder block with its weights in memory.
public interface Block {
    /// The residual stream through the block: `[time, hidden]` → `[time, hidden]`, float32, one
    /// sequence, positions from 0. Safe to call from several threads at once.
    Tensor forward(Tensor x, Tap tap);

    /// The prunable layers, in the order in which they compute. Nothing in the block reads the
    /// output of the last but the residual sum.
    List<Linear> linears();
}
