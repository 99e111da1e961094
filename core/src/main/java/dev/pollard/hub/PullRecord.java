package dev.pollard.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/// What was pulled into a folder and of which commit, kept as `.pull.json` in it. It spares the
/// reading of large files to see that they are the right ones, and says what part files hold. One
/// that cannot be read is as if it were not there: the files then are read.
public final class PullRecord {
    private static final String FILE_NAME = ".pull.json";
    private static final long LONGEST = 4 << 20;

    /// A file that is there.
    ///
    /// @param commit of the repository
    /// @param modified milliseconds since 1970, as the file system says
    record Fetched(Checksum checksum, String commit, long bytes, long modified) {}

    /// A file of which a part is there.
    ///
    /// @param entityTag the strong ETag that the server gave it, or empty
    record Part(Checksum checksum, String entityTag) {}

    private final Path folder;
    private final String repository;
    private final SequencedMap<String, Fetched> files = new TreeMap<>();
    private final SequencedMap<String, Part> parts = new TreeMap<>();
    private final TreeSet<String> missing = new TreeSet<>();

    private PullRecord(Path folder, String repository) {
        this.folder = folder;
        this.repository = repository;
    }

    /// The record of a folder; empty if nothing was ever pulled into it.
    public static Optional<PullRecord> of(Path folder) throws IOException {
        Path file = folder.resolve(FILE_NAME);
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) || Files.size(file) > LONGEST) {
            return Optional.empty();
        }
        try {
            JsonNode json = new JsonMapper().readTree(Files.readAllBytes(file));
            String repository = RepositoryName.parse(json.path("repository").asText()).toString();
            var record = new PullRecord(folder, repository);
            for (var entry : json.path("files").properties()) {
                JsonNode fetched = entry.getValue();
                record.files.put(
                        plain(entry.getKey()),
                        new Fetched(
                                checksum(fetched),
                                fetched.path("commit").asText(),
                                fetched.path("bytes").asLong(),
                                fetched.path("modified").asLong()));
            }
            for (var entry : json.path("parts").properties()) {
                record.parts.put(
                        plain(entry.getKey()),
                        new Part(
                                checksum(entry.getValue()),
                                entry.getValue().path("etag").asText()));
            }
            json.path("missing").forEach(name -> record.missing.add(name.asText()));
            return Optional.of(record);
        } catch (JsonProcessingException | IllegalArgumentException _) {
            return Optional.empty();
        }
    }

    /// The record of `folder`, or an empty one if it has none or one of another repository.
    static PullRecord of(Path folder, RepositoryName repository) throws IOException {
        return of(folder)
                .filter(record -> record.repository.equals(repository.toString()))
                .orElseGet(() -> new PullRecord(folder, repository.toString()));
    }

    private static String plain(String name) {
        if (!HubFile.isPlain(name)) {
            throw new IllegalArgumentException(name);
        }
        return name;
    }

    private static Checksum checksum(JsonNode json) {
        return json.has("sha256")
                ? new Checksum(Checksum.Kind.SHA256, json.path("sha256").asText())
                : new Checksum(Checksum.Kind.GIT_BLOB, json.path("git_blob").asText());
    }

    private void save() throws IOException {
        var json = new JsonMapper().createObjectNode();
        json.put("repository", repository);
        var there = json.putObject("files");
        files.forEach(
                (name, fetched) ->
                        put(there.putObject(name), fetched.checksum())
                                .put("commit", fetched.commit())
                                .put("bytes", fetched.bytes())
                                .put("modified", fetched.modified()));
        var begun = json.putObject("parts");
        parts.forEach(
                (name, part) ->
                        put(begun.putObject(name), part.checksum()).put("etag", part.entityTag()));
        missing.forEach(json.withArray("missing")::add);
        Path staging = folder.resolve(FILE_NAME + ".new");
        Files.writeString(staging, json.toPrettyString());
        Files.move(
                staging,
                folder.resolve(FILE_NAME),
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
    }

    private static ObjectNode put(ObjectNode json, Checksum checksum) {
        return json.put(
                checksum.kind() == Checksum.Kind.SHA256 ? "sha256" : "git_blob", checksum.hex());
    }

    Path folder() {
        return folder;
    }

    /// `ORG/NAME`.
    public String repository() {
        return repository;
    }

    /// The commit that a file was pulled of; empty if it was not pulled.
    public Optional<String> commitOf(String file) {
        return Optional.ofNullable(files.get(file)).map(Fetched::commit);
    }

    /// Names of files that the model still lacks, because the pull did not come to its end.
    public Collection<String> missing() {
        return List.copyOf(missing);
    }

    Optional<Part> part(String name) {
        return Optional.ofNullable(parts.get(name));
    }

    /// Whether a file is there with the right bytes. Reads it only if it is not as it was left.
    boolean has(HubFile file, String commit) throws IOException {
        Path path = folder.resolve(file.name());
        if (!Files.isRegularFile(path) || Files.size(path) != file.bytes()) {
            return false;
        }
        var known = files.get(file.name());
        boolean untouched =
                known != null
                        && known.checksum().equals(file.checksum())
                        && known.modified() == modified(path);
        if (!untouched && !file.checksum().matches(path)) {
            return false;
        }
        files.put(file.name(), new Fetched(file.checksum(), commit, file.bytes(), modified(path)));
        return true;
    }

    private static long modified(Path path) throws IOException {
        return Files.getLastModifiedTime(path).toMillis();
    }

    /// The model lacks these files from now on.
    void lacks(Collection<HubFile> files) throws IOException {
        missing.clear();
        files.forEach(file -> missing.add(file.name()));
        save();
    }

    /// A part file of `file` is going to be written.
    void begins(HubFile file, String entityTag) throws IOException {
        var part = new Part(file.checksum(), entityTag);
        if (!part.equals(parts.put(file.name(), part))) {
            save();
        }
    }

    /// A file is complete.
    void fetched(HubFile file, String commit) throws IOException {
        parts.remove(file.name());
        missing.remove(file.name());
        long modified = modified(folder.resolve(file.name()));
        files.put(file.name(), new Fetched(file.checksum(), commit, file.bytes(), modified));
        save();
    }

    /// Removes files of an earlier commit that are in the way of `model`, which is all there is
    /// to be now. GGUF files are models of their own and stay.
    void removeOthers(Collection<HubFile> model) throws IOException {
        var keep = new TreeSet<String>();
        model.forEach(file -> keep.add(file.name()));
        for (String name : List.copyOf(files.keySet())) {
            if (!keep.contains(name) && !name.endsWith(".gguf")) {
                Files.deleteIfExists(folder.resolve(name));
                files.remove(name);
            }
        }
        for (String name : List.copyOf(parts.keySet())) {
            if (!keep.contains(name) && !name.endsWith(".gguf")) {
                Files.deleteIfExists(Download.partOf(folder.resolve(name)));
                parts.remove(name);
            }
        }
        save();
    }
}
