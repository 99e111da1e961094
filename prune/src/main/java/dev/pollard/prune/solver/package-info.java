/// Numerical kernels that know matrices, not layers.
package dev.pollard.prune.solver;
