package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.ControlFacts;
import dev.pollard.report.Node.Element;
import java.util.ArrayList;
import java.util.List;

/// What was measured, dense against pruned, and against the control where there is one.
final class QualitySection {
    private QualitySection() {}

    static Element of(RunRecord run) {
        var section = Page.section("quality", "Quality, dense against pruned");
        if (run.evaluations().isEmpty()) {
            return section.add(element("p", "This run evaluated nothing."));
        }
        var scores = Score.of(run.evaluations());
        boolean control = scores.stream().anyMatch(score -> !score.control().isEmpty());
        if (run.control() != null) {
            section.add(control(run.control()));
        }
        var accuracies = Accuracies.of(scores);
        if (accuracies.scores().size() > 1) {
            section.add(Page.charts(List.of(accuracies(accuracies))));
        }
        return section.add(table(scores, control).stacked());
    }

    private static Element control(ControlFacts control) {
        return Page.lead(
                text("The control is "),
                element("b", foreign(control.name())),
                text(control.summary().isEmpty() ? "" : ": "),
                foreign(control.summary()),
                text(
                        ". It was run beside the method, with the same calibration: the method is"
                                + " worth what it is better than that. The record has no error of this"
                                + " difference."));
    }

    private static Element accuracies(Accuracies accuracies) {
        String title = "Accuracy by task, %";
        var chart = new DotChart(title, accuracies.scores());
        var rows = new Rows(title, "Task", ">Dense", ">Pruned", ">Control");
        for (var score : accuracies.scores()) {
            rows.add(
                    foreign(score.task()),
                    text(score.dense()),
                    text(Score.with(score.pruned(), score.prunedError())),
                    text(score.control()));
        }
        return Page.chart(
                title,
                "Line: one standard error of the pruned model to either side",
                List.of(chart.drawing(), chart.legend()),
                rows.framed());
    }

    private static Rows table(List<Score> scores, boolean control) {
        var titles = new ArrayList<>(List.of("Task", ">Dense"));
        if (control) {
            titles.add(">Control");
        }
        titles.addAll(List.of(">Pruned", ">Difference to dense", "Verdict"));
        if (control) {
            titles.add("Against the control");
        }
        var rows =
                new Rows(
                        "± is one standard error; of a difference, on the same items, paired. Noise"
                                + " is what chance alone would bring in more than one of twenty"
                                + " cases.",
                        titles);
        for (var score : scores) {
            var cells = new ArrayList<Node>();
            cells.add(task(score));
            cells.add(text(Score.with(score.dense(), score.denseError())));
            if (control) {
                cells.add(text(score.control()));
            }
            cells.add(element("b", Score.with(score.pruned(), score.prunedError())));
            cells.add(text(score.difference()));
            cells.add(verdict(score.verdict()));
            if (control) {
                cells.add(element("bdi", score.againstControl()));
            }
            rows.add(cells);
        }
        return rows;
    }

    /// What was measured, and below it on what.
    private static Element task(Score score) {
        String cache = score.facts().denseFromCache() ? ", dense from the cache" : "";
        return element(
                "div",
                foreign(score.task() + ", " + score.metric()).with("title", score.facts().task()),
                element("p", foreign(score.measuredOn() + cache)).with("class", "below"));
    }

    private static Element verdict(Verdict verdict) {
        return element("span", verdict.words())
                .with("class", "is-" + verdict.kind().word().replace(' ', '-'));
    }
}
