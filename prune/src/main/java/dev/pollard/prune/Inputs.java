package dev.pollard.prune;

/// Whose activations a layer sees while statistics are gathered.
public enum Inputs {
    /// Those of the model pruned so far: every block is propagated again after it is pruned, as
    /// SparseGPT and Wanda do. Two forward passes per block.
    PRUNED,
    /// Those of the dense model: errors of earlier blocks are not seen. One forward pass per block.
    DENSE,
    /// Those of the pruned model, towards what the dense layer makes of those of the dense model:
    /// before a method sees a layer its weight is re-aimed, so that it makes up for the errors of
    /// the blocks before (see [dev.pollard.prune.solver.Retarget]). Needs the activations of both.
    BOTH
}
