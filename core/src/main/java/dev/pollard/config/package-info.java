/// What a model is: `config.json` or GGUF metadata as a sealed `ModelConfig`, and the names of its
/// tensors.
package dev.pollard.config;
