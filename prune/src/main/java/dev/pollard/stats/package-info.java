/// What pruning wants to know of a layer's inputs, gathered in one pass and mergeable.
package dev.pollard.stats;
