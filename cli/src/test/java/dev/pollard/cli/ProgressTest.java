package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ProgressTest {
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final OutputOptions output = new OutputOptions();
    private final ProgressOptions options = new ProgressOptions();

    private Progress start(boolean terminal, OutputOptions.LogFormat format, long done) {
        options.format = format;
        var stream = new PrintStream(err, true, StandardCharsets.UTF_8);
        var console = new Console(stream, stream, terminal, terminal, terminal, 120);
        return new Progress(console, output, options, "prune", "block", 3, done, 1);
    }

    private String written() {
        return err.toString(StandardCharsets.UTF_8);
    }

    @Test
    void writesOneLinePerBlockOffATerminal() {
        try (var progress = start(false, OutputOptions.LogFormat.TEXT, 0)) {
            progress.advance(Map.of("error", "0.0123"));
            progress.advance(Map.of());
            progress.advance(Map.of());
        }
        var lines = written().lines().toList();
        assertEquals(3, lines.size(), written());
        assertTrue(
                lines.getFirst().matches("prune: block 1 of 3, error 0\\.0123, .* left"),
                lines.getFirst());
        assertTrue(lines.getLast().matches("prune: block 3 of 3, took .*"), lines.getLast());
    }

    @Test
    void writesOneJsonObjectPerBlockWhenAsked() throws IOException {
        try (var progress = start(true, OutputOptions.LogFormat.JSON, 1)) {
            progress.advance(Map.of("error", 0.5));
        }
        var event = new JsonMapper().readTree(written());
        assertEquals("progress", event.get("event").asText());
        assertEquals(2, event.get("done").asLong());
        assertEquals(3, event.get("total").asLong());
        assertEquals(0.5, event.get("error").asDouble());
    }

    @Test
    void drawsABarOnATerminalAndWipesIt() {
        try (var progress = start(true, OutputOptions.LogFormat.TEXT, 0)) {
            progress.advance(Map.of("method", "wanda"));
        }
        assertTrue(written().contains("prune ████████░░"), written());
        assertTrue(written().contains("block 1 of 3, method wanda"), written());
        assertTrue(written().lines().noneMatch(line -> line.length() > 5000), written());
    }

    @Test
    void saysNothingWhenQuiet() {
        output.quiet = true;
        try (var progress = start(false, OutputOptions.LogFormat.TEXT, 0)) {
            progress.advance(Map.of());
            progress.note("something");
        }
        assertEquals("", written());
    }
}
