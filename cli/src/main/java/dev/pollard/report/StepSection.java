package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.recipe.RunRecord.StepFacts;
import dev.pollard.report.LineChart.Level;
import dev.pollard.report.LineChart.Place;
import dev.pollard.report.LineChart.Point;
import dev.pollard.report.LineChart.Series;
import dev.pollard.report.Node.Element;
import dev.pollard.report.Story.Chapter;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/// How a method of several steps got where it is: the error after each step, on tokens it saw and
/// on those it did not, and what moved in the mask.
final class StepSection {
    private StepSection() {}

    /// Empty for a method of one step.
    static Optional<Element> of(RunRecord run, LayerGrid grid) {
        var story = Story.of(grid.layers());
        if (story.chapters().size() < 2) {
            return Optional.empty();
        }
        var charts = new ArrayList<Element>();
        charts.add(errors(run, story));
        var moved =
                LayerGrid.of(
                        grid.layers().stream()
                                .filter(layer -> Story.moved(layer).isPresent())
                                .toList());
        if (!moved.blocks().isEmpty()) {
            charts.add(
                    LayerSection.map(
                            moved,
                            "Mask entries moved in every layer, %",
                            "Share of the weights kept by the last step that the first step had"
                                    + " removed; blocks down, modules across",
                            "cool",
                            layer -> 100 * Story.moved(layer).orElseThrow()));
        }
        return Optional.of(
                Page.section(
                        "steps", "From step to step", Page.charts(charts), table(story).stacked()));
    }

    private static Element errors(RunRecord run, Story story) {
        String title = "Relative error after each step, %";
        var places = new ArrayList<Place>();
        for (var chapter : story.chapters()) {
            places.add(new Place(places.size(), chapter.step()));
        }
        var series = new ArrayList<Series>();
        series.add(series("mean of the layers", story, Chapter::error));
        if (story.chapters().stream().anyMatch(chapter -> chapter.heldOut().isPresent())) {
            series.add(
                    series(
                            "mean on held-out tokens",
                            story,
                            chapter -> chapter.heldOut().orElse(Double.NaN)));
        }
        var crowd = new ArrayList<double[]>();
        for (var layer : story.layers()) {
            crowd.add(
                    story.chapters().stream()
                            .mapToDouble(chapter -> 100 * error(layer, chapter))
                            .toArray());
        }
        var levels = new ArrayList<Level>();
        if (run.control() != null) {
            levels.add(
                    new Level(
                            "control, " + run.control().name(),
                            100 * run.control().relativeError()));
        }
        var chart = new LineChart(title, places, "step", series, crowd, levels);
        return Page.chart(
                title,
                "Squared change of the output over the squared output, against the dense layer."
                        + " Thin lines: the layers",
                List.of(chart.drawing(), chart.legend()),
                byLayer(title, story).framed());
    }

    private static double error(LayerFacts layer, Chapter chapter) {
        return Story.step(layer, chapter.step()).map(StepFacts::relativeError).orElse(Double.NaN);
    }

    private static Series series(String name, Story story, ToDoubleFunction<Chapter> value) {
        var points = new ArrayList<Point>();
        for (var chapter : story.chapters()) {
            double error = value.applyAsDouble(chapter);
            if (!Double.isNaN(error)) {
                points.add(
                        new Point(
                                story.chapters().indexOf(chapter),
                                100 * error,
                                "%s, %s: %s"
                                        .formatted(chapter.step(), name, Figures.percent(error))));
            }
        }
        return new Series(name, points);
    }

    private static Rows byLayer(String title, Story story) {
        var titles = new ArrayList<>(List.of("Layer"));
        story.chapters().forEach(chapter -> titles.add(">" + chapter.step()));
        var rows = new Rows(title, titles);
        for (var layer : story.layers()) {
            var cells = new ArrayList<Node>(List.of(foreign(layer.name())));
            for (var chapter : story.chapters()) {
                cells.add(
                        text(
                                Story.step(layer, chapter.step())
                                        .map(step -> Figures.number(100 * step.relativeError()))
                                        .orElse("")));
            }
            rows.add(cells);
        }
        return rows;
    }

    private static Rows table(Story story) {
        var rows =
                new Rows(
                        "All layers taken together",
                        "After",
                        ">Relative error, mean",
                        ">On held-out tokens",
                        ">Zeros",
                        ">Mask entries moved",
                        ">Seconds");
        for (var chapter : story.chapters()) {
            rows.add(
                    foreign(chapter.step()),
                    text(Figures.percent(chapter.error())),
                    element(
                            "bdi",
                            chapter.heldOut().isPresent()
                                    ? Figures.percent(chapter.heldOut().getAsDouble())
                                    : ""),
                    text(Figures.percent(chapter.sparsity())),
                    element("bdi", moved(chapter)),
                    text(Figures.cell(chapter.seconds())));
        }
        return rows;
    }

    private static String moved(Chapter chapter) {
        if (chapter.moved().isEmpty()) {
            return "";
        }
        long moved = chapter.moved().getAsLong();
        return chapter.kept() == 0
                ? Figures.count(moved)
                : "%s (%s of the kept)"
                        .formatted(
                                Figures.count(moved),
                                Figures.percent((double) moved / chapter.kept()));
    }
}
