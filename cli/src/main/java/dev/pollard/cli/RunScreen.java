package dev.pollard.cli;

import dev.pollard.prune.RunEvent;
import dev.pollard.recipe.RunListener;
import java.util.LinkedHashMap;
import java.util.Map;

/// Shows how a run goes on: one stretch of progress for pruning or training, one for every
/// evaluation.
final class RunScreen implements RunListener, AutoCloseable {
    private static final long PERCENT = 100;

    private final Console console;
    private final OutputOptions output;
    private final ProgressOptions options;
    private final String method;
    private Progress progress; // of what goes on, or null
    private String evaluation = ""; // whose progress that is
    private String gradients = ""; // what is done with them, while they are taken
    private boolean training; // whether that is what goes on
    private double errors; // summed over blocks
    private int blocks; // pruned so far

    /// @param method shown with every block; empty if nothing is pruned
    RunScreen(Console console, OutputOptions output, ProgressOptions options, String method) {
        this.console = console;
        this.output = output;
        this.options = options;
        this.method = method;
    }

    @Override
    public synchronized void step(String what) {
        close();
        if (!output.quiet && options.format == OutputOptions.LogFormat.TEXT) {
            console.err().println(Console.oneLine(what) + " …");
        }
    }

    @Override
    public synchronized void pruning(RunEvent event) {
        show("prune", method, event);
    }

    @Override
    public synchronized void control(RunEvent event) {
        show("control", "control", event);
    }

    private void show(String work, String method, RunEvent event) {
        switch (event) {
            case RunEvent.SurveyStarted(int of) -> {
                close();
                progress = new Progress(console, output, options, "survey", "block", of, 0, 1);
            }
            case RunEvent.BlockSurveyed(_, _, double outliers) ->
                    progress.advance(
                            Double.isNaN(outliers)
                                    ? Map.of()
                                    : Map.of("outliers", "%.3f %%".formatted(outliers)));
            case RunEvent.BlockStarted(int pass, int passes, int block, int of) -> {
                if (progress == null || block == 0) {
                    close();
                    String task = passes == 1 ? work : "%s %d/%d".formatted(work, pass + 1, passes);
                    progress = new Progress(console, output, options, task, "block", of, block, 1);
                    errors = 0;
                    blocks = 0;
                }
            }
            case RunEvent.SamplesDone samples -> {
                String task =
                        "%s %d/%d".formatted(samples.what(), samples.pass() + 1, samples.passes());
                if (!task.equals(gradients)) {
                    close();
                    gradients = task;
                    progress =
                            new Progress(
                                    console,
                                    output,
                                    options,
                                    task,
                                    samples.counted(),
                                    samples.total(),
                                    0,
                                    1);
                }
                while (progress.done() < samples.done()) {
                    progress.advance(Map.of("loss", "%.4f".formatted(samples.loss())));
                }
            }
            case RunEvent.LayerDone(var layer) ->
                    layer.notes().forEach(note -> progress.note(layer.name() + ": " + note));
            case RunEvent.BlockDone done -> {
                var facts = new LinkedHashMap<String, Object>();
                if (!Double.isNaN(done.relativeError())) {
                    errors += done.relativeError();
                    blocks++;
                    facts.put("method", method);
                    facts.put("error", "%.4f".formatted(done.relativeError()));
                    facts.put("mean", "%.4f".formatted(errors / blocks));
                }
                if (done.resumed()) {
                    facts.put("taken", "from what was done before");
                }
                progress.advance(facts);
            }
        }
    }

    @Override
    public synchronized void training(long step, long steps, double loss, double tokensPerSecond) {
        if (!training) {
            close();
            training = true;
            progress = new Progress(console, output, options, "train", "step", steps, step - 1, 1);
        }
        var facts = new LinkedHashMap<String, Object>();
        facts.put("loss", "%.4f".formatted(loss));
        facts.put("tokens/s", "%,.0f".formatted(tokensPerSecond));
        progress.advance(facts);
    }

    @Override
    public synchronized void evaluating(String what, long done, long total) {
        if (!what.equals(evaluation)) {
            close();
            evaluation = what;
            progress =
                    new Progress(console, output, options, "evaluate", "percent", PERCENT, 0, 10);
        }
        while (progress.done() < PERCENT * done / total) {
            progress.advance(Map.of("task", what));
        }
    }

    @Override
    public synchronized void warn(String message) {
        if (progress != null) {
            progress.note("warning: " + message);
        } else {
            console.warn(message);
        }
    }

    @Override
    public synchronized void close() {
        if (progress != null) {
            progress.close();
            progress = null;
            evaluation = "";
            gradients = "";
            training = false;
        }
    }
}
