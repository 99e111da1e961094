package dev.pollard.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollard.report.Figures;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressState;

/// One stretch of work of a known number of units, shown on `err` while it goes on: a bar on a
/// terminal, else a line per unit, or a JSON object per line.
final class Progress implements AutoCloseable {
    private static final int REFRESH_MILLIS = 500;
    private static final int BAR_CELLS = 24;

    private final Console console;
    private final String task;
    private final String unit;
    private final long total;
    private final long doneBefore;
    private final long stride;
    private final Instant start = Instant.now();
    private final Form form;
    private final ProgressBar bar; // only if the form is BAR
    private long done;

    private enum Form {
        BAR,
        LINES,
        JSON,
        SILENT
    }

    /// Begins to show `task`.
    ///
    /// @param task one word or two: `prune`
    /// @param unit what is counted, singular: `block`
    /// @param total how many units there are
    /// @param done how many were finished before, by the run that is resumed; they do not count in
    ///     the estimate of the time left
    /// @param stride units per line, where lines are written
    Progress(
            Console console,
            OutputOptions output,
            ProgressOptions options,
            String task,
            String unit,
            long total,
            long done,
            long stride) {
        this.console = console;
        this.task = task;
        this.unit = unit;
        this.total = total;
        this.doneBefore = done;
        this.stride = stride;
        this.done = done;
        this.form =
                options.format == OutputOptions.LogFormat.JSON
                        ? Form.JSON
                        : output.quiet
                                ? Form.SILENT
                                : console.errIsTerminal() && !options.noBar ? Form.BAR : Form.LINES;
        this.bar = form == Form.BAR ? newBar() : null;
    }

    private ProgressBar newBar() {
        return new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(total)
                .startsFrom(done, Duration.ZERO)
                .setUpdateIntervalMillis(REFRESH_MILLIS)
                .setConsumer(new ConsoleProgressBarConsumer(console.err(), console.columns() - 1))
                .setRenderer(this::render)
                .clearDisplayOnFinish()
                .build();
    }

    /// Units finished so far.
    synchronized long done() {
        return done;
    }

    /// One more unit is finished.
    ///
    /// @param facts what is worth knowing of it, in order: `method → sparsegpt`, `error → 0.0123`
    synchronized void advance(Map<String, ?> facts) {
        done++;
        if (form != Form.BAR && done % stride != 0 && done != total) {
            return;
        }
        switch (form) {
            case BAR -> {
                bar.setExtraMessage(text(facts));
                bar.stepTo(done);
            }
            case LINES ->
                    console.err()
                            .println(
                                    "%s: %s %d of %d%s, %s"
                                            .formatted(
                                                    task, unit, done, total, list(facts), left()));
            case JSON -> {
                var event = new LinkedHashMap<String, Object>();
                event.put("time", Instant.now().toString());
                event.put("event", "progress");
                event.put("task", task);
                event.put("unit", unit);
                event.put("done", done);
                event.put("total", total);
                event.put("seconds", elapsed().toMillis() / 1e3);
                event.putAll(facts);
                console.err().println(json(event));
            }
            case SILENT -> {}
        }
    }

    /// A line that stays, above the bar if there is one.
    synchronized void note(String line) {
        switch (form) {
            case BAR -> console.err().print("\r\033[K" + Console.oneLine(line) + "\n");
            case LINES -> console.err().println(Console.oneLine(line));
            case JSON ->
                    console.err()
                            .println(
                                    json(
                                            Map.of(
                                                    "time", Instant.now().toString(),
                                                    "event", "note",
                                                    "text", Console.oneLine(line))));
            case SILENT -> {}
        }
    }

    /// Wipes the bar.
    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        }
    }

    private String render(ProgressState state, int room) {
        double share = total == 0 ? 1 : (double) state.getCurrent() / total;
        int cells = (int) Math.round(share * BAR_CELLS);
        String message = state.getExtraMessage();
        String line =
                "%s %s%s %s %d of %d%s, %s"
                        .formatted(
                                task,
                                "█".repeat(cells),
                                "░".repeat(BAR_CELLS - cells),
                                unit,
                                state.getCurrent(),
                                total,
                                message.isEmpty() ? "" : ", " + message,
                                left());
        // Padded, so that a shorter line leaves nothing of the one before.
        return line.length() > room
                ? line.substring(0, room)
                : line + " ".repeat(room - line.length());
    }

    private Duration elapsed() {
        return Duration.between(start, Instant.now());
    }

    /// Each unit is taken to cost what those so far cost on average.
    private String left() {
        long fresh = done - doneBefore;
        if (fresh == 0) {
            return "time left not known yet";
        }
        if (done == total) {
            return "took " + Figures.seconds(elapsed().toMillis() / 1e3);
        }
        return Figures.seconds(elapsed().toMillis() / 1e3 * (total - done) / fresh) + " left";
    }

    private static String list(Map<String, ?> facts) {
        return facts.isEmpty() ? "" : ", " + text(facts);
    }

    private static String text(Map<String, ?> facts) {
        return facts.entrySet().stream()
                .map(fact -> fact.getKey() + " " + fact.getValue())
                .collect(Collectors.joining(", "));
    }

    private static String json(Map<String, ?> event) {
        try {
            return new JsonMapper().writeValueAsString(event);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
