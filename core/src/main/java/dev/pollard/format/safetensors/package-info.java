/// The safetensors format: one file, or a Hugging Face folder of shards with their index.
package dev.pollard.format.safetensors;
