package dev.pollard.cli;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Nearest;
import dev.pollard.train.AdamW;
import dev.pollard.train.Schedule;
import dev.pollard.train.TextSource;
import dev.pollard.train.TrainingRecipe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/// The YAML file of `pollard train`: what [TrainingRecipe] holds, with defaults.
final class TrainingFile {
    private static final long LONGEST = 1 << 20;
    private static final int DEFAULT_VOCABULARY = 4096;
    private static final double DEFAULT_DECAY_SHARE = 0.2;

    private static final YAMLMapper YAML =
            YAMLMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                    .build();

    private TrainingFile() {}

    /// As written; null where nothing is.
    private record Content(
            ObjectNode model,
            TokenizerContent tokenizer,
            List<SourceContent> data,
            Integer context,
            Integer batch,
            Integer together,
            Long steps,
            String schedule,
            Double learningRate,
            Double finalRate,
            Long warmUp,
            Long decay,
            Double weightDecay,
            List<Double> betas,
            Double clip,
            Long seed,
            Integer evaluateEvery,
            Integer evaluateWindows,
            Double checkpointMinutes) {}

    private record TokenizerContent(Integer vocabulary, String folder) {}

    private record SourceContent(
            String file,
            String text,
            String separator,
            Double weight,
            Integer heldOut,
            List<String> skip) {}

    /// Reads the recipe of a training.
    ///
    /// @throws MalformedFileException if it is not YAML, or has a key that means nothing here
    /// @throws IllegalArgumentException if something is missing or makes no sense
    static TrainingRecipe read(Path file) throws IOException {
        if (Files.size(file) > LONGEST) {
            throw new MalformedFileException(file, LONGEST, "too long for a recipe");
        }
        Content content;
        try {
            content = YAML.readValue(Files.readString(file), Content.class);
        } catch (UnrecognizedPropertyException e) {
            var known = e.getKnownPropertyIds().stream().map(Object::toString).toList();
            throw new MalformedFileException(
                    file, offset(e), Nearest.unknown("key", e.getPropertyName(), known), e);
        } catch (MismatchedInputException e) {
            throw new MalformedFileException(
                    file, offset(e), "%s should be %s".formatted(key(e), wanted(e)), e);
        } catch (JacksonException e) {
            throw new MalformedFileException(
                    file, offset(e), "not YAML: " + e.getOriginalMessage(), e);
        }
        return recipe(file, content);
    }

    /// `data[1].weight`
    private static String key(JsonMappingException e) {
        var key = new StringBuilder();
        for (var part : e.getPath()) {
            if (part.getFieldName() == null) {
                key.append('[').append(part.getIndex()).append(']');
            } else {
                key.append(key.isEmpty() ? "" : ".").append(part.getFieldName());
            }
        }
        return key.isEmpty() ? "the recipe" : key.toString();
    }

    private static String wanted(MismatchedInputException e) {
        Class<?> type = e.getTargetType();
        if (type == Integer.class
                || type == Long.class
                || type == int.class
                || type == long.class) {
            return "a whole number";
        }
        if (type == Double.class || type == double.class) {
            return "a number";
        }
        if (type == String.class) {
            return "a text";
        }
        return type != null && List.class.isAssignableFrom(type)
                ? "a list"
                : "a mapping of keys to values";
    }

    private static long offset(JacksonException e) {
        return e.getLocation() == null ? 0 : Math.max(0, e.getLocation().getCharOffset());
    }

    private static TrainingRecipe recipe(Path file, Content c) {
        if (c == null) {
            throw new IllegalArgumentException(file + " is empty");
        }
        ObjectNode model = needed(file, "model", c.model);
        int context = needed(file, "context", c.context);
        if (!model.has("max_position_embeddings")) {
            model.put("max_position_embeddings", context);
        }
        long steps = needed(file, "steps", c.steps);
        int batch = or(c.batch, 16);
        var betas = or(c.betas, Arrays.asList(0.9, 0.95));
        if (betas.size() != 2 || betas.contains(null)) {
            throw new IllegalArgumentException("betas are two numbers, not " + betas);
        }
        var tokenizer = or(c.tokenizer, new TokenizerContent(null, null));
        return new TrainingRecipe(
                model,
                or(tokenizer.vocabulary, DEFAULT_VOCABULARY),
                Optional.ofNullable(tokenizer.folder).map(Path::of),
                needed(file, "data", c.data).stream()
                        .map(source -> source(file, needed(file, "data.file", source)))
                        .toList(),
                context,
                batch,
                or(c.together, batch % 2 == 0 ? 2 : 1),
                new Schedule(
                        shape(or(c.schedule, "cosine")),
                        or(c.learningRate, 1e-3),
                        or(c.warmUp, Math.min(steps / 10, 100)),
                        steps,
                        or(c.decay, Math.round(steps * DEFAULT_DECAY_SHARE)),
                        or(c.finalRate, 0.1)),
                new AdamW.Setting(betas.get(0), betas.get(1), 1e-8, or(c.weightDecay, 0.1)),
                or(c.clip, 1.0),
                or(c.seed, 0L),
                or(c.evaluateEvery, 0),
                or(c.evaluateWindows, 16),
                (int) Math.round(60 * or(c.checkpointMinutes, 5.0)));
    }

    private static TextSource source(Path file, SourceContent source) {
        return new TextSource(
                Path.of(needed(file, "data.file", source.file)),
                or(source.text, "{text}"),
                pattern(file, or(source.separator, "\\z")),
                or(source.weight, 1.0),
                or(source.heldOut, 0),
                or(source.skip, List.<String>of()).stream()
                        .map(range -> TextSource.Range.parse(needed(file, "data.skip", range)))
                        .toList());
    }

    private static Pattern pattern(Path file, String regex) {
        try {
            return Pattern.compile(regex);
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException(
                    "%s: separator '%s' is not a regular expression: %s"
                            .formatted(file, regex, e.getDescription()),
                    e);
        }
    }

    private static Schedule.Shape shape(String name) {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "cosine" -> Schedule.Shape.COSINE;
            case "linear" -> Schedule.Shape.LINEAR;
            case "wsd" -> Schedule.Shape.WSD;
            default ->
                    throw new IllegalArgumentException(
                            Nearest.unknown("schedule", name, List.of("cosine", "linear", "wsd")));
        };
    }

    private static <T> T needed(Path file, String key, T value) {
        if (value == null) {
            throw new IllegalArgumentException("%s: '%s' is missing".formatted(file, key));
        }
        return value;
    }

    private static <T> T or(T value, T fallback) {
        return value == null ? fallback : value;
    }
}
