package dev.pollard.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Nearest;
import dev.pollard.hub.HubException.Reason;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;

/// Which files of a repository a model is opened from. Repositories hold the same weights for
/// several frameworks, and pulling all would double or triple what is fetched.
final class Selection {
    private static final String CONFIG = "config.json";

    /// Weights in order of preference: the whole, and the index of the same in shards.
    private static final List<List<String>> WEIGHTS =
            List.of(
                    List.of("model.safetensors", "model.safetensors.index.json"),
                    List.of("pytorch_model.bin", "pytorch_model.bin.index.json"));

    /// Configuration, tokenizer, and what must go with the weights wherever they go.
    private static final Pattern COMPANION =
            Pattern.compile(
                    "(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens"
                            + "|vocab|chat_template)\\.json|merges\\.txt|vocab\\.txt|chat_template\\.jinja"
                            + "|tokenizer\\.model|README\\.md"
                            + "|(LICENSE|LICENCE|NOTICE|USE_POLICY)[A-Za-z0-9._-]*");

    private final RepositoryName repository;
    private final Map<String, HubFile> files = new TreeMap<>();

    Selection(RepositoryName repository, List<HubFile> listed) {
        this.repository = repository;
        listed.forEach(file -> files.put(file.name(), file));
    }

    /// A file by its name, the only one wanted.
    ///
    /// @throws HubException if there is none
    HubFile single(String name) throws HubException {
        HubFile file = files.get(name);
        if (file == null) {
            throw new HubException(
                    Reason.REFUSED, repository + ": " + Nearest.unknown("file", name, ggufs()));
        }
        return file;
    }

    /// All files but the weights.
    ///
    /// @throws HubException if there is no `config.json`
    List<HubFile> companions() throws HubException {
        if (!files.containsKey(CONFIG)) {
            throw noModel("no " + CONFIG);
        }
        return files.values().stream()
                .filter(file -> COMPANION.matcher(file.name()).matches())
                .toList();
    }

    /// The index of weights in shards; empty if they are one file.
    ///
    /// @throws HubException if there are no weights in a format that can be read
    Optional<HubFile> index() throws HubException {
        for (var form : WEIGHTS) {
            if (files.containsKey(form.getFirst())) {
                return Optional.empty();
            }
            if (files.containsKey(form.getLast())) {
                return Optional.of(files.get(form.getLast()));
            }
        }
        throw noModel("no weights in safetensors or pytorch_model.bin");
    }

    /// The weights, if they are one file.
    HubFile whole() {
        return WEIGHTS.stream()
                .map(form -> files.get(form.getFirst()))
                .filter(file -> file != null)
                .findFirst()
                .orElseThrow();
    }

    /// The shards that an index names.
    ///
    /// @param index on disk
    /// @throws MalformedFileException if it names none, or one that is not listed
    List<HubFile> shards(Path index) throws IOException {
        JsonNode json;
        try {
            json = new JsonMapper().readTree(Files.readAllBytes(index));
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(index, 0, "is no JSON", e);
        }
        var names = new TreeSet<String>();
        json.path("weight_map").forEach(shard -> names.add(shard.asText()));
        var shards = new ArrayList<HubFile>();
        for (String name : names) {
            if (!files.containsKey(name)) {
                throw new MalformedFileException(
                        index,
                        0,
                        "names the shard '%s', which the Hub does not list".formatted(name));
            }
            shards.add(files.get(name));
        }
        if (shards.isEmpty()) {
            throw new MalformedFileException(index, 0, "names no shard");
        }
        return shards;
    }

    private List<String> ggufs() {
        return files.keySet().stream().filter(name -> name.endsWith(".gguf")).toList();
    }

    private HubException noModel(String lack) {
        var ggufs = ggufs();
        return new HubException(
                Reason.REFUSED,
                ggufs.isEmpty()
                        ? "%s holds no model that can be opened: %s".formatted(repository, lack)
                        : "%s holds GGUF files: choose one with --file (%s)"
                                .formatted(repository, String.join(", ", ggufs)));
    }
}
