package dev.pollard.data;

/// How windows are taken from a source.
public enum Sampling {
    /// From the start, one after the other, without gaps.
    CONSECUTIVE,
    /// At starts drawn by a seed, none twice; windows may overlap. From a matrix of ids: rows drawn
    /// by a seed, none twice.
    RANDOM
}
