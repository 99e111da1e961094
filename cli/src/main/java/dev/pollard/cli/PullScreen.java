package dev.pollard.cli;

import dev.pollard.hub.PullListener;
import dev.pollard.report.Figures;
import java.util.LinkedHashMap;

/// Shows how a download goes on, in megabytes, or in kilobytes if it is small.
final class PullScreen implements PullListener, AutoCloseable {
    private static final long LARGE = 10_000_000;
    private static final long LINES = 20;

    private final Console console;
    private final OutputOptions output;
    private final ProgressOptions options;
    private final long start = System.nanoTime();
    private Progress progress; // once it is known what there is to do
    private long unit;
    private long before;

    PullScreen(Console console, OutputOptions output, ProgressOptions options) {
        this.console = console;
        this.output = output;
        this.options = options;
    }

    @Override
    public void begins(long bytes, long there) {
        close();
        if (bytes == there) {
            return;
        }
        unit = bytes < LARGE ? 1000 : 1_000_000;
        before = there;
        long total = Math.max(1, bytes / unit);
        String name = unit == 1000 ? "kB" : "MB";
        progress =
                new Progress(
                        console,
                        output,
                        options,
                        "pull",
                        name,
                        total,
                        there / unit,
                        Math.max(1, total / LINES));
    }

    @Override
    public void received(String file, long there) {
        if (progress == null) {
            return;
        }
        double seconds = Math.max(1e-3, (System.nanoTime() - start) / 1e9);
        while (progress.done() < there / unit) {
            var facts = new LinkedHashMap<String, Object>();
            facts.put("file", file);
            if (there > before) {
                facts.put("rate", Figures.bytes((long) ((there - before) / seconds)) + "/s");
            }
            progress.advance(facts);
        }
    }

    @Override
    public void note(String line) {
        if (progress != null) {
            progress.note(line);
        } else if (!output.quiet) {
            console.err().println(Console.oneLine(line));
        }
    }

    @Override
    public void close() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}
