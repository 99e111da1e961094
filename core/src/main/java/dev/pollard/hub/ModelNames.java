package dev.pollard.hub;

import dev.pollard.format.Nearest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;

/// Finds a model by what a user calls it: a path, the name of an embedded model (`sapling`), or the
/// name of one that was pulled (`ORG/NAME`, `ORG/NAME/FILE.gguf`), in this order. Never opens a
/// connection.
///
/// @param saplings folder of the embedded models, if there is one
/// @param offline whether the user must not be told to pull
public record ModelNames(Optional<Path> saplings, ModelCache cache, boolean offline) {
    private static final String CONFIG = "config.json";

    /// Embedded models by name.
    public SequencedMap<String, Path> embedded() throws IOException {
        var models = new LinkedHashMap<String, Path>();
        if (saplings.isPresent()) {
            try (var folders = Files.list(saplings.get())) {
                folders.filter(folder -> Files.exists(folder.resolve(CONFIG)))
                        .sorted()
                        .forEach(folder -> models.put(folder.getFileName().toString(), folder));
            }
        }
        return models;
    }

    /// Pulled models by name. A GGUF file that is all there is of a repository goes by the name of
    /// the repository.
    public SequencedMap<String, Path> pulled() throws IOException {
        var models = new LinkedHashMap<String, Path>();
        for (var repository : cache.repositories()) {
            var found = cache.models(repository);
            for (Path model : found) {
                boolean alone = found.size() == 1 || Files.isDirectory(model);
                models.put(
                        alone ? repository.toString() : repository + "/" + model.getFileName(),
                        model);
            }
        }
        return models;
    }

    /// Where a model lies.
    ///
    /// @param typed what the user wrote
    /// @throws NoSuchFileException if there is no such model; the reason says how to get it
    public Path resolve(Path typed) throws IOException {
        if (Files.exists(typed)) {
            return typed;
        }
        String name = typed.toString().replace(typed.getFileSystem().getSeparator(), "/");
        Path embedded = embedded().get(name);
        return embedded != null ? embedded : inCache(typed);
    }

    /// Where a pulled model lies.
    ///
    /// @param typed `ORG/NAME` or `ORG/NAME/FILE.gguf`
    /// @throws NoSuchFileException if it is not in the cache
    public Path inCache(Path typed) throws IOException {
        String name = typed.toString().replace(typed.getFileSystem().getSeparator(), "/");
        var pulled = pulled();
        if (pulled.containsKey(name)) {
            return pulled.get(name);
        }
        Path file = pulledFile(name);
        if (file != null) {
            return file;
        }
        throw new NoSuchFileException(typed.toString(), null, reason(typed, name, pulled));
    }

    /// `ORG/NAME/FILE.gguf` where the short name would do as well.
    private Path pulledFile(String name) {
        int slash = name.lastIndexOf('/');
        if (slash < 0
                || !name.endsWith(".gguf")
                || !HubFile.isPlain(name.substring(slash + 1))
                || !RepositoryName.isOne(name.substring(0, slash))) {
            return null;
        }
        Path file =
                cache.folder(RepositoryName.parse(name.substring(0, slash)))
                        .resolve(name.substring(slash + 1));
        return Files.exists(file) ? file : null;
    }

    private String reason(Path typed, String name, SequencedMap<String, Path> pulled)
            throws IOException {
        boolean path = typed.isAbsolute() || name.startsWith(".") || !isModelName(name);
        if (path) {
            return "no such file";
        }
        if (RepositoryName.isOne(name)) {
            var repository = RepositoryName.parse(name);
            if (!cache.missing(repository).isEmpty()) {
                return "was not pulled to its end; go on with: pollard pull " + name;
            }
            var files = cache.models(repository);
            if (!files.isEmpty()) {
                return "holds %d GGUF files: name one, such as %s/%s"
                        .formatted(files.size(), name, files.getFirst().getFileName());
            }
        }
        var known = new LinkedHashMap<>(embedded());
        known.putAll(pulled);
        var near = Nearest.to(name, known.keySet());
        if (near.isPresent()) {
            return "no such file or model; did you mean '%s'?".formatted(near.get());
        }
        if (!RepositoryName.isOne(name)) {
            return "no such file or model ('pollard models' lists those that are there)";
        }
        return offline
                ? "no such file, and not in the cache (offline: nothing is pulled)"
                : "no such file, and not in the cache; to get it: pollard pull " + name;
    }

    /// Whether it could be a name of ours; else it can only be a path.
    private static boolean isModelName(String name) {
        return !name.matches(".*\\.(gguf|safetensors|bin|pt|pth)")
                && (name.indexOf('/') < 0 || RepositoryName.isOne(name));
    }
}
