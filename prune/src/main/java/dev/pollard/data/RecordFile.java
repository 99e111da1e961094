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
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/// A file of records with several fields, such as the questions of a benchmark. The name says what
/// it holds, as for [Source]: `.jsonl`, `.json`, `.csv`, else plain text; each also `.gz`.
public final class RecordFile {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ObjectMapper ONE_VALUE =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();
    private static final CsvMapper CSV = new CsvMapper();

    private final Path file;

    public RecordFile(Path file) {
        this.file = file;
    }

    /// @param key of the record, where the file is one object whose values are records; else empty
    /// @param fields an object
    /// @param place where the record stands, for people: `line 12`
    /// @param start characters of the (unpacked) file before the record
    public record Entry(String key, JsonNode fields, String place, long start) {}

    public Path file() {
        return file;
    }

    /// All records, in order.
    ///
    /// @param columns names of the columns of a CSV file; if there are none they stand in its first
    ///     line
    /// @throws MalformedFileException if the file is empty, is plain text or breaks its format
    /// @throws java.nio.file.NoSuchFileException if there is no such file
    public List<Entry> read(List<String> columns) throws IOException {
        try (var in = Utf8Reader.open(file)) {
            var records =
                    switch (SourceKind.of(file.getFileName().toString())) {
                        case JSON_LINES -> jsonLines(in);
                        case JSON -> json(in);
                        case CSV -> csv(in, columns);
                        case TEXT, NPY ->
                                throw new MalformedFileException(
                                        file, 0, "no file of records: .jsonl, .json or .csv");
                    };
            if (records.isEmpty()) {
                throw new MalformedFileException(file, 0, "empty: there is no record in it");
            }
            return records;
        }
    }

    /// What to throw because of a record.
    ///
    /// @param problem what is wrong with it: `has no 'goal'`
    public MalformedFileException malformed(Entry record, String problem) throws IOException {
        return new MalformedFileException(
                file,
                Utf8Reader.byteOffset(file, Math.max(0, record.start())),
                record.place() + " " + problem);
    }

    /// The lines of a plain text file, without their newlines.
    public List<String> lines() throws IOException {
        try (var in = Utf8Reader.open(file)) {
            var lines = new ArrayList<String>();
            var reader = new Lines(file, in);
            for (String line; (line = reader.next()) != null; ) {
                lines.add(line.endsWith("\n") ? line.substring(0, line.length() - 1) : line);
            }
            return lines;
        }
    }

    /// The parts of a plain text file that begin at the lines in which `heading` is found, each a
    /// record with one field. What stands before the first heading is left out.
    ///
    /// @throws MalformedFileException if there is no heading
    public List<Entry> parts(Pattern heading, String field) throws IOException {
        var parts = new ArrayList<Entry>();
        var lines = lines();
        int begin = -1;
        for (int i = 0; i <= lines.size(); i++) {
            if (i < lines.size() && !heading.matcher(lines.get(i)).find()) {
                continue;
            }
            if (begin >= 0) {
                var part =
                        JsonNodeFactory.instance
                                .objectNode()
                                .put(field, String.join("\n", lines.subList(begin, i)));
                parts.add(new Entry("", part, "line " + (begin + 1), 0));
            }
            begin = i;
        }
        if (parts.isEmpty()) {
            throw new MalformedFileException(
                    file, 0, "no line in it is a heading: /%s/".formatted(heading));
        }
        return parts;
    }

    private List<Entry> jsonLines(Utf8Reader in) throws IOException {
        var records = new ArrayList<Entry>();
        var lines = new Lines(file, in);
        for (String line; (line = lines.next()) != null; ) {
            if (line.isBlank()) {
                continue;
            }
            String place = "line " + lines.number();
            try {
                records.add(new Entry("", ONE_VALUE.readTree(line), place, lines.start()));
            } catch (JsonProcessingException e) {
                throw new MalformedFileException(
                        file,
                        Utf8Reader.byteOffset(file, lines.start()),
                        place + " is not JSON: " + e.getOriginalMessage(),
                        e);
            }
        }
        return records;
    }

    /// An array of records, or an object whose values are records.
    private List<Entry> json(Utf8Reader in) throws IOException {
        try (JsonParser parser = JSON.createParser(in)) {
            JsonToken opening = parser.nextToken();
            if (opening != JsonToken.START_ARRAY && opening != JsonToken.START_OBJECT) {
                throw new MalformedFileException(
                        file, 0, "neither an array nor an object of records");
            }
            var records = new ArrayList<Entry>();
            while (!parser.nextToken().isStructEnd()) {
                String key = "";
                if (opening == JsonToken.START_OBJECT) {
                    key = parser.currentName();
                    parser.nextToken();
                }
                var location = parser.currentTokenLocation();
                JsonNode value = parser.readValueAsTree();
                String place =
                        "record %d (line %d)".formatted(records.size() + 1, location.getLineNr());
                records.add(new Entry(key, value, place, location.getCharOffset()));
            }
            if (parser.nextToken() != null) {
                throw new MalformedFileException(
                        file,
                        Utf8Reader.byteOffset(file, parser.currentTokenLocation().getCharOffset()),
                        "something follows the records");
            }
            return records;
        } catch (JsonProcessingException e) {
            throw broken("JSON", e);
        }
    }

    private List<Entry> csv(Utf8Reader in, List<String> columns) throws IOException {
        var schema =
                columns.isEmpty()
                        ? CsvSchema.emptySchema().withHeader()
                        : CsvSchema.builder()
                                .addColumns(columns, CsvSchema.ColumnType.STRING)
                                .build();
        try (MappingIterator<Map<String, String>> rows =
                CSV.readerForMapOf(String.class).with(schema).readValues(in)) {
            var records = new ArrayList<Entry>();
            while (rows.hasNextValue()) {
                JsonNode row = JSON.valueToTree(rows.nextValue());
                var location = rows.getCurrentLocation();
                String place = "the row that ends in line " + location.getLineNr();
                records.add(new Entry("", row, place, location.getCharOffset()));
            }
            return records;
        } catch (JsonProcessingException e) {
            throw broken("CSV", e);
        }
    }

    private MalformedFileException broken(String format, JsonProcessingException e)
            throws IOException {
        JsonLocation at = e.getLocation();
        return new MalformedFileException(
                file,
                at == null ? 0 : Utf8Reader.byteOffset(file, Math.max(0, at.getCharOffset())),
                at == null
                        ? "not %s: %s".formatted(format, e.getOriginalMessage())
                        : "not %s: line %d: %s"
                                .formatted(format, at.getLineNr(), e.getOriginalMessage()),
                e);
    }
}
