package dev.pollard.tokenizer;

import java.nio.file.Path;

/// What a tokenizer is, before the native library has seen it.
///
/// @param source the file to blame
/// @param json the text of `tokenizer.json`
/// @param config the text of `tokenizer_config.json`
/// @param bosToken beginning of text, as written in the vocabulary; empty if nothing says so
/// @param eosToken end of text, likewise
record TokenizerDefinition(
        Path source, String json, String config, String bosToken, String eosToken) {}
