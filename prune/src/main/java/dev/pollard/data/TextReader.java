package dev.pollard.data;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Nearest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Streams the texts of one source, in file order.
final class TextReader {
    /// Takes one text after the other.
    @FunctionalInterface
    interface Sink {
        /// @return whether more texts are wanted
        boolean accept(String text);
    }

    /// Longest line, and longest text, in characters: what a file without line ends would
    /// otherwise fill the memory with.
    private static final int LONGEST = 1 << 28;

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ObjectMapper ONE_VALUE =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();
    private static final CsvMapper CSV = new CsvMapper();

    private final Path file;
    private final Optional<String> wanted;
    private final Optional<Template> template; // of what is wanted, if that is more than a field
    private String field; // decided by the first record

    private TextReader(Path file, Optional<String> wanted) {
        this.file = file;
        this.wanted = wanted;
        this.template =
                wanted.filter(text -> text.contains("{"))
                        .map(text -> new Template(text.replace("\\n", "\n"), Map.of()));
    }

    /// Hands every text to `sink` until it has enough or the file ends.
    ///
    /// @throws MalformedFileException if the file is empty or breaks its format
    /// @throws java.nio.file.NoSuchFileException if there is no such file
    /// @throws IllegalArgumentException if the records have no such field
    static void read(Source source, Sink sink) throws IOException {
        try (var in = Utf8Reader.open(source.file())) {
            if (in.isEmpty()) {
                throw empty(source.file());
            }
            switch (source) {
                case Source.Document(Path file) ->
                        new TextReader(file, Optional.empty()).whole(in, sink);
                case Source.Rows(Path file) ->
                        new TextReader(file, Optional.empty()).rows(in, sink);
                case Source.Records(Path file, var layout, var field) -> {
                    var reader = new TextReader(file, field);
                    switch (layout) {
                        case JSON_LINES -> reader.jsonLines(in, sink);
                        case JSON -> reader.json(in, sink);
                        case CSV -> reader.csv(in, sink);
                    }
                }
                case Source.Ids _ -> throw new IllegalArgumentException(source + " holds no text");
            }
        }
    }

    private void whole(Utf8Reader in, Sink sink) throws IOException {
        var text = new StringBuilder();
        char[] buffer = new char[1 << 16];
        for (int read; (read = in.read(buffer, 0, buffer.length)) >= 0; ) {
            if (text.length() + read > LONGEST) {
                throw new MalformedFileException(
                        file, 0, "a text of more than %,d characters".formatted(LONGEST));
            }
            text.append(buffer, 0, read);
        }
        if (text.toString().isBlank()) {
            throw empty(file);
        }
        sink.accept(text.toString());
    }

    private void rows(Utf8Reader in, Sink sink) throws IOException {
        var lines = new Lines(file, in);
        boolean blank = true;
        for (String line; (line = lines.next()) != null; ) {
            String row = line.equals("\n") || line.equals(" \n") || line.equals(" ") ? "" : line;
            blank &= row.isBlank();
            if (!sink.accept(row)) {
                return;
            }
        }
        if (blank) {
            throw empty(file);
        }
    }

    private void jsonLines(Utf8Reader in, Sink sink) throws IOException {
        var lines = new Lines(file, in);
        boolean none = true;
        for (String line; (line = lines.next()) != null; ) {
            if (line.isBlank()) {
                continue;
            }
            none = false;
            JsonNode node;
            try {
                node = ONE_VALUE.readTree(line);
            } catch (JsonProcessingException e) {
                long inLine =
                        Math.max(0, e.getLocation() == null ? 0 : e.getLocation().getCharOffset());
                throw new MalformedFileException(
                        file,
                        Utf8Reader.byteOffset(file, lines.start() + inLine),
                        "line %d is not JSON: %s".formatted(lines.number(), e.getOriginalMessage()),
                        e);
            }
            String text = text(node, "line " + lines.number(), lines.start());
            if (!sink.accept(text)) {
                return;
            }
        }
        if (none) {
            throw empty(file);
        }
    }

    /// An array of records (or of strings), or an object whose values are records.
    private void json(Utf8Reader in, Sink sink) throws IOException {
        try (JsonParser parser = JSON.createParser(in)) {
            JsonToken opening = parser.nextToken();
            if (opening == null) {
                throw empty(file);
            }
            if (opening != JsonToken.START_ARRAY && opening != JsonToken.START_OBJECT) {
                throw new MalformedFileException(
                        file, 0, "neither an array nor an object of records");
            }
            long number = 0;
            for (JsonToken token; (token = parser.nextToken()) != null; ) {
                if (token == JsonToken.FIELD_NAME) {
                    continue;
                }
                if (token == JsonToken.END_ARRAY || token == JsonToken.END_OBJECT) {
                    break;
                }
                number++;
                long start = parser.currentTokenLocation().getCharOffset();
                JsonNode node = parser.readValueAsTree();
                if (!sink.accept(text(node, "record " + number, start))) {
                    return;
                }
            }
            if (number == 0) {
                throw empty(file);
            }
            if (parser.nextToken() != null) {
                throw new MalformedFileException(
                        file,
                        offset(parser.currentTokenLocation()),
                        "something follows the records");
            }
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(
                    file, offset(e.getLocation()), "not JSON: " + located(e), e);
        }
    }

    private void csv(Utf8Reader in, Sink sink) throws IOException {
        try (MappingIterator<Map<String, String>> records =
                CSV.readerForMapOf(String.class)
                        .with(CsvSchema.emptySchema().withHeader().withStrictHeaders(true))
                        .readValues(in)) {
            boolean none = true;
            while (records.hasNextValue()) {
                none = false;
                Map<String, String> row = records.nextValue();
                JsonLocation location = records.getCurrentLocation();
                String place = "the row that ends in line " + location.getLineNr();
                String text = text(JSON.valueToTree(row), place, location.getCharOffset());
                if (!sink.accept(text)) {
                    return;
                }
            }
            if (none) {
                throw empty(file);
            }
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(
                    file, offset(e.getLocation()), "not CSV: " + located(e), e);
        }
    }

    /// The text of one JSON record; a record may be a plain string where no field was asked for.
    private String text(JsonNode record, String place, long start) throws IOException {
        if (record.isTextual() && wanted.isEmpty()) {
            return whole(record.textValue(), place, start);
        }
        if (!record.isObject()) {
            throw new MalformedFileException(
                    file,
                    Utf8Reader.byteOffset(file, start),
                    "%s is no record but %s".formatted(place, kind(record)));
        }
        if (field == null) {
            var names = new ArrayList<String>();
            record.fieldNames().forEachRemaining(names::add);
            field = choose(names);
        }
        if (template.isPresent()) {
            return filled(template.get(), record, place, start);
        }
        JsonNode value = record.get(field);
        if (value != null && value.isArray()) {
            return lines(value, place, start);
        }
        if (value == null || !value.isTextual()) {
            String problem =
                    value == null || value.isNull()
                            ? "has no '%s'"
                            : "has no text in '%s' but " + kind(value);
            throw new MalformedFileException(
                    file,
                    Utf8Reader.byteOffset(file, start),
                    place + " " + problem.formatted(field));
        }
        return whole(value.textValue(), place, start);
    }

    private String filled(Template template, JsonNode record, String place, long start)
            throws IOException {
        try {
            return template.text(record);
        } catch (Template.UnfitException e) {
            throw new MalformedFileException(
                    file, Utf8Reader.byteOffset(file, start), place + " " + e.getMessage(), e);
        }
    }

    /// The texts of a list, each on a line of its own.
    private String lines(JsonNode list, String place, long start) throws IOException {
        var lines = new ArrayList<String>();
        for (JsonNode line : list) {
            if (!line.isTextual()) {
                throw new MalformedFileException(
                        file,
                        Utf8Reader.byteOffset(file, start),
                        "%s has %s in the list '%s', where texts belong"
                                .formatted(place, kind(line), field));
            }
            lines.add(line.textValue());
        }
        return whole(String.join("\n", lines), place, start);
    }

    /// A text without halves of surrogate pairs: JSON's escapes can spell what is no Unicode.
    private String whole(String text, String place, long start) throws IOException {
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int c = text.codePointAt(i);
            if (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE) {
                throw new MalformedFileException(
                        file,
                        Utf8Reader.byteOffset(file, start),
                        place + " escapes half a surrogate pair: that is no text");
            }
        }
        return text;
    }

    private static String kind(JsonNode node) {
        return switch (node.getNodeType()) {
            case ARRAY -> "an array";
            case OBJECT -> "an object";
            case STRING -> "a string";
            case NUMBER -> "a number";
            case BOOLEAN -> "true or false";
            case NULL -> "null";
            case BINARY, MISSING, POJO -> "nothing";
        };
    }

    /// The field to read, or the template, if the record has what is wanted.
    private String choose(Collection<String> names) {
        if (wanted.isPresent()) {
            for (String name : template.map(Template::fields).orElse(List.of(wanted.get()))) {
                if (!names.contains(name)) {
                    throw unknown(name, names);
                }
            }
            return wanted.get();
        }
        if (names.contains("text")) {
            return "text";
        }
        if (names.size() == 1) {
            return names.iterator().next();
        }
        throw new IllegalArgumentException(
                "%s has no field 'text', name one as FILE:field; fields: %s"
                        .formatted(file, String.join(", ", names)));
    }

    private IllegalArgumentException unknown(String name, Collection<String> names) {
        return new IllegalArgumentException(
                "%s has no field '%s'%s; fields: %s"
                        .formatted(
                                file,
                                name,
                                Nearest.to(name, names)
                                        .map(near -> ", did you mean '" + near + "'?")
                                        .orElse(""),
                                String.join(", ", names)));
    }

    private long offset(JsonLocation location) throws IOException {
        return location == null
                ? 0
                : Utf8Reader.byteOffset(file, Math.max(0, location.getCharOffset()));
    }

    private static String located(JsonProcessingException e) {
        return e.getLocation() == null
                ? e.getOriginalMessage()
                : "line %d: %s".formatted(e.getLocation().getLineNr(), e.getOriginalMessage());
    }

    private static MalformedFileException empty(Path file) {
        return new MalformedFileException(file, 0, "empty: there is no text in it");
    }
}
