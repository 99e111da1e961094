package dev.pollard.cli;

import dev.pollard.eval.Comparison;
import dev.pollard.recipe.RunRecord;
import dev.pollard.report.Figures;
import java.nio.file.Path;

/// The table at the end of a run.
final class RecordView {
    private RecordView() {}

    static void print(Console console, RunRecord record, Path out, boolean quiet) {
        var table = new Table("MEASURED", ">DENSE", ">PRUNED", "");
        for (var evaluation : record.evaluations()) {
            table.row(
                    evaluation.items() == null
                            ? evaluation.task()
                            : evaluation.task() + " " + evaluation.metric(),
                    number(evaluation.dense()),
                    number(evaluation.pruned()),
                    error(evaluation) + extent(evaluation));
        }
        table.row(
                "zeros in pruned layers",
                "",
                Figures.percent(record.sparsity()),
                "%s, %s, %s, %d layers"
                        .formatted(
                                record.method().name(),
                                record.pattern(),
                                record.method().allocation(),
                                record.layers().size()));
        table.row(
                "bytes on disk",
                Figures.bytes(record.model().bytes()),
                Figures.bytes(record.size().denseBytes()),
                "the zeros are stored: one bit per weight and the rest would be "
                        + Figures.bytes(record.size().bitmaskBytes()));
        var seconds = record.seconds();
        table.row(
                "time",
                "",
                Figures.seconds(seconds.total()),
                "capture %s, prune %s, propagate %s, evaluate %s"
                        .formatted(
                                Figures.seconds(seconds.capture()),
                                Figures.seconds(seconds.prune()),
                                Figures.seconds(seconds.propagate()),
                                Figures.seconds(seconds.evaluate())));
        if (record.peakRssBytes() != null) {
            table.row("peak memory", "", Figures.bytes(record.peakRssBytes()), "");
        }
        table.print(console);
        if (!quiet) {
            for (String warning : record.warnings()) {
                console.raw("note: " + Console.oneLine(warning));
            }
            console.raw("");
            console.raw(
                    "%s is a Hugging Face folder; the report is %s"
                            .formatted(out, out.resolve("pollard/report.html")));
        }
    }

    private static String error(RunRecord.EvaluationFacts evaluation) {
        if (evaluation.stderr() == null) {
            return "";
        }
        String verdict =
                evaluation.pValue() == null
                        ? ""
                        : "p %.3f, %s, "
                                .formatted(
                                        evaluation.pValue(),
                                        Comparison.verdict(evaluation.pValue()));
        return "± " + number(evaluation.stderr()) + ", " + verdict;
    }

    private static String extent(RunRecord.EvaluationFacts evaluation) {
        return evaluation.items() != null
                ? "%,d questions".formatted(evaluation.items())
                : "%d of %d windows of %d tokens, BOS %s"
                        .formatted(
                                evaluation.windows(),
                                evaluation.windowsAvailable(),
                                evaluation.length(),
                                evaluation.bos());
    }

    private static String number(double value) {
        return value >= 10_000 ? "%.4g".formatted(value) : "%.3f".formatted(value);
    }
}
