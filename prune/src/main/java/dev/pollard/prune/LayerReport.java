package dev.pollard.prune;

import java.util.List;

/// What became of one layer in one step.
///
/// @param name the checkpoint's name of the module
/// @param pass 0-based pass of the method
/// @param step 0-based step of the sweep
/// @param sparsity fraction of zero weights afterwards
/// @param relativeError `‖X(W' - W)ᵀ‖² / ‖XWᵀ‖²` against the dense weight
/// @param error how exactly the error was measured
/// @param seconds of pruning
/// @param notes fallbacks taken
public record LayerReport(
        String name,
        int pass,
        int step,
        long rows,
        long columns,
        double sparsity,
        double relativeError,
        ErrorKind error,
        double seconds,
        List<String> notes) {
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
