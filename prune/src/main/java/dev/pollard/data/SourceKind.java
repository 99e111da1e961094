package dev.pollard.data;

import java.util.Locale;

/// What a file's name says about its content.
enum SourceKind {
    JSON_LINES,
    JSON,
    CSV,
    NPY,
    TEXT;

    static SourceKind of(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        String plain = plain(lower);
        if (plain.endsWith(".jsonl") || plain.endsWith(".ndjson")) {
            return JSON_LINES;
        }
        if (plain.endsWith(".json")) {
            return JSON;
        }
        if (plain.endsWith(".csv")) {
            return CSV;
        }
        return plain.endsWith(".npy") ? NPY : TEXT;
    }

    /// Whether the ending alone tells that this is a file of data.
    static boolean isNamed(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        return lower.endsWith(".gz")
                || lower.endsWith(".txt")
                || lower.endsWith(".raw")
                || of(name) != TEXT;
    }

    private static String plain(String lower) {
        return lower.endsWith(".gz") ? lower.substring(0, lower.length() - 3) : lower;
    }
}
