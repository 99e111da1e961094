package dev.pollard.data;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;

/// Where tokens come from, as a user names it on the command line: `FILE`, `FILE:field`,
/// `FILE:{field} and {another}`, `rows:FILE`.
///
/// The file's name says what it holds: `.jsonl` (or `.ndjson`), `.json` and `.csv` are records,
/// `.npy` is token ids, everything else is one text in UTF-8. All may be gzipped (`.gz`).
public sealed interface Source {
    Path file();

    /// A file that is one text.
    record Document(Path file) implements Source {
        @Override
        public String toString() {
            return file.toString();
        }
    }

    /// A file of records, each with a text in one of its fields.
    ///
    /// @param field name of a field that holds a text, or a list of texts, which become its lines;
    ///     or a [Template] of several, in which `\n` is a line break. Empty: the field `text`, or
    ///     the only field there is
    record Records(Path file, Layout layout, Optional<String> field) implements Source {
        @Override
        public String toString() {
            return file + field.map(name -> ":" + name).orElse("");
        }
    }

    /// A text file whose every line is a row of a dataset: its newline kept, a line of nothing or
    /// of one space is an empty row. So WikiText's raw file gives the rows that the papers' code
    /// gets from the dataset hub.
    record Rows(Path file) implements Source {
        @Override
        public String toString() {
            return "rows:" + file;
        }
    }

    /// Token ids in NumPy's `.npy`: int32 or int64, 1-D or 2-D (its rows are sequences).
    record Ids(Path file) implements Source {
        @Override
        public String toString() {
            return file.toString();
        }
    }

    /// How records follow each other.
    enum Layout {
        /// One JSON value per line.
        JSON_LINES,
        /// One JSON array of records, or one object whose values are records.
        JSON,
        /// RFC 4180, names in the first line.
        CSV
    }

    /// Reads what a user wrote. The file need not exist: a missing one is reported when it is
    /// read.
    ///
    /// A colon in a file's name, or of a Windows drive, is not taken for the field's: the last
    /// colon divides only if what stands before it exists or ends like a file of records. In front
    /// of a template it is the first such colon.
    ///
    /// @throws IllegalArgumentException if the specification names no file, or a field of a file
    ///     that has none
    static Source parse(String specification) {
        if (specification.startsWith("rows:")) {
            String name = specification.substring("rows:".length());
            return switch (SourceKind.of(name)) {
                case TEXT -> new Rows(path(name));
                case JSON_LINES, JSON, CSV, NPY ->
                        throw new IllegalArgumentException(
                                "rows: takes the lines of a plain text file, not " + name);
            };
        }
        String name = specification;
        Optional<String> field = Optional.empty();
        int colon = colon(specification);
        if (colon > 0) {
            name = specification.substring(0, colon);
            field = Optional.of(specification.substring(colon + 1));
        }
        if (field.isPresent() && field.get().isBlank()) {
            throw new IllegalArgumentException("no field after the colon: " + specification);
        }
        var kind = SourceKind.of(name);
        return switch (kind) {
            case JSON_LINES -> new Records(path(name), Layout.JSON_LINES, field);
            case JSON -> new Records(path(name), Layout.JSON, field);
            case CSV -> new Records(path(name), Layout.CSV, field);
            case TEXT, NPY -> {
                if (field.isPresent()) {
                    throw new IllegalArgumentException(
                            "%s has no fields, so not '%s': only jsonl, json and csv have"
                                    .formatted(name, field.get()));
                }
                yield kind == SourceKind.NPY ? new Ids(path(name)) : new Document(path(name));
            }
        };
    }

    /// Index of the colon between file and field; not positive if there is none.
    private static int colon(String specification) {
        if (exists(specification)) {
            return -1;
        }
        if (!specification.contains("{")) {
            int last = specification.lastIndexOf(':');
            return divides(specification, last) ? last : -1;
        }
        int colon = specification.indexOf(':');
        while (colon >= 0 && !divides(specification, colon)) {
            colon = specification.indexOf(':', colon + 1);
        }
        return colon;
    }

    private static boolean divides(String specification, int colon) {
        String before = specification.substring(0, Math.max(0, colon));
        return !before.isEmpty() && (exists(before) || SourceKind.isNamed(before));
    }

    private static Path path(String name) {
        if (name.isBlank()) {
            throw new IllegalArgumentException("the source names no file");
        }
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("not a file name: " + name, e);
        }
    }

    /// Whether there is a file of this name.
    static boolean exists(String name) {
        try {
            return Files.exists(Path.of(name));
        } catch (InvalidPathException _) {
            return false; // a name that this system cannot have
        }
    }
}
