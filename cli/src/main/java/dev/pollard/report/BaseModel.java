package dev.pollard.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.hub.PullRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.regex.Pattern;

/// The model that was pruned, as a model card speaks of it.
///
/// @param name of its folder or file, never where that lies; `ORG/NAME` if it was pulled of the
///     Hub
/// @param licence the card's keys about it, from the source: the front matter of the folder's
///     `README.md`, or the metadata of a GGUF file; empty if it says nothing that can be read
record BaseModel(String name, SequencedMap<String, String> licence) {
    private static final List<String> KEYS = List.of("license", "license_name", "license_link");
    private static final int LONGEST_CARD = 1 << 20;
    private static final Pattern FRONT_MATTER =
            Pattern.compile("\\A---[ \\t]*\\R(.*?)\\R---[ \\t]*(\\R|\\z)", Pattern.DOTALL);

    /// @param path of the record: a folder or a GGUF file, which may be gone by now
    static BaseModel of(String path) throws IOException {
        String file = Figures.fileName(path);
        String name = file.endsWith(".gguf") ? file.substring(0, file.length() - 5) : file;
        return new BaseModel(repository(path).orElse(name), licence(path));
    }

    /// `ORG/NAME`, if the folder was pulled of the Hub.
    private static Optional<String> repository(String path) throws IOException {
        try {
            return PullRecord.of(Path.of(path)).map(PullRecord::repository);
        } catch (InvalidPathException _) { // a record from another system
            return Optional.empty();
        }
    }

    private static SequencedMap<String, String> licence(String path) throws IOException {
        Path source;
        try {
            source = Path.of(path);
        } catch (InvalidPathException _) { // a record from another system
            return new LinkedHashMap<>();
        }
        Path card = source.resolve("README.md");
        if (Files.isRegularFile(card)
                && Files.isReadable(card)
                && Files.size(card) <= LONGEST_CARD) {
            return ofCard(new String(Files.readAllBytes(card), StandardCharsets.UTF_8));
        }
        if (Files.isReadable(source) && path.endsWith(".gguf")) {
            return ofGguf(source);
        }
        return new LinkedHashMap<>();
    }

    private static SequencedMap<String, String> ofCard(String card) {
        var licence = new LinkedHashMap<String, String>();
        var matter = FRONT_MATTER.matcher(card);
        if (!matter.find()) {
            return licence;
        }
        JsonNode yaml;
        try {
            yaml = new YAMLMapper().readTree(matter.group(1));
        } catch (JsonProcessingException _) { // the new card then says that no licence was found
            return licence;
        }
        for (String key : KEYS) {
            JsonNode value = yaml.path(key);
            first(value.isArray() ? value.path(0) : value).ifPresent(v -> licence.put(key, v));
        }
        return licence;
    }

    private static Optional<String> first(JsonNode value) {
        return value.isTextual() ? Optional.of(value.textValue()) : Optional.empty();
    }

    private static SequencedMap<String, String> ofGguf(Path file) throws IOException {
        var licence = new LinkedHashMap<String, String>();
        try (var gguf = GgufFile.open(file)) {
            Map<String, Object> metadata = gguf.metadata().values();
            for (String key : KEYS) {
                if (metadata.get("general." + key.replace('_', '.')) instanceof String value) {
                    licence.put(key, value);
                }
            }
        }
        return licence;
    }
}
