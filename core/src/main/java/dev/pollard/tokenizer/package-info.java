/// Tokenizers: Hugging Face's library behind one small class, also for the vocabularies inside GGUF
/// files.
package dev.pollard.tokenizer;
