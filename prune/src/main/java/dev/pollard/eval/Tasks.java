package dev.pollard.eval;

import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Nearest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The catalogue of tasks, and a user's own.
public final class Tasks {
    private static final String CHOICE = "choice:";
    private static final String DEFINED = "task:";
    private static final long LONGEST = 1 << 20;

    /// Definitions that lie beside this class.
    private static final List<String> RESOURCES =
            List.of(
                    "piqa",
                    "hellaswag",
                    "arc_easy",
                    "arc_challenge",
                    "winogrande",
                    "boolq",
                    "rte",
                    "openbookqa",
                    "copa",
                    "lambada_openai",
                    "pubmedqa",
                    "wikitext",
                    "mmlu",
                    "lsat",
                    "hqs",
                    "meqsum",
                    "plain_english_contracts");

    private static final class Catalogue {
        static final Map<String, Task> TASKS = new LinkedHashMap<>();

        static {
            for (String name : RESOURCES) {
                for (var definition : TaskDefinition.parse(resource(name))) {
                    TASKS.put(definition.name(), new Task(definition));
                }
            }
        }
    }

    private Tasks() {}

    /// All that Pollard brings.
    public static List<Task> all() {
        return List.copyOf(Catalogue.TASKS.values());
    }

    /// The task of this name; `choice:FILE` is a file of a user's own questions with the fields
    /// `question`, `choices` and `answer`; `task:FILE.json` a definition of a user's own.
    ///
    /// @throws IllegalArgumentException if there is no such task
    /// @throws NoSuchFileException if a file is missing
    /// @throws MalformedFileException if a definition is not sound
    public static Task named(String name) throws IOException {
        if (name.startsWith(CHOICE)) {
            Path file = existing(name.substring(CHOICE.length()));
            var definition = TaskDefinition.parse(resource("choice")).getFirst();
            return new Task(definition, name, file);
        }
        if (name.startsWith(DEFINED)) {
            return defined(existing(name.substring(DEFINED.length())));
        }
        Task task = Catalogue.TASKS.get(name);
        if (task == null) {
            var known =
                    Catalogue.TASKS.keySet().stream()
                            .filter(n -> !n.startsWith("mmlu_") || name.startsWith("mmlu_"))
                            .toList();
            throw new IllegalArgumentException(
                    Nearest.unknown("task", name, known)
                            + ", mmlu_SUBJECT, perplexity:FILE, choice:FILE.jsonl, task:FILE.json");
        }
        return task;
    }

    private static Task defined(Path file) throws IOException {
        if (Files.size(file) > LONGEST) {
            throw new MalformedFileException(file, LONGEST, "too long for a definition of a task");
        }
        try {
            return new Task(TaskDefinition.parse(Files.readString(file)).getFirst());
        } catch (IllegalArgumentException e) {
            throw new MalformedFileException(file, 0, String.valueOf(e.getMessage()), e);
        }
    }

    private static Path existing(String name) throws NoSuchFileException {
        try {
            Path file = Path.of(name);
            if (!Files.isReadable(file)) {
                throw new NoSuchFileException(name);
            }
            return file;
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("not a file name: " + name, e);
        }
    }

    private static String resource(String name) {
        try (var stream = Tasks.class.getResourceAsStream("tasks/" + name + ".json")) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
