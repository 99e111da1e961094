package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.text;
import static dev.pollard.report.Svg.at;
import static dev.pollard.report.Svg.circle;
import static dev.pollard.report.Svg.drawing;
import static dev.pollard.report.Svg.label;
import static dev.pollard.report.Svg.line;
import static dev.pollard.report.Svg.rectangle;

import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.report.Node.Element;
import java.util.Map;
import java.util.function.DoubleFunction;
import java.util.function.ToDoubleFunction;

/// Drawings about layers and blocks, in SVG. Each is drawn [#WIDTH] wide and scales with the page.
final class Charts {
    static final int WIDTH = 400;
    private static final int LETTER = 6; // of a label
    private static final double LINE = 14; // of labels below each other
    private static final double SLANT = Math.sqrt(0.5); // labels over columns stand at 45°

    private Charts() {}

    // ---- block by module ----

    /// One cell for each layer: blocks downwards, modules to the right.
    ///
    /// @param ramp class that names the colours
    /// @param value what colours a layer
    /// @param words for a value in a cell, as short as can be
    static Element heatMap(
            String title,
            String ramp,
            LayerGrid grid,
            ToDoubleFunction<LayerFacts> value,
            DoubleFunction<String> words) {
        var labels = grid.labels(18);
        int columns = Math.max(1, labels.size());
        int longest = labels.stream().mapToInt(String::length).max().orElse(0);
        double overhang = LETTER * longest * SLANT;
        double left = 6 + 7.0 * digits(grid);
        double top = overhang + 14;
        double cell = Math.clamp((WIDTH - left - overhang) / columns, 4, 60);
        var scale = scale(grid, value);
        boolean uniform = scale.edges().length == 2; // the legend says it; no cell needs room to
        double height = grid.blocks().size() <= 12 ? 24 : uniform ? 8 : 17;
        var map =
                drawing(title, WIDTH, top + height * grid.blocks().size() + 2)
                        .with("class", "map " + ramp);
        int every = (int) Math.ceil(16 / cell);
        for (int c = 0; c < labels.size(); c += every) {
            double x = left + cell * (c + 0.5) + 2;
            map.add(
                    label(labels.get(c), x, top - 6, "start")
                            .with("transform", "rotate(-45 %s %s)".formatted(at(x), at(top - 6))));
        }
        double y = top;
        int row = 0;
        for (var block : grid.blocks().entrySet()) {
            if (height > LINE || row % (int) Math.ceil(LINE / height) == 0) {
                map.add(label(block.getKey().toString(), left - 5, y + height / 2 + 4, "end"));
            }
            row++;
            double x = left;
            for (String module : grid.modules()) {
                var layer = block.getValue().get(module);
                if (layer != null) {
                    double number = value.applyAsDouble(layer);
                    map.add(cell(layer, number, scale, words, x, y, cell - 1, height - 1));
                }
                x += cell;
            }
            y += height;
        }
        return map;
    }

    private static int digits(LayerGrid grid) {
        return grid.blocks().isEmpty() ? 1 : grid.blocks().lastEntry().getKey().toString().length();
    }

    static Scale scale(LayerGrid grid, ToDoubleFunction<LayerFacts> value) {
        return Scale.of(
                grid.blocks().values().stream()
                        .flatMap(block -> block.values().stream())
                        .mapToDouble(value));
    }

    private static Element cell(
            LayerFacts layer,
            double value,
            Scale scale,
            DoubleFunction<String> words,
            double x,
            double y,
            double width,
            double height) {
        boolean finite = Double.isFinite(value);
        String step = finite ? "s" + scale.step(value) : "none";
        String said = finite ? words.apply(value) : "✕";
        var cell =
                element("g", element("title", layer.name() + ": " + words.apply(value)))
                        .add(rectangle(x, y, width, height).with("class", step));
        if (LETTER * said.length() <= width && height >= LINE - 1 || !finite) {
            cell.add(
                    label(said, x + width / 2, y + height / 2 + 4, "middle")
                            .with("class", "on-" + step));
        }
        return cell;
    }

    /// What the colours of a map mean.
    static Element legend(String ramp, Scale scale, DoubleFunction<String> words) {
        var legend = element("p").with("class", "legend " + ramp);
        double[] edges = scale.edges();
        if (edges.length == 2) {
            String all =
                    words.apply(edges[0]).equals(words.apply(edges[1]))
                            ? words.apply(edges[0])
                            : words.apply(edges[0]) + " to " + words.apply(edges[1]);
            return legend.add(swatch(scale.step(edges[0])), text("all layers: " + all));
        }
        for (int i = 0; i + 1 < edges.length; i++) {
            legend.add(
                    element(
                            "span",
                            swatch(i),
                            text(words.apply(edges[i]) + " to " + words.apply(edges[i + 1]))));
        }
        return legend;
    }

    private static Element swatch(int step) {
        return element("i").with("class", "s" + step);
    }

    // ---- by block ----

    /// What one block has to show.
    ///
    /// @param low end of its line
    /// @param middle its dot
    /// @param high other end
    record Range(double low, double middle, double high) {
        boolean isFinite() {
            return Double.isFinite(low) && Double.isFinite(middle) && Double.isFinite(high);
        }
    }

    /// A dot on a line from low to high, for each block.
    static Element ranges(String title, Map<Integer, Range> blocks) {
        var plot = new Plot(title, blocks);
        plot.each(
                (range, x, width) ->
                        element(
                                "g",
                                line(x, plot.y(range.low), x, plot.y(range.high))
                                        .with("class", "range")
                                        .with("stroke-width", at(Math.clamp(width / 3, 1, 6))),
                                circle(x, plot.y(range.middle), Math.clamp(width / 3, 1.5, 4.5))
                                        .with("class", "mark")));
        return plot.drawing;
    }

    /// A column from 0 for each block.
    static Element columns(String title, Map<Integer, Range> blocks) {
        var plot = new Plot(title, blocks);
        plot.each(
                (range, x, width) -> {
                    double thick = Math.min(28, 0.72 * width);
                    double y = plot.y(range.high);
                    return rectangle(x - thick / 2, y, thick, plot.y(0) - y).with("class", "mark");
                });
        return plot.drawing;
    }

    private interface Mark {
        Element of(Range range, double x, double width);
    }

    /// Axes: blocks to the right, values from 0 upwards.
    private static final class Plot {
        private static final double LEFT = 46;
        private static final double RIGHT = WIDTH - 4;
        private static final double TOP = 12;
        private static final double BOTTOM = 168;

        private final Map<Integer, Range> blocks;
        private final Axis values;
        final Element drawing;

        Plot(String title, Map<Integer, Range> blocks) {
            this.blocks = blocks;
            this.values =
                    Axis.fromZero(
                            blocks.values().stream()
                                    .filter(Range::isFinite)
                                    .mapToDouble(Range::high)
                                    .max()
                                    .orElse(0));
            this.drawing = drawing(title, WIDTH, BOTTOM + 36);
            for (double tick : values.ticks()) {
                double y = y(tick);
                drawing.add(
                        line(LEFT, y, RIGHT, y).with("class", "grid"),
                        label(values.label(tick), LEFT - 6, y + 4, "end"));
            }
            drawing.add(label("block", (LEFT + RIGHT) / 2, BOTTOM + 32, "middle"));
        }

        double y(double value) {
            return BOTTOM - (BOTTOM - TOP) * values.part(value);
        }

        void each(Mark mark) {
            double width = (RIGHT - LEFT) / Math.max(1, blocks.size());
            int letters =
                    blocks.keySet().stream().mapToInt(b -> b.toString().length()).max().orElse(1);
            int every = round((int) Math.ceil((7.0 * letters + 8) / width));
            double x = LEFT + width / 2;
            int index = 0;
            for (var block : blocks.entrySet()) {
                if (index++ % every == 0) {
                    drawing.add(label(block.getKey().toString(), x, BOTTOM + 16, "middle"));
                }
                if (block.getValue().isFinite()) {
                    drawing.add(mark.of(block.getValue(), x, width));
                } else {
                    drawing.add(label("✕", x, BOTTOM - 4, "middle"));
                }
                x += width;
            }
        }

        /// The next of 1, 2, 5, 10, 20, 50, …
        private static int round(int every) {
            int step = 1;
            for (int i = 0; step < every; i++) {
                step = i % 3 == 1 ? step / 2 * 5 : step * 2;
            }
            return step;
        }
    }

    // ---- by name ----

    /// A bar to the right for each name.
    static Element bars(String title, Map<String, Double> values, DoubleFunction<String> words) {
        double left = 80;
        double room = WIDTH - left - 76;
        double most = values.values().stream().mapToDouble(v -> v).max().orElse(1);
        var bars = drawing(title, WIDTH, 26.0 * values.size());
        double y = 0;
        for (var value : values.entrySet()) {
            double width = most > 0 ? Math.max(1, room * value.getValue() / most) : 1;
            bars.add(
                    label(value.getKey(), left - 8, y + 17, "end"),
                    rectangle(left, y + 4, width, 18).with("class", "mark"),
                    label(words.apply(value.getValue()), left + width + 6, y + 17, "start"));
            y += 26;
        }
        return bars;
    }
}
