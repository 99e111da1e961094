package dev.pollard.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Files;
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

    /// A `config.json` is a few kilobytes; beyond this it is something else.
    long LONGEST_FILE = 16 << 20;

    /// Reads a `config.json`, in the spelling of transformers 5 or of the versions before it.
    ///
    /// @throws MalformedFileException if it is no JSON object, the architecture is not supported,
    ///     or a value makes no sense: names the key
    static ModelConfig read(Path file) throws IOException {
        return of(file, readJson(file));
    }

    /// The JSON object in `file`.
    ///
    /// @throws MalformedFileException if there is none
    static ObjectNode readJson(Path file) throws IOException {
        if (Files.size(file) > LONGEST_FILE) {
            throw new MalformedFileException(file, LONGEST_FILE, "is too long for a configuration");
        }
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(Files.readAllBytes(file));
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(
                    file,
                    e.getLocation() == null ? 0 : Math.max(0, e.getLocation().getByteOffset()),
                    "no JSON: " + e.getOriginalMessage(),
                    e);
        }
        if (!(root instanceof ObjectNode object)) {
            throw new MalformedFileException(file, 0, "no JSON object");
        }
        return object;
    }

    /// The configuration that the JSON object of `file` describes.
    static ModelConfig of(Path file, JsonNode root) throws MalformedFileException {
        return of(
                new Keys(
                        root,
                        (key, reason) -> new MalformedFileException(file, 0, key + " " + reason)));
    }

    private static ModelConfig of(Keys keys) throws MalformedFileException {
        var quantisation = keys.object("quantization_config");
        if (quantisation.isPresent()) {
            throw keys.wrong(
                    "quantization_config",
                    "says the weights are quantised (%s): prune the model they were made from"
                            .formatted(quantisation.get().text("quant_method").orElse("unnamed")));
        }
        var type = keys.text("model_type");
        if (type.isEmpty()) {
            throw keys.wrong("model_type", "is missing");
        }
        return switch (type.get()) {
            case "opt" -> OptConfig.read(keys, "opt");
            case "llama", "mistral", "qwen2", "qwen3", "smollm3" ->
                    LlamaConfig.read(keys, type.get());
            case "gemma", "gemma2", "gemma3_text" -> GemmaConfig.read(keys, type.get());
            case "gemma3" -> {
                var text = keys.object("text_config");
                if (text.isEmpty()) {
                    throw keys.wrong("text_config", "is missing");
                }
                yield GemmaConfig.read(text.get(), "gemma3");
            }
            case "gpt2" -> Gpt2Config.read(keys, "gpt2");
            case "gpt_neox" -> GptNeoXConfig.read(keys, "gpt_neox");
            case "bloom" -> BloomConfig.read(keys, "bloom");
            case "phi3" -> Phi3Config.read(keys, "phi3");
            default ->
                    throw keys.wrong(
                            "model_type",
                            "'%s' is not supported; supported: %s"
                                    .formatted(type.get(), String.join(", ", ARCHITECTURES)));
        };
    }
}
