package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.ControlFacts;
import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.report.Charts.Range;
import dev.pollard.report.Node.Element;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/// What became of each layer: error, sparsity and time, by block and by module.
final class LayerSection {
    private static final int WORST = 5;

    private LayerSection() {}

    static Element of(RunRecord run, LayerGrid grid) {
        var section = Page.section("layers", "Layers");
        if (grid.layers().isEmpty()) {
            return section.add(element("p", "No layer was pruned."));
        }
        var charts = new ArrayList<Element>();
        if (!grid.blocks().isEmpty()) {
            charts.add(
                    map(
                            grid,
                            "Relative error of every layer, %",
                            "Squared change of the output over the squared output; blocks down,"
                                    + " modules across"
                                    + measured(grid),
                            "warm",
                            layer -> 100 * layer.relativeError()));
            charts.add(
                    map(
                            grid,
                            "Sparsity of every layer, %",
                            "Share of weights that are zero; blocks down, modules across",
                            "cool",
                            layer -> 100 * layer.sparsity()));
            if (run.control() != null) {
                var both =
                        LayerGrid.of(
                                grid.layers().stream()
                                        .filter(l -> run.control().layers().get(l.name()) != null)
                                        .toList());
                if (!both.blocks().isEmpty()) {
                    charts.add(beside(both, run.control()));
                }
            }
            charts.add(errors(grid));
            charts.add(seconds(grid));
        }
        return section.add(Page.charts(charts), worst(grid), all(grid));
    }

    /// Every layer's error beside the control's.
    private static Element beside(LayerGrid grid, ControlFacts control) {
        return map(
                grid,
                "Relative error of every layer, % of the control's",
                "Below 100 the method did better than the control on that layer; blocks down,"
                        + " modules across",
                "warm",
                layer -> 100 * layer.relativeError() / control.layers().get(layer.name()));
    }

    private static String measured(LayerGrid grid) {
        var kinds = grid.layers().stream().map(LayerFacts::error).distinct().toList();
        if (kinds.equals(List.of("diagonal"))) {
            return "; inputs taken as uncorrelated";
        }
        return kinds.equals(List.of("weights")) ? "; of the weights, as no inputs were seen" : "";
    }

    /// One number of every layer, as a map.
    static Element map(
            LayerGrid grid,
            String title,
            String about,
            String ramp,
            ToDoubleFunction<LayerFacts> value) {
        var titles = new ArrayList<>(List.of(">Block"));
        grid.modules().forEach(module -> titles.add(">" + module));
        var rows = new Rows(title, titles);
        grid.blocks()
                .forEach(
                        (block, layers) -> {
                            var cells = new ArrayList<Node>(List.of(text(block.toString())));
                            for (String module : grid.modules()) {
                                var layer = layers.get(module);
                                cells.add(
                                        text(
                                                layer == null
                                                        ? ""
                                                        : Figures.number(
                                                                value.applyAsDouble(layer))));
                            }
                            rows.add(cells);
                        });
        return Page.chart(
                title,
                about,
                List.of(
                        Charts.heatMap(title, ramp, grid, value, Figures::cell),
                        Charts.legend(
                                ramp, Charts.scale(grid, value), v -> Figures.cell(v) + " %")),
                rows.framed());
    }

    private static SequencedMap<Integer, Range> byBlock(
            LayerGrid grid, Function<List<LayerFacts>, Range> summary) {
        var ranges = new TreeMap<Integer, Range>();
        grid.blocks()
                .forEach(
                        (block, layers) ->
                                ranges.put(block, summary.apply(List.copyOf(layers.values()))));
        return ranges;
    }

    private static Element errors(LayerGrid grid) {
        String title = "Relative error by block, %";
        var ranges =
                byBlock(
                        grid,
                        layers -> {
                            var statistics =
                                    layers.stream()
                                            .mapToDouble(layer -> 100 * layer.relativeError())
                                            .summaryStatistics();
                            return new Range(
                                    statistics.getMin(),
                                    statistics.getAverage(),
                                    statistics.getMax());
                        });
        var rows = new Rows(title, ">Block", ">Least", ">Mean", ">Most");
        ranges.forEach(
                (block, range) ->
                        rows.add(
                                text(block.toString()),
                                text(Figures.number(range.low())),
                                text(Figures.number(range.middle())),
                                text(Figures.number(range.high()))));
        return Page.chart(
                title,
                "Dot: mean of the layers of the block; line: from the least to the most",
                List.of(Charts.ranges(title, ranges)),
                rows.framed());
    }

    private static Element seconds(LayerGrid grid) {
        String title = "Time to prune each block, s";
        var ranges =
                byBlock(
                        grid,
                        layers -> {
                            double sum = layers.stream().mapToDouble(LayerFacts::seconds).sum();
                            return new Range(0, sum, sum);
                        });
        var rows = new Rows(title, ">Block", ">Seconds");
        ranges.forEach(
                (block, range) ->
                        rows.add(text(block.toString()), text(Figures.number(range.high()))));
        return Page.chart(
                title,
                "Sum over the layers of the block; forward passes not counted",
                List.of(Charts.columns(title, ranges)),
                rows.framed());
    }

    private static Element worst(LayerGrid grid) {
        var worst =
                grid.layers().stream()
                        .sorted(Comparator.comparingDouble(LayerFacts::relativeError).reversed())
                        .limit(WORST)
                        .toList();
        var rows = layerRows("Layers that lost most");
        worst.forEach(layer -> add(rows, layer));
        return rows.stacked();
    }

    private static Element all(LayerGrid grid) {
        var rows = layerRows("All layers");
        grid.layers().forEach(layer -> add(rows, layer));
        return element(
                "details",
                element("summary", "All " + Figures.count(grid.layers().size(), "layer")),
                rows.framed());
    }

    private static Rows layerRows(String caption) {
        return new Rows(
                caption,
                "Layer",
                ">Rows × columns",
                ">Sparsity",
                ">Relative error",
                "Error measured on",
                ">Seconds",
                "Notes");
    }

    private static void add(Rows rows, LayerFacts layer) {
        rows.add(
                foreign(layer.name()),
                text(Figures.count(layer.rows()) + " × " + Figures.count(layer.columns())),
                text(Figures.percent(layer.sparsity())),
                text(Figures.percent(layer.relativeError())),
                foreign(layer.error()),
                text(Figures.cell(layer.seconds())),
                foreign(String.join("; ", layer.notes())));
    }
}
