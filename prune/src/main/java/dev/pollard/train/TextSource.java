package dev.pollard.train;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollard.data.RecordFile;
import dev.pollard.format.Nearest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Documents to train on: records of a file (`.jsonl`, `.json`, `.csv`) or parts of a plain text,
/// each also gzipped.
///
/// @param file as [RecordFile] reads it
/// @param text what a record becomes, its fields in braces: `Question: {question}`
/// @param separator where a plain text is cut: a regular expression; what it matches is dropped
/// @param weight share of the tokens that are trained on, relative to the other sources
/// @param heldOut every so manieth document is kept for evaluation; 0: none
/// @param skip documents that are left out altogether, by number from 0: `500-619`
public record TextSource(
        Path file, String text, Pattern separator, double weight, int heldOut, List<Range> skip) {
    private static final Pattern FIELD = Pattern.compile("\\{([^{}]+)}");

    /// Documents `first … last`.
    public record Range(int first, int last) {
        private static final Pattern FORM = Pattern.compile("(\\d{1,9})(?:-(\\d{1,9}))?");

        /// @param text `7` or `500-619`
        /// @throws IllegalArgumentException if it is neither
        public static Range parse(String text) {
            var form = FORM.matcher(text);
            if (!form.matches()) {
                throw new IllegalArgumentException("no range of documents: '%s'".formatted(text));
            }
            int first = Integer.parseInt(form.group(1));
            int last = form.group(2) == null ? first : Integer.parseInt(form.group(2));
            if (last < first) {
                throw new IllegalArgumentException("no range of documents: '%s'".formatted(text));
            }
            return new Range(first, last);
        }

        boolean contains(int number) {
            return number >= first && number <= last;
        }
    }

    /// The documents of a source.
    ///
    /// @param training to train on
    /// @param heldOut to evaluate on
    public record Documents(List<String> training, List<String> heldOut) {}

    /// @throws IllegalArgumentException if the weight is not positive, the held-out documents would
    ///     be all, or the template names no field
    public TextSource {
        if (!(weight > 0) || !Double.isFinite(weight)) {
            throw new IllegalArgumentException("weight of %s: %s".formatted(file, weight));
        }
        if (heldOut < 0 || heldOut == 1) {
            throw new IllegalArgumentException(
                    "%s: held out every %d documents".formatted(file, heldOut));
        }
        if (!FIELD.matcher(text).find()) {
            throw new IllegalArgumentException(
                    "%s: no field in the template '%s'".formatted(file, text));
        }
        skip = List.copyOf(skip);
    }

    /// Reads all documents that are not skipped and not blank.
    ///
    /// @throws dev.pollard.format.MalformedFileException if the file breaks its format
    /// @throws java.nio.file.NoSuchFileException if there is no such file
    /// @throws IllegalArgumentException if a record lacks a field, or has no text there, or nothing
    ///     is left
    public Documents read() throws IOException {
        var training = new ArrayList<String>();
        var kept = new ArrayList<String>();
        var all = documents();
        for (int i = 0; i < all.size(); i++) {
            int number = i;
            if (all.get(i).isEmpty() || skip.stream().anyMatch(range -> range.contains(number))) {
                continue;
            }
            boolean isHeldOut = heldOut > 0 && i % heldOut == heldOut - 1;
            (isHeldOut ? kept : training).add(all.get(i));
        }
        if (training.isEmpty()) {
            throw new IllegalArgumentException(file + " has no text to train on");
        }
        return new Documents(training, kept);
    }

    private List<String> documents() throws IOException {
        var records = new RecordFile(file);
        if (isText()) {
            String whole = String.join("\n", records.lines());
            return separator.splitAsStream(whole).map(String::strip).toList();
        }
        var documents = new ArrayList<String>();
        for (var entry : records.read(List.of())) {
            documents.add(document(entry).strip());
        }
        return documents;
    }

    private boolean isText() {
        return !file.toString().matches("(?i).*\\.(jsonl|ndjson|json|csv)(\\.gz)?");
    }

    private String document(RecordFile.Entry entry) {
        JsonNode fields = entry.fields();
        if (fields.isTextual()) {
            return fields.asText();
        }
        return FIELD.matcher(text)
                .replaceAll(field -> Matcher.quoteReplacement(value(fields, field, entry.place())));
    }

    private String value(JsonNode fields, MatchResult field, String place) {
        JsonNode value = fields.get(field.group(1));
        if (value == null) {
            var names = fields.properties().stream().map(Map.Entry::getKey).toList();
            throw new IllegalArgumentException(
                    "%s, %s: %s"
                            .formatted(
                                    file, place, Nearest.unknown("field", field.group(1), names)));
        }
        if (value.isContainerNode()) {
            throw new IllegalArgumentException(
                    "%s, %s: field '%s' is no text".formatted(file, place, field.group(1)));
        }
        return value.isNull() ? "" : value.asText();
    }
}
