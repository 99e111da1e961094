package dev.pollard.recipe;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollard.prune.LayerReport;
import dev.pollard.prune.RunEvent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.LinkedHashMap;

/// `events.jsonl`: what happened when, one JSON object per line; a resumed run adds to it.
final class EventLog implements AutoCloseable {
    static final String FILE_NAME = "events.jsonl";

    private static final ObjectMapper JSON =
            JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .addMixIn(LayerReport.class, WithoutHistograms.class)
                    .build();

    /// A line is read by people, too.
    @JsonIgnoreProperties({"before", "after"})
    private interface WithoutHistograms {}

    private final Path file;
    private final Writer out;

    EventLog(Path file) throws IOException {
        this.file = file;
        out = Files.newBufferedWriter(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /// @param control whether the control is being run
    /// @throws UncheckedIOException if the disk is full, say
    void write(RunEvent event, boolean control) {
        var line = new LinkedHashMap<String, Object>();
        line.put("ts", Instant.now().toString());
        line.put(
                "event",
                switch (event) {
                    case RunEvent.SurveyStarted _ -> "survey_started";
                    case RunEvent.BlockSurveyed _ -> "block_surveyed";
                    case RunEvent.BlockStarted _ -> "block_started";
                    case RunEvent.LayerDone _ -> "layer_done";
                    case RunEvent.BlockDone _ -> "block_done";
                    case RunEvent.SamplesDone _ -> "samples_done";
                });
        if (control) {
            line.put("control", true);
        }
        line.put("data", event);
        if (event instanceof RunEvent.BlockDone || event instanceof RunEvent.SamplesDone) {
            PeakMemory.bytes().ifPresent(bytes -> line.put("peak_rss_bytes", bytes));
        }
        try {
            out.write(JSON.writeValueAsString(line));
            out.write('\n');
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(
                    new IOException("cannot write %s: %s".formatted(file, e.getMessage()), e));
        }
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
