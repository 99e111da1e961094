package dev.pollard.prune;

/// What pruning one layer takes, roughly, besides the layer, its statistics and what they share.
///
/// @param bytes held at once
/// @param operations in float32; one in float64 counts as two
public record Cost(long bytes, double operations) {}
