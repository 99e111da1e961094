package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;
import static dev.pollard.report.Svg.label;
import static dev.pollard.report.Svg.line;
import static dev.pollard.report.Svg.point;

import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.report.Node.Element;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// How the values of the weights are spread, before and after each step, by kind of module: the
/// picture by which SDS is explained (arXiv 2408.10473, figure 1).
final class WeightSection {
    private static final double WIDTH = 200;
    private static final double LEFT = 8;
    private static final double TOP = 16;
    private static final double BOTTOM = 112;

    /// A bin that is so many times the fullest of the dense weights is cut, and its share said.
    private static final double CUT = 1.6;

    private WeightSection() {}

    /// Empty if no layer has a histogram.
    static Optional<Element> of(LayerGrid grid) {
        var kinds = new ArrayList<Element>();
        for (String module : grid.modules()) {
            var layers =
                    grid.blocks().values().stream()
                            .map(block -> block.get(module))
                            .filter(Objects::nonNull)
                            .toList();
            kind(module, layers).ifPresent(kinds::add);
        }
        kind("layers outside of blocks", grid.others()).ifPresent(kinds::add);
        if (kinds.isEmpty()) {
            return Optional.empty();
        }
        kinds.getFirst().with("open", "open");
        return Optional.of(
                Page.section(
                                "weights",
                                "Values of the weights",
                                Page.lead(
                                        text(
                                                "Share of the weights by value, for each kind of"
                                                        + " module over all blocks. The line is the"
                                                        + " dense model's; exact zeros are not drawn"
                                                        + " but said.")))
                        .add(kinds));
    }

    private static Optional<Element> kind(String module, List<LayerFacts> layers) {
        var weights = Weights.of(layers);
        if (weights.isEmpty()) {
            return Optional.empty();
        }
        String title = "Weights of " + module + ", % of all in each bin";
        var panels = element("div").with("class", "panels");
        double top = top(weights);
        weights.shares().keySet().forEach(step -> panels.add(panel(module, weights, step, top)));
        var figure =
                Page.chart(
                        title,
                        "%s, %s weights; %s bins from %s to %s"
                                .formatted(
                                        Figures.count(weights.layers(), "layer"),
                                        Figures.count(weights.weights()),
                                        weights.middles().size(),
                                        Figures.brief(-weights.bound()),
                                        Figures.brief(weights.bound())),
                        List.of(panels),
                        table(title, weights).framed());
        return Optional.of(
                element(
                                "details",
                                element("summary", foreign(module)),
                                figure.with("class", "wide"))
                        .with("class", "kind"));
    }

    /// Share at the top of the panels, the same for all of a kind.
    private static double top(Weights weights) {
        double most =
                weights.shares().values().stream().flatMapToDouble(Arrays::stream).max().orElse(0);
        double[] dense = weights.shares().get(Weights.DENSE);
        double cut = dense == null ? most : CUT * Arrays.stream(dense).max().orElse(0);
        return cut > 0 ? Math.min(most, cut) : most > 0 ? most : 1;
    }

    private static Element panel(String module, Weights weights, String step, double top) {
        double[] shares = weights.shares().get(step);
        double zeros = weights.zeros(step);
        String said = "%s exact zeros".formatted(Figures.percent(zeros));
        var drawing =
                Svg.drawing(
                        "Weights of %s, %s: %s".formatted(module, step, said), WIDTH, BOTTOM + 18);
        for (double part : new double[] {0, 0.5, 1}) {
            drawing.add(line(x(part), TOP, x(part), BOTTOM).with("class", "grid"));
        }
        drawing.add(
                element("polygon")
                        .with("class", "mark")
                        .with("points", outline(shares, top, true)));
        double[] dense = weights.shares().get(Weights.DENSE);
        if (dense != null && !step.equals(Weights.DENSE)) {
            drawing.add(Svg.polyline(outline(dense, top, false)).with("class", "dense"));
        }
        drawing.add(line(x(0), BOTTOM, x(1), BOTTOM).with("class", "floor"));
        double most = Arrays.stream(shares).max().orElse(0);
        int fullest = fullest(shares);
        if (most > 0) {
            boolean cut = most > top * (1 + 1e-9);
            double x = x((fullest + 0.5) / shares.length);
            double y = cut ? TOP : y(most, top);
            drawing.add(
                    label(
                            (cut ? "↑ " : "") + Figures.brief(100 * most) + " %",
                            Math.clamp(x, 24, WIDTH - 24),
                            y - 4,
                            "middle"));
        }
        drawing.add(
                label(Figures.brief(-weights.bound()), x(0), BOTTOM + 14, "start"),
                label("0", x(0.5), BOTTOM + 14, "middle"),
                label(Figures.brief(weights.bound()), x(1), BOTTOM + 14, "end"));
        return element(
                "div",
                element("h4", foreign(step)),
                element("p", zeros < 5e-5 ? "no exact zeros" : said).with("class", "below"),
                drawing);
    }

    private static int fullest(double[] shares) {
        int fullest = 0;
        for (int i = 1; i < shares.length; i++) {
            fullest = shares[i] > shares[fullest] ? i : fullest;
        }
        return fullest;
    }

    private static String outline(double[] shares, double top, boolean closed) {
        var points = new StringBuilder();
        if (closed) {
            points.append(point(x(0), BOTTOM));
        }
        for (int i = 0; i < shares.length; i++) {
            double y = y(Math.min(shares[i], top), top);
            points.append(point(x((double) i / shares.length), y));
            points.append(point(x((i + 1.0) / shares.length), y));
        }
        if (closed) {
            points.append(point(x(1), BOTTOM));
        }
        return points.toString().strip();
    }

    private static double x(double part) {
        return LEFT + (WIDTH - 2 * LEFT) * part;
    }

    private static double y(double share, double top) {
        return BOTTOM - (BOTTOM - TOP) * share / top;
    }

    private static Rows table(String title, Weights weights) {
        var titles = new ArrayList<>(List.of(">Middle of the bin"));
        weights.shares().keySet().forEach(step -> titles.add(">" + step));
        var rows = new Rows(title, titles);
        var zeros = new ArrayList<Node>(List.of(text("exactly 0")));
        weights.shares()
                .keySet()
                .forEach(step -> zeros.add(text(Figures.number(100 * weights.zeros(step)))));
        rows.add(zeros);
        var middles = weights.middles();
        for (int i = 0; i < middles.size(); i++) {
            int bin = i;
            var cells = new ArrayList<Node>(List.of(text(Figures.number(middles.get(i)))));
            weights.shares()
                    .values()
                    .forEach(shares -> cells.add(text(Figures.number(100 * shares[bin]))));
            rows.add(cells);
        }
        return rows;
    }
}
