package dev.pollard.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.data.TokenWindows;
import dev.pollard.format.Sha256;
import dev.pollard.model.Compute;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;

/// What was measured of models, kept between runs: a folder of small JSON files.
///
/// A cache is a convenience: what goes wrong with it is a note for the report, never a failure.
public final class ResultCache {
    private static final int SCHEMA = 3;
    private static final int NAME_DIGITS = 32;
    private static final long LONGEST_FILE = 1 << 26;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path folder;
    private final String version;

    /// @param folder made when the first result is stored
    /// @param version of Pollard, which measures: what another has measured is not found
    public ResultCache(Path folder, String version) {
        this.folder = folder;
        this.version = version;
    }

    /// All that a result depends on, but for the version.
    private sealed interface Key {
        /// What begins the names of the files of this kind.
        String kind();
    }

    private String text(Key key) {
        return "%s, %s".formatted(version, key);
    }

    private Path file(Key key) {
        String hash = Sha256.of(text(key)).substring(0, NAME_DIGITS);
        return folder.resolve("%s-%s.json".formatted(key.kind(), hash));
    }

    /// What a perplexity depends on.
    ///
    /// @param weights SHA-256 of the model's weights and configuration, hexadecimal
    /// @param ids [TokenWindows#sha256]: of the windows evaluated
    /// @param length ids per window
    /// @param stride ids from the start of a window to that of the next
    /// @param windows evaluated, after any limit
    /// @param available windows without it
    public record Text(
            String weights,
            String ids,
            int length,
            int stride,
            int windows,
            long available,
            Compute compute)
            implements Key {
        /// The key of `weights` measured on `windows`.
        public static Text of(String weights, TokenWindows windows, Compute compute) {
            return new Text(
                    weights,
                    windows.sha256(),
                    windows.length(),
                    windows.stride(),
                    windows.count(),
                    windows.available(),
                    compute);
        }

        @Override
        public String kind() {
            return "perplexity";
        }
    }

    /// What answers to questions depend on.
    ///
    /// @param weights SHA-256 of the model's weights and configuration, hexadecimal
    /// @param tokenizer SHA-256 of its `tokenizer.json`, hexadecimal
    /// @param task its name and version
    /// @param questions [Questions#sha256]: of what was asked, examples and all
    /// @param decoding of texts to be written
    public record Asked(
            String weights,
            String tokenizer,
            String task,
            String questions,
            Decoding decoding,
            Compute compute)
            implements Key {
        /// The key of `weights` asked `questions`.
        public static Asked of(
                String weights,
                Tokenizer tokenizer,
                Questions questions,
                Decoding decoding,
                Compute compute) {
            var task = questions.task();
            return new Asked(
                    weights,
                    Sha256.of(tokenizer.toJson()),
                    "%s %s".formatted(task.name(), task.version()),
                    questions.sha256(),
                    decoding,
                    compute);
        }

        @Override
        public String kind() {
            return "answers";
        }
    }

    /// What a look into the cache found.
    ///
    /// @param result empty if there is none, or none that can be read
    /// @param note why what lies there was not used
    public record Found<R>(Optional<R> result, Optional<String> note) {}

    /// Looks up a perplexity. A file that cannot be read, or that belongs to another key, is left
    /// aside with a note.
    public Found<PerplexityResult> find(Text key) {
        return find(key, root -> perplexity(root).filter(result -> fits(result, key)));
    }

    /// Looks up the answers to `questions`, in the same way.
    public Found<Answers> find(Asked key, Questions questions) {
        return find(key, root -> answers(root, questions));
    }

    private <R> Found<R> find(Key key, Function<JsonNode, Optional<R>> read) {
        Path file = file(key);
        try {
            if (Files.size(file) > LONGEST_FILE) {
                return unusable(file, "too long");
            }
            JsonNode root = JSON.readTree(Files.readAllBytes(file));
            if (!root.path("key").asText().equals(text(key))
                    || root.path("schema").asInt() != SCHEMA) {
                return unusable(file, "made for something else");
            }
            var result = read.apply(root);
            return result.isPresent()
                    ? new Found<>(result, Optional.empty())
                    : unusable(file, "incomplete");
        } catch (NoSuchFileException _) {
            return new Found<>(Optional.empty(), Optional.empty());
        } catch (IOException e) {
            return unusable(file, String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
        }
    }

    /// Stores a perplexity: written aside and moved into place, so that a reader sees all or
    /// nothing.
    ///
    /// @return why it could not be stored
    public Optional<String> store(Text key, PerplexityResult result) {
        var root = JSON.createObjectNode();
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
        return store(key, root);
    }

    /// Stores answers, in the same way.
    ///
    /// @return why they could not be stored
    public Optional<String> store(Asked key, Answers answers) {
        var root = JSON.createObjectNode();
        root.put("seconds", answers.seconds());
        var scored = root.putArray("scored");
        for (var item : answers.scored()) {
            var requests = scored.addArray();
            for (var answer : item) {
                requests.addArray()
                        .add(answer.logLikelihood())
                        .add(answer.greedy())
                        .add(answer.tokens());
            }
        }
        var texts = root.putArray("texts");
        answers.texts().forEach(texts::add);
        return store(key, root);
    }

    private Optional<String> store(Key key, ObjectNode root) {
        root.put("schema", SCHEMA);
        root.put("key", text(key));
        try {
            Files.createDirectories(folder);
            Path aside = Files.createTempFile(folder, key.kind(), ".tmp");
            try {
                Files.write(aside, JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(root));
                Files.move(
                        aside,
                        file(key),
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(aside);
            }
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of("a result was not cached: " + e);
        }
    }

    private static Optional<PerplexityResult> perplexity(JsonNode root) {
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

    private static boolean fits(PerplexityResult result, Text key) {
        return Math.abs(Math.log(result.perplexity()) - result.meanLoss()) < 1e-9
                && result.windows() == key.windows()
                && result.losses().size() == key.windows()
                && result.length() == key.length()
                && result.sha256().equals(key.ids());
    }

    private static Optional<Answers> answers(JsonNode root, Questions questions) {
        if (!root.path("seconds").isNumber()) {
            return Optional.empty();
        }
        double seconds = root.path("seconds").doubleValue();
        if (questions.areWritten()) {
            var texts = new ArrayList<String>();
            root.path("texts").forEach(text -> texts.add(text.asText()));
            return texts.size() == questions.items().size()
                    ? Optional.of(Answers.written(questions, texts, seconds))
                    : Optional.empty();
        }
        var scored = new ArrayList<Scored>();
        for (var item : root.path("scored")) {
            for (var answer : item) {
                if (answer.size() != 3
                        || !answer.path(0).isNumber()
                        || !answer.path(1).isBoolean()
                        || !answer.path(2).canConvertToInt()) {
                    return Optional.empty();
                }
                scored.add(
                        new Scored(
                                answer.path(0).doubleValue(),
                                answer.path(1).booleanValue(),
                                answer.path(2).intValue()));
            }
        }
        return scored.size() == questions.requests()
                ? Optional.of(Answers.scored(questions, scored, seconds))
                : Optional.empty();
    }

    private static <R> Found<R> unusable(Path file, String reason) {
        return new Found<>(
                Optional.empty(),
                Optional.of("%s was ignored: %s".formatted(file.getFileName(), reason)));
    }
}
