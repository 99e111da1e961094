/// The contract of pruning methods, and the one driver that runs them over a model.
package dev.pollard.prune;
