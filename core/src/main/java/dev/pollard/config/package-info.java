/// What a model on disk is: `config.json` or GGUF metadata as a sealed
/// [dev.pollard.config.ModelConfig], the names, shapes and layouts of its weights
/// ([dev.pollard.config.WeightMap]), and both bound to files ([dev.pollard.config.Checkpoint]).
package dev.pollard.config;
