package dev.pollard.cli;

import dev.pollard.recipe.RunRecord;
import dev.pollard.report.Figures;
import dev.pollard.report.Score;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The table at the end of a run.
final class RecordView {
    private final RunRecord record;
    private final boolean control; // whether there is a column for it
    private final Table table;

    private RecordView(RunRecord record) {
        this.record = record;
        this.control = record.evaluations().stream().anyMatch(e -> e.control() != null);
        this.table =
                control
                        ? new Table("MEASURED", ">DENSE", ">CONTROL", ">PRUNED", "")
                        : new Table("MEASURED", ">DENSE", ">PRUNED", "");
    }

    static void print(Console console, RunRecord record, Path out, boolean quiet) {
        new RecordView(record).fill().print(console);
        if (!quiet) {
            if (record.control() != null) {
                console.raw(
                        Console.oneLine(
                                "control: %s, %s"
                                        .formatted(
                                                record.control().name(),
                                                record.control().summary())));
            }
            for (String warning : record.warnings()) {
                console.raw("note: " + Console.oneLine(warning));
            }
            console.raw("");
            console.raw(
                    "%s is a Hugging Face folder; the report is %s"
                            .formatted(out, out.resolve("pollard/report.html")));
        }
    }

    private Table fill() {
        for (var evaluation : record.evaluations()) {
            score(new Score(evaluation));
        }
        row(
                "zeros in pruned layers",
                "",
                "",
                Figures.percent(record.sparsity()),
                "%s, %s, %s, %d layers"
                        .formatted(
                                record.method().name(),
                                record.pattern(),
                                record.method().allocation(),
                                record.layers().size()));
        row(
                "bytes on disk",
                Figures.bytes(record.model().bytes()),
                "",
                Figures.bytes(record.size().denseBytes()),
                "the zeros are stored: one bit per weight and the rest would be "
                        + Figures.bytes(record.size().bitmaskBytes()));
        var seconds = record.seconds();
        row(
                "time",
                "",
                "",
                Figures.seconds(seconds.total()),
                "capture %s%s, prune %s, propagate %s, evaluate %s"
                        .formatted(
                                Figures.seconds(seconds.capture()),
                                seconds.gradients() > 0
                                        ? ", gradients " + Figures.seconds(seconds.gradients())
                                        : "",
                                Figures.seconds(seconds.prune()),
                                Figures.seconds(seconds.propagate()),
                                Figures.seconds(seconds.evaluate())));
        if (record.peakRssBytes() != null) {
            row("peak memory", "", "", Figures.bytes(record.peakRssBytes()), "");
        }
        return table;
    }

    private void score(Score score) {
        var about = new ArrayList<String>();
        about.add(score.difference());
        about.add(score.verdict().words());
        if (!score.againstControl().isEmpty()) {
            about.add("against the control: " + score.againstControl());
        }
        about.add(score.measuredOn());
        about.removeIf(String::isEmpty);
        row(
                Console.oneLine(score.task() + ", " + score.metric()),
                score.dense(),
                score.control(),
                Score.with(score.pruned(), score.prunedError()),
                Console.oneLine(String.join("; ", about)));
    }

    private void row(String what, String dense, String beside, String pruned, String about) {
        var cells = new ArrayList<>(List.of(what, dense, pruned, about));
        if (control) {
            cells.add(2, beside);
        }
        table.row(cells.toArray(String[]::new));
    }
}
