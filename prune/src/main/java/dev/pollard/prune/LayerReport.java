package dev.pollard.prune;

import java.util.List;

/// What became of one layer in one step.
///
/// @param name the checkpoint's name of the module
/// @param pass 0-based pass of the method
/// @param step 0-based step of the sweep
/// @param label what the step does, for people
/// @param sparsity fraction of zero weights afterwards
/// @param relativeError `‖X(W' - W)ᵀ‖² / ‖XWᵀ‖²` against the dense weight
/// @param heldOutError the same on the sequences held out; null if there are none
/// @param error how exactly the error was measured
/// @param maskMoved weights kept that the first sparse step removed; null if it is the first
/// @param seconds of pruning
/// @param notes fallbacks taken
/// @param before values of the dense weights; null after the method's first step
/// @param after values of the new weights, in the same bins
public record LayerReport(
        String name,
        int pass,
        int step,
        String label,
        long rows,
        long columns,
        double sparsity,
        double relativeError,
        Double heldOutError,
        ErrorKind error,
        Long maskMoved,
        double seconds,
        List<String> notes,
        Histogram before,
        Histogram after) {
    /// How a layer error was measured.
    public enum ErrorKind {
        /// With the Gram of the inputs: the squared output error itself.
        OUTPUT,
        /// With the mean squares of the inputs, as if channels were uncorrelated.
        DIAGONAL,
        /// Without inputs: squared weights lost.
        WEIGHTS
    }
}
