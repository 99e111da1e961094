package dev.pollard.config;

import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/// The shape of a decoder-only language model: one record per family.
public sealed interface ModelConfig
        permits OptConfig,
                LlamaConfig,
                GemmaConfig,
                Gpt2Config,
                GptNeoXConfig,
                BloomConfig,
                Phi3Config {
    /// What the families have in common.
    Outline outline();

    /// Names, shapes and layouts of the weights.
    WeightMap weights();

    /// As the checkpoint calls it: `llama`, `gemma3_text`.
    default String architecture() {
        return outline().architecture();
    }

    default int vocabularySize() {
        return outline().vocabularySize();
    }

    /// Width of the residual stream.
    default int hiddenSize() {
        return outline().hiddenSize();
    }

    /// Number of decoder blocks.
    default int blocks() {
        return outline().blocks();
    }

    /// Longest sequence the model was made for, in tokens.
    default int contextLength() {
        return outline().contextLength();
    }

    /// Whether the head is the embedding table itself.
    default boolean tiedHead() {
        return outline().tiedHead();
    }

    /// The id that begins a text, if the checkpoint names one.
    default OptionalInt bos() {
        return outline().bos();
    }

    /// The `model_type`s that [#read] knows.
    List<String> ARCHITECTURES =
            List.of(
                    "opt",
                    "llama",
                    "mistral",
                    "qwen2",
                    "qwen3",
                    "smollm3",
                    "gemma",
                    "gemma2",
                    "gemma3_text",
                    "gemma3",
                    "gpt2",
                    "gpt_neox",
                    "bloom",
                    "phi3");

    /// Reads a `config.json`, in the spelling of transformers 5 or of the versions before it.
    ///
    /// @throws MalformedFileException if it is no JSON object, the architecture is not supported,
    ///     or a value makes no sense: names the key
    static ModelConfig read(Path file) throws IOException {
        return ConfigReader.config(file, ConfigReader.json(file));
    }
}
