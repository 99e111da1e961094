package dev.pollard.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.data.TokenWindows;
import dev.pollard.model.Compute;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalDouble;

/// Perplexities of dense models, kept between runs: a folder of small JSON files.
///
/// A cache is a convenience: what goes wrong with it is a note for the report, never a failure.
public final class PerplexityCache {
    private static final int SCHEMA = 2;
    private static final long LONGEST_FILE = 1 << 22;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;

    /// @param folder made when the first result is stored
    public PerplexityCache(Path folder) {
        this.folder = folder;
    }

    /// All that a perplexity depends on.
    ///
    /// @param weights SHA-256 of the model's weights and configuration, hexadecimal
    /// @param ids [dev.pollard.data.TokenWindows#sha256]: of the windows evaluated
    /// @param length ids per window
    /// @param stride ids from the start of a window to that of the next
    /// @param windows evaluated, after any limit
    /// @param available windows without it
    public record Key(
            String weights,
            String ids,
            int length,
            int stride,
            int windows,
            long available,
            Compute compute) {
        /// The key of `weights` measured on `windows`.
        public static Key of(String weights, TokenWindows windows, Compute compute) {
            return new Key(
                    weights,
                    windows.sha256(),
                    windows.length(),
                    windows.stride(),
                    windows.count(),
                    windows.available(),
                    compute);
        }

        private String fileName() {
            try {
                byte[] text = toString().getBytes(StandardCharsets.UTF_8);
                byte[] hash = MessageDigest.getInstance("SHA-256").digest(text);
                return "perplexity-" + HexFormat.of().formatHex(hash, 0, 16) + ".json";
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every Java platform has SHA-256", e);
            }
        }
    }

    /// What a look into the cache found.
    ///
    /// @param result empty if there is none, or none that can be read
    /// @param note why what lies there was not used
    public record Found(Optional<PerplexityResult> result, Optional<String> note) {}

    /// Looks up `key`. A file that cannot be read, or that belongs to another key, is left aside
    /// with a note.
    public Found find(Key key) {
        Path file = folder.resolve(key.fileName());
        try {
            if (Files.size(file) > LONGEST_FILE) {
                return unusable(file, "too long");
            }
            JsonNode root = JSON.readTree(Files.readAllBytes(file));
            if (!root.path("key").asText().equals(key.toString())
                    || root.path("schema").asInt() != SCHEMA) {
                return unusable(file, "made for something else");
            }
            return read(root)
                    .filter(result -> fits(result, key))
                    .map(result -> new Found(Optional.of(result), Optional.empty()))
                    .orElseGet(() -> unusable(file, "incomplete"));
        } catch (NoSuchFileException _) {
            return new Found(Optional.empty(), Optional.empty());
        } catch (IOException e) {
            return unusable(file, String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
        }
    }

    /// Stores a result: written aside and moved into place, so that a reader sees all or nothing.
    ///
    /// @return why it could not be stored
    public Optional<String> store(Key key, PerplexityResult result) {
        var root = JSON.createObjectNode();
        root.put("schema", SCHEMA);
        root.put("key", key.toString());
        root.put("perplexity", result.perplexity());
        root.put("mean_loss", result.meanLoss());
        result.standardError().ifPresent(error -> root.put("standard_error", error));
        root.put("windows", result.windows());
        root.put("windows_available", result.windowsAvailable());
        root.put("tokens", result.tokens());
        root.put("predicted", result.predicted());
        root.put("length", result.length());
        root.put("sha256", result.sha256());
        root.put("seconds", result.seconds());
        var losses = root.putArray("losses");
        result.losses().forEach(losses::add);
        try {
            Files.createDirectories(folder);
            Path aside = Files.createTempFile(folder, "perplexity", ".tmp");
            try {
                Files.write(aside, JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(root));
                Files.move(
                        aside,
                        folder.resolve(key.fileName()),
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(aside);
            }
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of("the dense perplexity was not cached: " + e);
        }
    }

    private static Optional<PerplexityResult> read(JsonNode root) {
        boolean complete =
                root.path("perplexity").isNumber()
                        && root.path("mean_loss").isNumber()
                        && root.path("windows").canConvertToInt()
                        && root.path("windows_available").canConvertToLong()
                        && root.path("tokens").canConvertToLong()
                        && root.path("predicted").canConvertToLong()
                        && root.path("length").canConvertToInt()
                        && root.path("sha256").isTextual()
                        && root.path("seconds").isNumber()
                        && root.path("losses").isArray();
        if (!complete) {
            return Optional.empty();
        }
        var losses = new ArrayList<Double>();
        root.path("losses").forEach(loss -> losses.add(loss.doubleValue()));
        JsonNode error = root.path("standard_error");
        return Optional.of(
                new PerplexityResult(
                        root.path("perplexity").doubleValue(),
                        root.path("mean_loss").doubleValue(),
                        error.isNumber()
                                ? OptionalDouble.of(error.doubleValue())
                                : OptionalDouble.empty(),
                        root.path("windows").intValue(),
                        root.path("windows_available").longValue(),
                        root.path("tokens").longValue(),
                        root.path("predicted").longValue(),
                        root.path("length").intValue(),
                        root.path("sha256").textValue(),
                        root.path("seconds").doubleValue(),
                        losses));
    }

    private static boolean fits(PerplexityResult result, Key key) {
        return Math.abs(Math.log(result.perplexity()) - result.meanLoss()) < 1e-9
                && result.windows() == key.windows()
                && result.losses().size() == key.windows()
                && result.length() == key.length()
                && result.sha256().equals(key.ids());
    }

    private static Found unusable(Path file, String reason) {
        return new Found(
                Optional.empty(),
                Optional.of("%s was ignored: %s".formatted(file.getFileName(), reason)));
    }
}
