package dev.pollard.config;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollard.format.MalformedFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/// A JSON object read as a hostile one: every value is checked, every complaint names its key. A
/// key whose value is `null` counts as absent.
///
/// Where several names are given, all of them mean the same thing and the first that is there
/// counts.
final class Keys {
    /// No size in a model is larger: 16 million words, or a hidden width, or positions.
    private static final int LARGEST = 1 << 24;

    /// Says where a bad value stands.
    @FunctionalInterface
    interface Blame {
        MalformedFileException wrong(String key, String reason);
    }

    private final JsonNode object;
    private final String path;
    private final Blame blame;

    Keys(JsonNode object, Blame blame) {
        this(object, "", blame);
    }

    private Keys(JsonNode object, String path, Blame blame) {
        this.object = object;
        this.path = path;
        this.blame = blame;
    }

    boolean has(String name) {
        return object.hasNonNull(name);
    }

    /// Whether the key is written at all, if only with `null`.
    boolean mentions(String name) {
        return object.has(name);
    }

    MalformedFileException wrong(String name, String reason) {
        return blame.wrong(path + name, reason);
    }

    void require(boolean sound, String name, String reason) throws MalformedFileException {
        if (!sound) {
            throw wrong(name, reason);
        }
    }

    /// A whole number from 1 to 2²⁴.
    int size(String... names) throws MalformedFileException {
        OptionalInt size = optionalSize(names);
        if (size.isEmpty()) {
            throw wrong(names[0], "is missing");
        }
        return size.getAsInt();
    }

    int sizeOr(int fallback, String... names) throws MalformedFileException {
        return optionalSize(names).orElse(fallback);
    }

    OptionalInt optionalSize(String... names) throws MalformedFileException {
        OptionalInt value = integer(names);
        if (value.isPresent() && (value.getAsInt() < 1 || value.getAsInt() > LARGEST)) {
            throw wrong(
                    present(names), "must be 1 to %d, not %s".formatted(LARGEST, value.getAsInt()));
        }
        return value;
    }

    OptionalInt integer(String... names) throws MalformedFileException {
        String name = present(names);
        if (name == null) {
            return OptionalInt.empty();
        }
        JsonNode value = object.get(name);
        if (!value.isNumber()
                || !value.canConvertToInt()
                || value.doubleValue() != value.intValue()) {
            throw wrong(name, "must be a whole number, not " + brief(value));
        }
        return OptionalInt.of(value.intValue());
    }

    double positive(double fallback, String... names) throws MalformedFileException {
        return optionalPositive(names).orElse(fallback);
    }

    OptionalDouble optionalPositive(String... names) throws MalformedFileException {
        String name = present(names);
        if (name == null) {
            return OptionalDouble.empty();
        }
        JsonNode value = object.get(name);
        if (!value.isNumber()
                || !(value.doubleValue() > 0)
                || value.doubleValue() > Float.MAX_VALUE) {
            throw wrong(name, "must be a positive number, not " + brief(value));
        }
        return OptionalDouble.of(value.doubleValue());
    }

    boolean flag(boolean fallback, String name) throws MalformedFileException {
        if (!has(name)) {
            return fallback;
        }
        JsonNode value = object.get(name);
        require(value.isBoolean(), name, "must be true or false, not " + brief(value));
        return value.booleanValue();
    }

    Optional<String> text(String... names) throws MalformedFileException {
        String name = present(names);
        if (name == null) {
            return Optional.empty();
        }
        JsonNode value = object.get(name);
        require(value.isTextual(), name, "must be a string, not " + brief(value));
        return Optional.of(value.textValue());
    }

    Optional<Keys> object(String name) throws MalformedFileException {
        if (!has(name)) {
            return Optional.empty();
        }
        JsonNode value = object.get(name);
        require(value.isObject(), name, "must be an object, not " + brief(value));
        return Optional.of(new Keys(value, path + name + ".", blame));
    }

    /// The elements of an array of strings or numbers, as text.
    Optional<List<String>> list(String name) throws MalformedFileException {
        if (!has(name)) {
            return Optional.empty();
        }
        JsonNode value = object.get(name);
        require(value.isArray(), name, "must be an array, not " + brief(value));
        List<String> elements = new ArrayList<>();
        for (JsonNode element : value) {
            require(element.isValueNode(), name, "must hold plain values");
            elements.add(element.asText());
        }
        return Optional.of(elements);
    }

    private String present(String... names) {
        for (String name : names) {
            if (has(name)) {
                return name;
            }
        }
        return null;
    }

    private static String brief(JsonNode value) {
        String text = value.toString();
        return text.length() <= 40 ? text : text.substring(0, 40) + "…";
    }
}
