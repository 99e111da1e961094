package dev.pollard.format.safetensors;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;

/// What a safetensors header says, checked: the tensors cover the data without hole or overlap.
///
/// @param metadata the file's `__metadata__`, empty if it has none
/// @param entries the tensors in the order of their bytes
record SafetensorsHeader(SequencedMap<String, String> metadata, List<Entry> entries) {
    static final String METADATA = "__metadata__";

    /// @param position offset of the name in the file
    /// @param begin first byte, counted from the start of the data
    /// @param end byte after the last
    record Entry(long position, String name, DType dtype, Shape shape, long begin, long end) {}

    /// @param file named in messages
    /// @param base offset of `text` in the file
    /// @param text the header alone
    /// @param dataLength bytes that follow the header
    static SafetensorsHeader parse(Path file, long base, byte[] text, long dataLength)
            throws IOException {
        if (text.length == 0 || text[0] != '{') {
            throw new MalformedFileException(file, base, "header does not start with '{'");
        }
        SequencedMap<String, String> metadata = new LinkedHashMap<>();
        List<Entry> entries = new ArrayList<>();
        try (StrictJson json = new StrictJson(file, base, text)) {
            Set<String> names = new HashSet<>();
            json.enterObject("header");
            while (json.nextName()) {
                String name = json.name();
                if (!names.add(name)) {
                    throw json.malformed("'" + name + "' occurs twice");
                }
                if (name.equals(METADATA)) {
                    readMetadata(json, metadata);
                } else {
                    entries.add(readEntry(json, name));
                }
            }
            json.end();
        }
        entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        checkCover(file, base + text.length, entries, dataLength);
        return new SafetensorsHeader(
                Collections.unmodifiableSequencedMap(metadata), List.copyOf(entries));
    }

    private static void readMetadata(StrictJson json, SequencedMap<String, String> metadata)
            throws IOException {
        json.enterObject(METADATA);
        while (json.nextName()) {
            String key = json.name();
            if (metadata.containsKey(key)) {
                throw json.malformed("'" + key + "' occurs twice in " + METADATA);
            }
            metadata.put(key, json.string(METADATA + " value of '" + key + "'"));
        }
    }

    private static Entry readEntry(StrictJson json, String name) throws IOException {
        long position = json.position();
        String quoted = "tensor '" + name + "'";
        DType dtype = null;
        Shape shape = null;
        List<Long> offsets = null;
        json.enterObject(quoted);
        while (json.nextName()) {
            String field = json.name();
            boolean twice =
                    switch (field) {
                        case "dtype" -> dtype != null;
                        case "shape" -> shape != null;
                        case "data_offsets" -> offsets != null;
                        default -> false;
                    };
            if (twice) {
                throw json.malformed(quoted + ": '" + field + "' occurs twice");
            }
            String what = quoted + ": " + field;
            switch (field) {
                case "dtype" -> {
                    String word = json.string(what);
                    dtype = DType.named(word).orElse(null);
                    if (dtype == null) {
                        throw json.malformed(quoted + ": unknown dtype '" + word + "'");
                    }
                }
                case "shape" -> {
                    List<Long> sizes = readIntegers(json, what, Integer.MAX_VALUE);
                    try {
                        shape = new Shape(sizes);
                    } catch (IllegalArgumentException e) {
                        throw json.malformed(position, quoted + ": " + e.getMessage());
                    }
                }
                case "data_offsets" -> offsets = readIntegers(json, what, 2);
                default -> json.skipValue();
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw json.malformed(position, quoted + " has no " + missing);
        }
        if (offsets.size() != 2) {
            throw json.malformed(position, quoted + ": data_offsets are not two numbers");
        }
        long begin = offsets.get(0);
        long end = offsets.get(1);
        if (begin > end) {
            throw json.malformed(
                    position, "%s begins at %d, after its end %d".formatted(quoted, begin, end));
        }
        long bytes;
        try {
            bytes = dtype.bytes(shape.elements());
        } catch (IllegalArgumentException e) {
            throw json.malformed(position, quoted + ": " + e.getMessage());
        }
        if (end - begin != bytes) {
            throw json.malformed(
                    position,
                    "%s: %s %s is %d bytes, but its offsets give %d"
                            .formatted(quoted, dtype, shape, bytes, end - begin));
        }
        return new Entry(position, name, dtype, shape, begin, end);
    }

    private static List<Long> readIntegers(StrictJson json, String what, int limit)
            throws IOException {
        List<Long> numbers = new ArrayList<>();
        json.enterArray(what);
        while (json.nextInteger(what)) {
            if (numbers.size() == limit) {
                throw json.malformed(what + " has more than " + limit + " numbers");
            }
            numbers.add(json.integer(what));
        }
        return numbers;
    }

    private static void checkCover(Path file, long dataStart, List<Entry> entries, long dataLength)
            throws MalformedFileException {
        long covered = 0;
        for (Entry entry : entries) {
            if (entry.end() > dataLength) {
                throw new MalformedFileException(
                        file,
                        entry.position(),
                        "tensor '%s' ends at byte %d of %d bytes of data"
                                .formatted(entry.name(), entry.end(), dataLength));
            }
            if (entry.begin() > covered) {
                throw new MalformedFileException(
                        file,
                        dataStart + covered,
                        "%d bytes before tensor '%s' belong to no tensor"
                                .formatted(entry.begin() - covered, entry.name()));
            }
            if (entry.begin() < covered) {
                throw new MalformedFileException(
                        file,
                        entry.position(),
                        "tensor '%s' overlaps the one before it".formatted(entry.name()));
            }
            covered = entry.end();
        }
        if (covered != dataLength) {
            throw new MalformedFileException(
                    file,
                    dataStart + covered,
                    "the last %d bytes belong to no tensor".formatted(dataLength - covered));
        }
    }
}
