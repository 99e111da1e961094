package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.text;
import static dev.pollard.report.Svg.circle;
import static dev.pollard.report.Svg.label;
import static dev.pollard.report.Svg.line;
import static dev.pollard.report.Svg.rectangle;

import dev.pollard.report.Node.Element;
import java.util.List;
import java.util.stream.DoubleStream;

/// Accuracies of tasks, one below the other: dense a ring, pruned a dot with its standard error,
/// the control a small square.
record DotChart(String title, List<Score> scores) {
    private static final double LEFT = 112;
    private static final double RIGHT = Charts.WIDTH - 14;
    private static final double TOP = 8;
    private static final double ROW = 26;

    Element drawing() {
        double bottom = TOP + ROW * scores.size();
        var axis =
                Axis.between(
                        scores.stream()
                                .map(Score::facts)
                                .flatMapToDouble(
                                        e ->
                                                DoubleStream.of(
                                                        e.dense(),
                                                        e.pruned(),
                                                        e.control() == null
                                                                ? e.pruned()
                                                                : e.control()))
                                .map(value -> 100 * value)
                                .toArray());
        var drawing = Svg.drawing(title, Charts.WIDTH, bottom + 22);
        for (double tick : axis.ticks()) {
            double x = x(axis, tick);
            drawing.add(
                    line(x, TOP, x, bottom).with("class", "grid"),
                    label(axis.label(tick), x, bottom + 16, "middle"));
        }
        double y = TOP + ROW / 2;
        for (var score : scores) {
            drawing.add(label(Figures.shortened(score.task(), 14), LEFT - 10, y + 4, "end"));
            draw(drawing, axis, score, y);
            y += ROW;
        }
        return drawing;
    }

    private static void draw(Element drawing, Axis axis, Score score, double y) {
        var facts = score.facts();
        if (!Double.isFinite(facts.dense()) || !Double.isFinite(facts.pruned())) {
            drawing.add(label("✕", LEFT + 8, y + 4, "middle"));
            return;
        }
        double dense = x(axis, 100 * facts.dense());
        double pruned = x(axis, 100 * facts.pruned());
        var row = element("g", element("title", words(score)));
        row.add(line(dense, y, pruned, y).with("class", "change"));
        if (facts.stderr() != null && Double.isFinite(facts.stderr())) {
            double error = 100 * facts.stderr();
            row.add(
                    line(
                                    x(axis, 100 * facts.pruned() - error),
                                    y,
                                    x(axis, 100 * facts.pruned() + error),
                                    y)
                            .with("class", "range")
                            .with("stroke-width", "7"));
        }
        if (facts.control() != null && Double.isFinite(facts.control())) {
            row.add(
                    rectangle(x(axis, 100 * facts.control()) - 3, y - 3, 6, 6)
                            .with("class", "other"));
        }
        row.add(
                circle(dense, y, 4).with("class", "ring"),
                circle(pruned, y, 4).with("class", "mark"));
        drawing.add(row);
    }

    private static String words(Score score) {
        return "%s: dense %s, pruned %s%s"
                .formatted(
                        score.task(),
                        score.dense(),
                        Score.with(score.pruned(), score.prunedError()),
                        score.control().isEmpty() ? "" : ", control " + score.control());
    }

    private static double x(Axis axis, double value) {
        return LEFT + (RIGHT - LEFT) * Math.clamp(axis.part(value), 0, 1);
    }

    Element legend() {
        var legend =
                element(
                        "p",
                        sign(circle(6, 6, 4).with("class", "ring"), "dense"),
                        sign(circle(6, 6, 4).with("class", "mark"), "pruned"));
        if (scores.stream().anyMatch(score -> !score.control().isEmpty())) {
            legend.add(sign(rectangle(3, 3, 6, 6).with("class", "other"), "control"));
        }
        return legend.with("class", "legend");
    }

    private static Element sign(Element mark, String name) {
        return element(
                "span",
                Svg.drawing(name, 12, 12)
                        .with("class", "sign")
                        .with("width", "12")
                        .with("height", "12")
                        .add(mark),
                text(name));
    }
}
