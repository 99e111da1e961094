package dev.pollard.eval;

/// The answer to a request for a log-likelihood.
///
/// @param logLikelihood natural logarithm, summed over the tokens scored
/// @param greedy whether every token scored is the most probable one at its place
/// @param tokens scored
public record Scored(double logLikelihood, boolean greedy, int tokens) {}
