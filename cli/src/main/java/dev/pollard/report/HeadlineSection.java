package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.report.Node.Element;
import java.util.ArrayList;
import java.util.List;

/// What there is to know about a run at a glance: quality, size and speed, dense against pruned,
/// and what that amounts to.
final class HeadlineSection {
    private static final int NAME = 80; // letters of a task's name

    private static final int SCORES = 2; // the others are in the table below

    private HeadlineSection() {}

    static Element of(RunRecord run, Outcome outcome) {
        var tiles = element("div").with("class", "tiles");
        tiles.add(quality(run));
        tiles.add(
                Page.tile(
                        text("Zeros in pruned layers"),
                        "",
                        Figures.percent(run.sparsity()),
                        "%s of %s weights"
                                .formatted(
                                        Figures.count(outcome.removed()),
                                        Figures.count(outcome.prunedWeights()))),
                Page.tile(
                        text("Tensors on disk"),
                        Figures.bytes(run.model().bytes()),
                        Figures.bytes(run.size().denseBytes()),
                        "not smaller unless packed: as a bitmask %s"
                                .formatted(Figures.bytes(run.size().bitmaskBytes()))),
                Page.tile(
                        text("Speed of the model"),
                        "",
                        "as before",
                        "dense kernels multiply zeros too; not measured"),
                Page.tile(
                        text("Time of this run"),
                        "",
                        Figures.seconds(run.seconds().total()),
                        run.peakRssBytes() == null
                                ? "peak memory unknown"
                                : "peak memory " + Figures.bytes(run.peakRssBytes())));
        var verdict = element("div").with("class", "verdict");
        if (!outcome.gained().isEmpty()) {
            verdict.add(sentences("Gained", "gained", outcome.gained()));
        }
        verdict.add(sentences("Not gained", "not-gained", outcome.notGained()));
        return element("section", tiles, verdict)
                .with("id", "headline")
                .with("aria-label", "Headline");
    }

    private static List<Element> quality(RunRecord run) {
        var scores = Score.of(run.evaluations());
        var tiles = new ArrayList<Element>();
        scores.stream()
                .filter(score -> !score.isAccuracy())
                .limit(SCORES)
                .forEach(score -> tiles.add(score(run, score)));
        var accuracies = Accuracies.of(scores);
        if (!accuracies.isEmpty()) {
            tiles.add(
                    Page.tile(
                            text(
                                    "Accuracy, mean of "
                                            + Figures.count(accuracies.scores().size(), "task")),
                            Figures.percent(accuracies.dense()),
                            Figures.percent(accuracies.pruned()),
                            accuracies.difference(),
                            accuracies.verdicts(),
                            accuracies
                                    .control()
                                    .map(mean -> "control " + Figures.percent(mean))
                                    .orElse("")));
        }
        if (tiles.isEmpty()) {
            tiles.add(Page.tile(text("Quality"), "", "not measured", "this run evaluated nothing"));
        }
        return tiles;
    }

    private static Element score(RunRecord run, Score score) {
        var parts = new ArrayList<String>();
        if (!score.difference().isEmpty()) {
            parts.add(score.difference());
        }
        parts.add(
                score.prunedError().isEmpty()
                        ? "standard error unknown"
                        : "± " + score.prunedError() + " standard error");
        if (score.facts().windows() > 0) {
            parts.add(
                    (score.facts().windows() == score.facts().windowsAvailable()
                                    ? "all " + Figures.count(score.facts().windows())
                                    : "%s of %s"
                                            .formatted(
                                                    Figures.count(score.facts().windows()),
                                                    Figures.count(
                                                            score.facts().windowsAvailable())))
                            + " windows");
        }
        String control =
                score.control().isEmpty()
                        ? ""
                        : "control %s%s"
                                .formatted(
                                        run.control() == null ? "" : run.control().name() + " ",
                                        score.control());
        return Page.tile(
                foreign(score.metric() + " on " + score.task(), NAME),
                score.dense(),
                score.pruned(),
                String.join(", ", parts),
                control);
    }

    private static Element sentences(String title, String kind, List<String> sentences) {
        var list = element("ul");
        sentences.forEach(said -> list.add(element("li", foreign(said))));
        return element("div", element("h2", title), list).with("class", kind);
    }
}
