package dev.pollard.eval;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/// A task as its JSON file describes it; `docs/evaluation.md` explains the keys.
///
/// @param version raised when requests or metrics change
/// @param summary one line for lists
/// @param origin where the data is published
/// @param files names under which the data is looked for, the first that is there
/// @param labels file with one label a line, for data that has none: becomes the field `label`
/// @param only file of JSON whose keys are those of the records to use
/// @param columns of a CSV file without a line of titles
/// @param heading where a plain text is cut: at the lines in which this pattern is found
/// @param examples files with solved questions to put in front
/// @param description text in front of everything
/// @param rewrites steps for templates that this task alone needs
/// @param forms the shapes that records may have; the first that fits counts
record TaskDefinition(
        String name,
        Integer version,
        String summary,
        String origin,
        List<String> metrics,
        List<String> files,
        String labels,
        String only,
        List<String> columns,
        String heading,
        List<String> examples,
        String description,
        Map<String, List<Rewrite>> rewrites,
        List<Form> forms,
        List<String> variants) {
    private static final ObjectMapper JSON =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    TaskDefinition {
        Objects.requireNonNull(name, "a task needs a 'name'");
        Objects.requireNonNull(version, "a task needs a 'version'");
        Objects.requireNonNull(metrics, "a task needs 'metrics'");
        Objects.requireNonNull(forms, "a task needs 'forms'");
        summary = Objects.requireNonNullElse(summary, "");
        origin = Objects.requireNonNullElse(origin, "");
        files = Objects.requireNonNullElse(files, List.of());
        columns = Objects.requireNonNullElse(columns, List.of());
        examples = Objects.requireNonNullElse(examples, List.of());
        description = Objects.requireNonNullElse(description, "");
        rewrites = Objects.requireNonNullElse(rewrites, Map.of());
        variants = Objects.requireNonNullElse(variants, List.of());
    }

    /// One replacement: of a literal text, or of what a pattern finds.
    ///
    /// @param by replaces it; `$1` is the first group of a pattern
    record Rewrite(String text, String pattern, String by) {
        UnaryOperator<String> step() {
            if ((text == null) == (pattern == null) || by == null) {
                throw new IllegalArgumentException(
                        "a rewrite has a 'text' or a 'pattern', and a 'by'");
            }
            if (text != null) {
                return s -> s.replace(text, by);
            }
            // As other languages read patterns: \s is all white space, only \n ends a line.
            var compiled =
                    Pattern.compile(pattern, Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNIX_LINES);
            return s -> compiled.matcher(s).replaceAll(by);
        }
    }

    /// How a record becomes requests. There are five kinds: `context` and `choices`; `contexts` and
    /// `continuation`; `context` and `continuation` alone; `text`; `context` and `reference`.
    ///
    /// @param let fields made of others, for the templates after them
    /// @param choices list of templates, or a template that gives a list
    /// @param contexts the same, one per choice
    /// @param gold the right choice: a number, or a text that is looked up in `among`
    /// @param among list of templates, or a template that gives a list
    /// @param from what the number of the first choice is
    /// @param text scored as a whole
    /// @param counted text whose words and bytes count
    /// @param reference what a text that is to be written is held against
    /// @param until strings at which that text ends
    /// @param most tokens of it
    /// @param stemmed whether its words are compared by their stems
    record Form(
            Map<String, String> let,
            String context,
            JsonNode choices,
            JsonNode contexts,
            String continuation,
            String gold,
            JsonNode among,
            int from,
            String text,
            String counted,
            String reference,
            List<String> until,
            Integer most,
            Boolean stemmed) {
        private static final int MOST = 64;

        Form {
            let = Objects.requireNonNullElse(let, Map.of());
            until = Objects.requireNonNullElse(until, List.of("\n"));
            most = Objects.requireNonNullElse(most, MOST);
            stemmed = Objects.requireNonNullElse(stemmed, true);
            if (most < 1) {
                throw new IllegalArgumentException("'most' tokens to be written: " + most);
            }
        }
    }

    /// The steps of [#rewrites].
    Map<String, UnaryOperator<String>> steps() {
        var steps = new LinkedHashMap<String, UnaryOperator<String>>();
        rewrites.forEach(
                (name, list) -> {
                    var each = list.stream().map(Rewrite::step).toList();
                    steps.put(
                            name,
                            text -> {
                                String rewritten = text;
                                for (var step : each) {
                                    rewritten = step.apply(rewritten);
                                }
                                return rewritten;
                            });
                });
        return steps;
    }

    /// Reads a definition, or one for each of its `variants`: there `$variant` stands for the
    /// variant and `$words` for the same with blanks.
    ///
    /// @throws IllegalArgumentException if it is not such a definition
    static List<TaskDefinition> parse(String json) {
        var definition = one(json);
        return definition.variants().isEmpty()
                ? List.of(definition)
                : definition.variants().stream()
                        .map(
                                variant ->
                                        one(
                                                json.replace("$variant", variant)
                                                        .replace(
                                                                "$words",
                                                                variant.replace('_', ' '))))
                        .toList();
    }

    private static TaskDefinition one(String json) {
        try {
            return JSON.readValue(json, TaskDefinition.class);
        } catch (JacksonException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new IllegalArgumentException(
                    "no definition of a task: "
                            + (cause instanceof JacksonException parsing
                                    ? parsing.getOriginalMessage()
                                    : cause.getMessage()),
                    e);
        }
    }
}
