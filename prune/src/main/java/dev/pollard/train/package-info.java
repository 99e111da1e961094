/// Gradients of a model, and what is done with them.
package dev.pollard.train;
