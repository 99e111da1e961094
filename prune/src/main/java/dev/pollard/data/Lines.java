package dev.pollard.data;

import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Path;

/// Lines with their newline; only `\n` ends a line.
final class Lines {
    private static final int LONGEST = 1 << 28; // characters of a line

    private final Path file;
    private final Utf8Reader in;
    private final char[] buffer = new char[1 << 16];
    private int position;
    private int limit;
    private long number;
    private long start;
    private long next;

    Lines(Path file, Utf8Reader in) {
        this.file = file;
        this.in = in;
    }

    /// Number of the line last read, from 1.
    long number() {
        return number;
    }

    /// Characters before the line last read.
    long start() {
        return start;
    }

    /// The next line, or null at the end of the file.
    String next() throws IOException {
        var line = new StringBuilder();
        while (true) {
            if (position == limit) {
                limit = in.read(buffer, 0, buffer.length);
                position = 0;
                if (limit < 0) {
                    limit = 0;
                    return line.isEmpty() ? null : finish(line);
                }
            }
            int end = position;
            while (end < limit && buffer[end] != '\n') {
                end++;
            }
            boolean complete = end < limit;
            int count = end - position + (complete ? 1 : 0);
            if (line.length() + count > LONGEST) {
                throw new MalformedFileException(
                        file,
                        Utf8Reader.byteOffset(file, next),
                        "line %d is longer than %,d characters".formatted(number + 1, LONGEST));
            }
            line.append(buffer, position, count);
            position += count;
            if (complete) {
                return finish(line);
            }
        }
    }

    private String finish(StringBuilder line) {
        number++;
        start = next;
        next += line.length();
        return line.toString();
    }
}
