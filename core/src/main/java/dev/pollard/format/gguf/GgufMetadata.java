package dev.pollard.format.gguf;

import dev.pollard.format.MalformedFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SequencedMap;

/// The key–value part of a GGUF file, in file order.
///
/// A getter is empty when the key is absent; when the value has another type it throws with the key
/// and the byte offset of the entry. What a reader needs but does not find is [#missing].
public final class GgufMetadata {
    /// One value with its type in the file and the byte offset of its key.
    record Entry(GgufValueType type, Object value, long offset) {}

    private final Path file;
    private final long offset;
    private final SequencedMap<String, Entry> entries;

    GgufMetadata(Path file, long offset, SequencedMap<String, Entry> entries) {
        this.file = file;
        this.offset = offset;
        this.entries = entries;
    }

    /// All values: integers as `Long` (`BigInteger` beyond 63 bits), `Float`, `Double`, `Boolean`,
    /// `String`, and unmodifiable lists of these.
    public SequencedMap<String, Object> values() {
        var values = new LinkedHashMap<String, Object>();
        entries.forEach((key, entry) -> values.put(key, entry.value));
        return Collections.unmodifiableSequencedMap(values);
    }

    public boolean contains(String key) {
        return entries.containsKey(key);
    }

    public Optional<String> string(String key) throws MalformedFileException {
        return value(key, String.class, "a string");
    }

    public Optional<Boolean> bool(String key) throws MalformedFileException {
        return value(key, Boolean.class, "a bool");
    }

    /// Any integer type that fits in 63 bits and a sign.
    public OptionalLong integer(String key) throws MalformedFileException {
        Optional<Long> value = value(key, Long.class, "an integer");
        return value.isPresent() ? OptionalLong.of(value.get()) : OptionalLong.empty();
    }

    /// A floating-point number, or an integer where a writer dropped the fraction.
    public OptionalDouble number(String key) throws MalformedFileException {
        Optional<Number> value = value(key, Number.class, "a number");
        return value.isPresent()
                ? OptionalDouble.of(value.get().doubleValue())
                : OptionalDouble.empty();
    }

    public Optional<List<String>> strings(String key) throws MalformedFileException {
        return list(key, String.class, "an array of strings");
    }

    public Optional<List<Long>> integers(String key) throws MalformedFileException {
        return list(key, Long.class, "an array of integers");
    }

    public Optional<List<Float>> floats(String key) throws MalformedFileException {
        return list(key, Float.class, "an array of float32");
    }

    private <T> Optional<T> value(String key, Class<T> type, String expected)
            throws MalformedFileException {
        Entry entry = entries.get(key);
        if (entry == null) {
            return Optional.empty();
        }
        if (!type.isInstance(entry.value)) {
            throw malformed(key, "must be %s, not %s".formatted(expected, entry.type));
        }
        return Optional.of(type.cast(entry.value));
    }

    private <T> Optional<List<T>> list(String key, Class<T> type, String expected)
            throws MalformedFileException {
        Entry entry = entries.get(key);
        if (entry == null) {
            return Optional.empty();
        }
        if (!(entry.value instanceof List<?> elements)) {
            throw malformed(key, "must be %s, not %s".formatted(expected, entry.type));
        }
        if (!elements.stream().allMatch(type::isInstance)) {
            throw malformed(key, "must be %s".formatted(expected));
        }
        return Optional.of(elements.stream().map(type::cast).toList());
    }

    /// The exception for a key that a reader cannot do without.
    public MalformedFileException missing(String key) {
        return new MalformedFileException(file, offset, "%s is missing".formatted(key));
    }

    /// The exception for a value that makes no sense: names the key and points at its entry.
    public MalformedFileException malformed(String key, String reason) {
        Entry entry = entries.get(key);
        return new MalformedFileException(
                file, entry == null ? offset : entry.offset, key + " " + reason);
    }
}
