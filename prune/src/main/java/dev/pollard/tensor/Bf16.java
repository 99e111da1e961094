package dev.pollard.tensor;

/// What this CPU can do with bfloat16 linear layers, as [Bf16Probe] found out.
public sealed interface Bf16 {
    /// It works as it is.
    ///
    /// @param speed time of a float32 linear layer over that of a bf16 one
    record Plain(double speed) implements Bf16 {}

    /// It works once oneDNN is kept from instructions that this machine announces and then traps:
    /// hand `instructionSet` to [Engine#limitInstructionSet] before libtorch loads.
    ///
    /// @param instructionSet a value of oneDNN's `ONEDNN_MAX_CPU_ISA`
    /// @param speed as above
    record Capped(String instructionSet, double speed) implements Bf16 {}

    /// It does not work.
    ///
    /// @param reason one phrase
    record Unusable(String reason) implements Bf16 {}
}
