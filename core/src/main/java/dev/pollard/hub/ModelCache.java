package dev.pollard.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Models that were pulled: `models/ORG/NAME` in the user's cache folder, each a Hugging Face
/// folder, GGUF files, or both. Deleting any of it is safe.
///
/// @param root Pollard's cache folder; need not be there
public record ModelCache(Path root) {
    private static final String CONFIG = "config.json";

    /// Where a model lies, or would.
    public Path folder(RepositoryName repository) {
        return root.resolve("models").resolve(repository.organisation()).resolve(repository.name());
    }

    /// Models that something was pulled of, by name.
    public List<RepositoryName> repositories() throws IOException {
        var found = new ArrayList<RepositoryName>();
        Path models = root.resolve("models");
        for (Path organisation : folders(models)) {
            for (Path model : folders(organisation)) {
                String name = organisation.getFileName() + "/" + model.getFileName();
                if (RepositoryName.isOne(name)) {
                    found.add(RepositoryName.parse(name));
                }
            }
        }
        return found;
    }

    private static List<Path> folders(Path parent) throws IOException {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (var children = Files.list(parent)) {
            return children.filter(Files::isDirectory).sorted().toList();
        }
    }

    /// What can be opened of a model: the folder, if it is complete, and GGUF files.
    List<Path> models(RepositoryName repository) throws IOException {
        var models = new ArrayList<Path>();
        Path folder = folder(repository);
        if (Files.exists(folder.resolve(CONFIG)) && missing(repository).isEmpty()) {
            models.add(folder);
        }
        if (Files.isDirectory(folder)) {
            try (var files = Files.list(folder)) {
                files.filter(file -> file.toString().endsWith(".gguf"))
                        .sorted()
                        .forEach(models::add);
            }
        }
        return models;
    }

    /// Names of files that the folder of a model still lacks, because a pull did not come to its
    /// end.
    public List<String> missing(RepositoryName repository) throws IOException {
        return PullRecord.of(folder(repository))
                .map(record -> List.copyOf(record.missing()))
                .orElse(List.of());
    }
}
