package dev.pollard.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// From JSON to the record of the family it describes.
final class ConfigReader {
    /// A `config.json` is a few kilobytes; beyond this it is something else.
    private static final long LONGEST_FILE = 16 << 20;

    private ConfigReader() {}

    /// The JSON object in `file`.
    ///
    /// @throws MalformedFileException if there is none
    static ObjectNode json(Path file) throws IOException {
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
    static ModelConfig config(Path file, JsonNode root) throws MalformedFileException {
        return config(
                new Keys(
                        root,
                        (key, reason) -> new MalformedFileException(file, 0, key + " " + reason)));
    }

    static ModelConfig config(Keys keys) throws MalformedFileException {
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
                                    .formatted(
                                            type.get(),
                                            String.join(", ", ModelConfig.ARCHITECTURES)));
        };
    }
}
