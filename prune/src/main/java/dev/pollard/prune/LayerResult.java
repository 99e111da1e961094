package dev.pollard.prune;

import dev.pollard.tensor.Tensor;
import java.util.List;

/// What a method made of one layer.
///
/// @param weight the new weight, `[out, in]` float32, zero wherever the mask is false
/// @param mask true where a weight is kept
/// @param notes every fallback that was taken, one sentence each
public record LayerResult(Tensor weight, Mask mask, List<String> notes) {
    public LayerResult {
        notes = List.copyOf(notes);
    }
}
