/// GGUF, the file format of llama.cpp: typed metadata, tensors as numbers or as quantised blocks.
package dev.pollard.format.gguf;
