package dev.pollard.prune.solver;

/// In which units the weights of a layer are stepped through and compared.
public enum Coordinates {
    /// As they are.
    RAW,
    /// Times the root mean square of their input, `W_ij √H_jj`: what the weight contributes to the
    /// output. Gradient steps converge far better, and the largest are those that Wanda keeps.
    SCALED
}
