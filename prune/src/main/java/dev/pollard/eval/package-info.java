/// What a model is worth: perplexity as the papers measure it.
package dev.pollard.eval;
