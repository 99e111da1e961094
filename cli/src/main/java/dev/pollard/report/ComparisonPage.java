package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.report.Comparison.Entry;
import dev.pollard.report.Comparison.Group;
import dev.pollard.report.Comparison.Measure;
import dev.pollard.report.LineChart.Level;
import dev.pollard.report.LineChart.Place;
import dev.pollard.report.LineChart.Point;
import dev.pollard.report.LineChart.Series;
import dev.pollard.report.Node.Element;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Function;

/// Several runs on one page: quality, size and time against sparsity, one line for each method.
public final class ComparisonPage {
    private static final int NAME = 100; // letters of a model's name in a heading

    private ComparisonPage() {}

    /// The text of the page.
    ///
    /// @param runs by name; at least one
    public static String page(SequencedMap<String, RunRecord> runs) {
        var groups = Comparison.of(runs).groups();
        String title =
                "%s of %s"
                        .formatted(
                                Figures.count(runs.size(), "run"),
                                groups.size() == 1
                                        ? groups.getFirst().model()
                                        : Figures.count(groups.size(), "base model"));
        var sections = new ArrayList<Element>();
        for (var group : groups) {
            sections.add(section(group, sections.size() + 1));
        }
        var header = element("header", element("h1", foreign(title, NAME)));
        var body = new ArrayList<Element>(List.of(header));
        if (groups.size() > 1) {
            header.add(
                    element(
                            "p",
                            "These runs are of different base models. Each model has a part of its"
                                    + " own, for values of different models do not compare."));
            body.add(Page.contents(sections));
        }
        body.add(element("main").add(sections));
        body.add(
                element(
                        "footer",
                        element("p", "Made by Pollard from the report.json of each run.")));
        return Page.of(title, body);
    }

    private static Element section(Group group, int number) {
        var section = element("section", element("h2", foreign(group.model(), NAME)));
        if (!group.sha256().isEmpty()) {
            section.add(
                    Page.lead(
                            text(
                                    Figures.count(group.runs().size(), "run")
                                            + " of the tensors with SHA-256 "),
                            Page.hash(group.sha256())));
        }
        return section.add(runs(group).framed(), Page.charts(charts(group)))
                .with("id", "model-" + number)
                .with("class", "comparison");
    }

    // ---- table ----

    private static Rows runs(Group group) {
        var titles =
                new ArrayList<>(
                        List.of("Run", "Method", "Pattern", ">Zeros", ">Disk", ">As a bitmask"));
        group.measures().forEach(measure -> titles.add(">" + title(group, measure)));
        titles.addAll(List.of(">Seconds", ">Peak memory"));
        var rows = new Rows("Runs, by method and sparsity; ± is one standard error", titles);
        dense(group, rows);
        group.runs().stream()
                .sorted(
                        Comparator.comparing(Entry::line)
                                .thenComparingDouble(entry -> entry.run().sparsity()))
                .forEach(entry -> rows.add(cells(group, entry)));
        return rows;
    }

    /// The model that all were pruned from.
    private static void dense(Group group, Rows rows) {
        var cells = new ArrayList<Node>();
        cells.add(text("dense"));
        cells.add(text("none"));
        cells.add(text("none"));
        cells.add(text(""));
        cells.add(text(Figures.bytes(group.runs().getFirst().run().model().bytes())));
        cells.add(text(""));
        for (var measure : group.measures()) {
            var score = anyScore(group, measure);
            cells.add(text(score.map(s -> Score.with(s.dense(), s.denseError())).orElse("")));
        }
        cells.add(text(""));
        cells.add(text(""));
        rows.add(cells);
    }

    private static List<Node> cells(Group group, Entry entry) {
        var run = entry.run();
        var cells = new ArrayList<Node>();
        cells.add(foreign(entry.name()));
        cells.add(foreign(entry.line()));
        cells.add(foreign(Figures.pattern(run.pattern())));
        cells.add(text(Figures.percent(run.sparsity())));
        cells.add(text(Figures.bytes(run.size().denseBytes())));
        cells.add(text(Figures.bytes(run.size().bitmaskBytes())));
        for (var measure : group.measures()) {
            cells.add(
                    text(
                            entry.score(measure)
                                    .map(s -> Score.with(s.pruned(), s.prunedError()))
                                    .orElse("not measured")));
        }
        cells.add(text(Figures.number(run.seconds().total())));
        cells.add(text(run.peakRssBytes() == null ? "unknown" : Figures.bytes(run.peakRssBytes())));
        return cells;
    }

    /// Of any run: the dense model is the same.
    private static Optional<Score> anyScore(Group group, Measure measure) {
        return group.runs().stream().flatMap(entry -> entry.score(measure).stream()).findFirst();
    }

    /// The task and what sets the measure apart from another of the same name.
    private static String title(Group group, Measure measure) {
        var score = anyScore(group, measure).orElseThrow();
        String name = "%s, %s".formatted(score.task(), score.metric());
        boolean only =
                group.measures().stream()
                        .filter(other -> !other.equals(measure))
                        .noneMatch(
                                other -> {
                                    var theirs = anyScore(group, other).orElseThrow();
                                    return theirs.task().equals(score.task())
                                            && theirs.metric().equals(score.metric());
                                });
        return only ? name : "%s (%s)".formatted(name, score.measuredOn());
    }

    // ---- charts ----

    private static List<Element> charts(Group group) {
        var charts = new ArrayList<Element>();
        for (var measure : group.measures()) {
            var score = anyScore(group, measure).orElseThrow();
            String name = Figures.shortened(score.task(), 40);
            if (score.isAccuracy()) {
                charts.add(
                        chart(
                                group,
                                "Accuracy on %s (%s), %%".formatted(name, score.metric()),
                                score.measuredOn(),
                                Optional.of(100 * score.facts().dense()),
                                entry -> entry.score(measure).map(s -> 100 * s.facts().pruned())));
            } else {
                charts.add(
                        chart(
                                group,
                                "%s on %s".formatted(capital(score.metric()), name),
                                score.measuredOn(),
                                Optional.of(score.facts().dense()),
                                entry -> entry.score(measure).map(s -> s.facts().pruned())));
            }
        }
        charts.add(
                chart(
                        group,
                        "Tensors as a bitmask, MB",
                        "One bit for each weight, then the non-zeros alone; as saved, they are as"
                                + " large as the dense ones",
                        Optional.of(group.runs().getFirst().run().size().denseBytes() / 1e6),
                        entry ->
                                Optional.of(entry.run().size().bitmaskBytes() / 1e6)
                                        .filter(size -> size > 0)));
        charts.add(
                chart(
                        group,
                        "Time of the run, s",
                        "All of it, evaluation too, each on the machine it ran on",
                        Optional.empty(),
                        entry ->
                                Optional.of(entry.run().seconds().total())
                                        .filter(seconds -> seconds > 0)));
        return charts;
    }

    private static String capital(String words) {
        return words.isEmpty()
                ? "Value"
                : words.substring(0, 1).toUpperCase(Locale.ROOT) + words.substring(1);
    }

    private static Element chart(
            Group group,
            String title,
            String about,
            Optional<Double> dense,
            Function<Entry, Optional<Double>> value) {
        var lines = new LinkedHashMap<String, List<Point>>();
        var rows = new Rows(title, "Run", "Method", ">Zeros, %", ">" + title);
        var ascending =
                group.runs().stream()
                        .sorted(Comparator.comparingDouble(entry -> entry.run().sparsity()))
                        .toList();
        for (var entry : ascending) {
            var number = value.apply(entry);
            double zeros = 100 * entry.run().sparsity();
            if (number.isEmpty() || !Double.isFinite(zeros)) {
                continue;
            }
            String said = Figures.number(number.get());
            lines.computeIfAbsent(entry.line(), _ -> new ArrayList<>())
                    .add(new Point(zeros, number.get(), entry.name() + ": " + said));
            rows.add(
                    foreign(entry.name()),
                    foreign(entry.line()),
                    text(Figures.number(zeros)),
                    text(said));
        }
        var series = new ArrayList<Series>();
        lines.forEach((line, points) -> series.add(new Series(line, points)));
        var levels = new ArrayList<Level>();
        dense.ifPresent(number -> levels.add(new Level("dense", number)));
        var chart =
                new LineChart(
                        title,
                        places(group),
                        "zeros in pruned layers, %",
                        series,
                        List.of(),
                        levels);
        return Page.chart(title, about, List.of(chart.drawing(), chart.legend()), rows.framed());
    }

    private static List<Place> places(Group group) {
        var sparsities =
                Axis.around(
                        group.runs().stream()
                                .mapToDouble(entry -> 100 * entry.run().sparsity())
                                .toArray());
        return sparsities.ticks().stream()
                .map(tick -> new Place(tick, sparsities.label(tick)))
                .toList();
    }
}
