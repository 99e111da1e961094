package dev.pollard.train;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The course of a training, one JSON object per line: `step` and what was measured there.
public final class TrainingLog {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Path file;

    /// Goes on with a log, or begins one.
    ///
    /// @param step what was written of later steps is dropped: they are done again
    public TrainingLog(Path file, long step) throws IOException {
        this.file = file;
        var kept = new ArrayList<String>();
        if (Files.exists(file)) {
            for (String line : Files.readAllLines(file)) {
                if (isUntil(line, step)) {
                    kept.add(line);
                }
            }
        }
        Files.write(file, kept);
    }

    private static boolean isUntil(String line, long step) {
        try {
            return JSON.readTree(line).path("step").asLong(Long.MAX_VALUE) <= step;
        } catch (IOException _) {
            return false; // cut off when the process ended
        }
    }

    /// Adds a line.
    ///
    /// @param line with a `step`
    /// @throws UncheckedIOException if the disk is full, say
    public void add(Map<String, Object> line) {
        try {
            Files.write(file, List.of(JSON.writeValueAsString(line)), StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
