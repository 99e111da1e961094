package dev.pollard.prune;

import dev.pollard.tensor.Tensor;
import java.util.List;
import java.util.OptionalDouble;

/// What a method made of one layer.
///
/// @param weight the new weight, `[out, in]` float32, zero wherever the mask is false
/// @param mask true where a weight is kept
/// @param notes every fallback that was taken, one sentence each
/// @param heldOutError relative error on the tokens held out, if the method measured it itself
///     because the weight has seen them since
/// @param findings what passes to come shall know of the weights
public record LayerResult(
        Tensor weight,
        Mask mask,
        List<String> notes,
        OptionalDouble heldOutError,
        Findings findings) {
    public LayerResult {
        notes = List.copyOf(notes);
    }

    /// Of a method that leaves the tokens held out alone.
    public LayerResult(Tensor weight, Mask mask, List<String> notes) {
        this(weight, mask, notes, OptionalDouble.empty());
    }

    /// Of a method that has nothing to tell later passes.
    public LayerResult(Tensor weight, Mask mask, List<String> notes, OptionalDouble heldOutError) {
        this(weight, mask, notes, heldOutError, Findings.NONE);
    }

    /// The same, with something to tell them.
    public LayerResult with(Findings found) {
        return new LayerResult(weight, mask, notes, heldOutError, found);
    }
}
