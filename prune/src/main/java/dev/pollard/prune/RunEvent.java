package dev.pollard.prune;

/// What a listener of a pruning run is told, in this order for every block: first, if the
/// allocation asks for it, that all blocks are surveyed.
public sealed interface RunEvent {
    /// A pass over the dense model begins, which counts outliers before anything is pruned.
    ///
    /// @param blocks up to the last with a layer to prune
    record SurveyStarted(int blocks) implements RunEvent {}

    /// The outliers of a block of the dense model are counted.
    ///
    /// @param block 0-based
    /// @param blocks up to the last with a layer to prune
    /// @param outliers percentage, NaN if no layer of the block is to be pruned
    record BlockSurveyed(int block, int blocks, double outliers) implements RunEvent {}

    /// @param pass 0-based
    /// @param block 0-based
    /// @param blocks up to the last with a layer to prune
    record BlockStarted(int pass, int passes, int block, int blocks) implements RunEvent {}

    /// A layer is pruned.
    record LayerDone(LayerReport layer) implements RunEvent {}

    /// A block is pruned, committed, and its outputs are the inputs of the next.
    ///
    /// @param resumed whether it was done before: by a run that was interrupted, or, for a control,
    ///     by the run that it belongs to
    /// @param relativeError mean over its layers, NaN if there are none
    record BlockDone(
            int pass,
            int passes,
            int block,
            int blocks,
            boolean resumed,
            double relativeError,
            double seconds)
            implements RunEvent {}

    /// Some samples, or the samples of a step, went through the model and back.
    ///
    /// @param pass 0-based
    /// @param what is done with their gradients: a word
    /// @param counted what `done` counts: a word
    /// @param done of `total`
    /// @param loss mean of those samples, in nats per token
    record SamplesDone(
            int pass, int passes, String what, String counted, int done, int total, double loss)
            implements RunEvent {}
}
