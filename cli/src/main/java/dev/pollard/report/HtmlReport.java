package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.EvaluationFacts;
import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.report.Charts.Range;
import dev.pollard.report.Node.Element;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/// The page about a run: one file without network or script, for a phone, a screen and paper, light
/// and dark.
///
/// Every chart has a table behind it. The page is HTML that is well-formed XML too.
public final class HtmlReport {
    private static final int WORST = 5;
    private static final int HASH_DIGITS = 12;

    private final RunRecord record;
    private final LayerGrid grid;
    private final Outcome outcome;

    private HtmlReport(RunRecord record) {
        this.record = Missing.filled(record);
        this.grid = LayerGrid.of(this.record.layers());
        this.outcome = Outcome.of(this.record, grid);
    }

    /// Writes `pollard/report.html`.
    ///
    /// @param folder the output folder
    public static void write(RunRecord record, Path folder) throws IOException {
        Path home = Files.createDirectories(folder.resolve("pollard"));
        Files.writeString(home.resolve("report.html"), page(record));
    }

    /// The text of the page.
    static String page(RunRecord record) {
        return "<!DOCTYPE html>\n" + new HtmlReport(record).page().markup() + "\n";
    }

    private Element page() {
        String title =
                "%s, %s %s"
                        .formatted(
                                Figures.fileName(record.model().path()),
                                record.method().name(),
                                record.pattern());
        var head =
                element(
                        "head",
                        element("meta").with("charset", "utf-8"),
                        element("meta")
                                .with("name", "viewport")
                                .with("content", "width=device-width, initial-scale=1"),
                        // Should a word slip through unescaped, the browser still runs nothing.
                        element("meta")
                                .with("http-equiv", "Content-Security-Policy")
                                .with("content", "default-src 'none'; style-src 'unsafe-inline'"),
                        element("meta").with("name", "color-scheme").with("content", "light dark"),
                        element("title", title),
                        element("style", style()));
        var body = element("body", header());
        var main = element("main", headline(), evaluations());
        if (!record.warnings().isEmpty()) {
            main.add(warnings());
        }
        main.add(layers(), setting(), time(), reproduce());
        return element("html", head, body.add(main, footer())).with("lang", "en");
    }

    private static String style() {
        try (var css = HtmlReport.class.getResourceAsStream("report.css")) {
            return new String(css.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Element section(String id, String title, Node... content) {
        return element("section", element("h2", title)).add(content).with("id", id);
    }

    // ---- headline ----

    private Element header() {
        var model = record.model();
        return element(
                "header",
                element("h1", foreign(Figures.fileName(model.path()))),
                element(
                        "p",
                        text("pruned with "),
                        element("b", foreign(record.method().name())),
                        text(", "),
                        element("b", foreign(Figures.pattern(record.pattern()))),
                        text(
                                " of the weights in "
                                        + Figures.count(grid.layers().size(), "layer"))));
    }

    private Element headline() {
        var tiles = element("div").with("class", "tiles");
        for (var evaluation : record.evaluations()) {
            tiles.add(
                    tile(
                            foreign(evaluation.metric() + " on " + Outcome.taskName(evaluation)),
                            Figures.number(evaluation.dense()),
                            Figures.number(evaluation.pruned()),
                            quality(evaluation)));
        }
        if (record.evaluations().isEmpty()) {
            tiles.add(tile(text("Quality"), "", "not measured", "this run evaluated nothing"));
        }
        tiles.add(
                tile(
                        text("Zeros in pruned layers"),
                        "",
                        Figures.percent(record.sparsity()),
                        "%s of %s weights"
                                .formatted(
                                        Figures.count(outcome.removed()),
                                        Figures.count(outcome.prunedWeights()))),
                tile(
                        text("Tensors on disk"),
                        Figures.bytes(record.model().bytes()),
                        Figures.bytes(record.size().denseBytes()),
                        "as a bitmask %s".formatted(Figures.bytes(record.size().bitmaskBytes()))),
                tile(
                        text("Time"),
                        "",
                        Figures.seconds(record.seconds().total()),
                        record.peakRssBytes() == null
                                ? "peak memory unknown"
                                : "peak memory " + Figures.bytes(record.peakRssBytes())));
        var verdict = element("div").with("class", "verdict");
        if (!outcome.gained().isEmpty()) {
            verdict.add(sentences("Gained", "gained", outcome.gained()));
        }
        verdict.add(sentences("Not gained", "not-gained", outcome.notGained()));
        return element("section", tiles, verdict)
                .with("id", "headline")
                .with("aria-label", "Headline");
    }

    private static String quality(EvaluationFacts evaluation) {
        var parts = new ArrayList<String>();
        String change = Figures.change(evaluation.dense(), evaluation.pruned());
        if (!change.isEmpty()) {
            parts.add(change);
        }
        parts.add(
                evaluation.stderr() == null
                        ? "standard error unknown"
                        : "± " + Figures.brief(evaluation.stderr()) + " standard error");
        parts.add(windows(evaluation) + " windows");
        return String.join(", ", parts);
    }

    private static String windows(EvaluationFacts evaluation) {
        return evaluation.windows() == evaluation.windowsAvailable()
                ? "all " + Figures.count(evaluation.windows())
                : "%s of %s"
                        .formatted(
                                Figures.count(evaluation.windows()),
                                Figures.count(evaluation.windowsAvailable()));
    }

    private static Element tile(Node name, String before, String now, String below) {
        var figure = element("p").with("class", "figure");
        if (!before.isEmpty()) {
            figure.add(element("span", before).with("class", "before"), text(" → "));
        }
        figure.add(element("strong", now));
        return element(
                        "div",
                        element("p", name).with("class", "name"),
                        figure,
                        element("p", below).with("class", "below"))
                .with("class", "tile");
    }

    private static Element sentences(String title, String kind, List<String> sentences) {
        return element(
                        "div",
                        element("h2", title),
                        element("ul")
                                .add(
                                        sentences.stream()
                                                .map(said -> element("li", foreign(said)))
                                                .toList()))
                .with("class", kind);
    }

    // ---- evaluation ----

    private Element evaluations() {
        var section = section("evaluation", "Evaluation, dense against pruned");
        if (record.evaluations().isEmpty()) {
            return section.add(element("p", "This run evaluated nothing."));
        }
        var rows =
                new Rows(
                        "± is the standard error of the pruned value over the windows; hashes are"
                                + " of the token ids",
                        "Task",
                        "Metric",
                        ">Dense",
                        ">Pruned",
                        ">±",
                        ">Change",
                        ">Windows",
                        ">Window length, tokens",
                        ">Tokens in the text",
                        "BOS token",
                        "SHA-256");
        for (var e : record.evaluations()) {
            rows.add(
                    foreign(e.task()),
                    foreign(e.metric()),
                    text(Figures.number(e.dense()) + (e.denseFromCache() ? " (from cache)" : "")),
                    element("b", Figures.number(e.pruned())),
                    text(e.stderr() == null ? "unknown" : Figures.brief(e.stderr())),
                    text(Figures.change(e.dense(), e.pruned())),
                    text(windows(e)),
                    text(Figures.count(e.length())),
                    text(Figures.count(e.tokens())),
                    foreign(e.bos()),
                    hash(e.sha256()));
        }
        return section.add(rows.stacked());
    }

    private static Element hash(String sha256) {
        boolean cut = sha256.length() > HASH_DIGITS;
        return element("code", cut ? sha256.substring(0, HASH_DIGITS) + "…" : sha256)
                .with("class", "hash");
    }

    private Element warnings() {
        var list = element("ul");
        record.warnings().forEach(warning -> list.add(element("li", foreign(warning))));
        return section("warnings", Figures.count(record.warnings().size(), "warning"), list)
                .with("class", "warnings");
    }

    // ---- layers ----

    private Element layers() {
        var section = section("layers", "Layers");
        if (grid.layers().isEmpty()) {
            return section.add(element("p", "No layer was pruned."));
        }
        var charts = element("div").with("class", "charts");
        if (!grid.blocks().isEmpty()) {
            charts.add(
                    map(
                            "Relative error of every layer, %",
                            "Squared change of the output over the squared output; blocks down, modules across"
                                    + measured(),
                            "warm",
                            layer -> 100 * layer.relativeError()),
                    map(
                            "Sparsity of every layer, %",
                            "Share of weights that are zero; blocks down, modules across",
                            "cool",
                            layer -> 100 * layer.sparsity()),
                    errors(),
                    seconds());
        }
        return section.add(charts, worst(), all());
    }

    private String measured() {
        var kinds = record.layers().stream().map(LayerFacts::error).distinct().toList();
        if (kinds.equals(List.of("diagonal"))) {
            return "; inputs taken as uncorrelated";
        }
        return kinds.equals(List.of("weights")) ? "; of the weights, as no inputs were seen" : "";
    }

    private static Element chart(
            String title, String about, Element drawing, Element legend, Element table) {
        return element(
                "figure",
                element("h3", title),
                element("figcaption", about),
                drawing,
                legend,
                element("details", element("summary", "The numbers as a table"), table));
    }

    private Element map(
            String title, String about, String ramp, ToDoubleFunction<LayerFacts> value) {
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
        return chart(
                title,
                about,
                Charts.heatMap(title, ramp, grid, value, Figures::cell),
                Charts.legend(ramp, Charts.scale(grid, value), v -> Figures.cell(v) + " %"),
                rows.framed());
    }

    private SequencedMap<Integer, Range> byBlock(Function<List<LayerFacts>, Range> summary) {
        var ranges = new TreeMap<Integer, Range>();
        grid.blocks()
                .forEach(
                        (block, layers) ->
                                ranges.put(block, summary.apply(List.copyOf(layers.values()))));
        return ranges;
    }

    private Element errors() {
        String title = "Relative error by block, %";
        var ranges =
                byBlock(
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
        return chart(
                title,
                "Dot: mean of the layers of the block; line: from the least to the most",
                Charts.ranges(title, ranges),
                element("p"),
                rows.framed());
    }

    private Element seconds() {
        String title = "Time to prune each block, s";
        var ranges =
                byBlock(
                        layers -> {
                            double sum = layers.stream().mapToDouble(LayerFacts::seconds).sum();
                            return new Range(0, sum, sum);
                        });
        var rows = new Rows(title, ">Block", ">Seconds");
        ranges.forEach(
                (block, range) ->
                        rows.add(text(block.toString()), text(Figures.number(range.high()))));
        return chart(
                title,
                "Sum over the layers of the block; forward passes not counted",
                Charts.columns(title, ranges),
                element("p"),
                rows.framed());
    }

    private Element worst() {
        var worst =
                grid.layers().stream()
                        .sorted(Comparator.comparingDouble(LayerFacts::relativeError).reversed())
                        .limit(WORST)
                        .toList();
        var rows = layerRows("Layers that lost most");
        worst.forEach(layer -> add(rows, layer));
        return rows.stacked();
    }

    private Element all() {
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

    // ---- facts ----

    private Element setting() {
        var model = element("dl");
        fact(model, "File", foreign(record.model().path()));
        fact(model, "Architecture", foreign(record.model().architecture()));
        fact(model, "Weights stored as", foreign(record.model().storage()));
        fact(model, "Parameters", text(Figures.count(record.model().parameters())));
        fact(model, "Prunable", text(Figures.count(record.model().prunable())));
        fact(model, "Bytes of tensors", text(Figures.count(record.model().bytes())));

        var method = element("dl");
        fact(method, "Name", foreign(record.method().name()));
        fact(method, "Pattern", foreign(Figures.pattern(record.pattern())));
        fact(method, "Allocation", foreign(record.method().allocation()));
        record.method()
                .settings()
                .forEach(
                        (name, value) ->
                                method.add(element("dt", foreign(name)), dd(foreign(value))));
        fact(method, "Inputs of the layers", foreign(inputs()));
        fact(method, "Computed in", foreign(record.method().compute()));
        fact(method, "Seed", text(Long.toString(record.seed())));

        var calibration = element("dl");
        var facts = record.calibration();
        if (facts.sequences() == 0) {
            fact(calibration, "Text", text("none: the method saw no data"));
        } else {
            var sources = element("ul");
            facts.source().forEach(source -> sources.add(element("li", foreign(source))));
            fact(calibration, "Text", sources);
            fact(calibration, "Sampling", foreign(facts.sampling()));
            fact(
                    calibration,
                    "Sequences × length",
                    text(
                            "%s × %s tokens"
                                    .formatted(
                                            Figures.count(facts.sequences()),
                                            Figures.count(facts.length()))));
            fact(calibration, "Tokens", text(Figures.count(facts.tokens())));
            fact(calibration, "SHA-256 of the ids", hash(facts.sha256()));
        }
        return section(
                "setting",
                "Model, method, calibration",
                element(
                                "div",
                                facts("Model", model),
                                facts("Method", method),
                                facts("Calibration", calibration))
                        .with("class", "facts"));
    }

    private String inputs() {
        return switch (record.method().inputs()) {
            case "pruned" -> "of the model pruned so far";
            case "dense" -> "of the dense model";
            default -> record.method().inputs();
        };
    }

    private static Element facts(String title, Element list) {
        return element("div", element("h3", title), list);
    }

    private static void fact(Element list, String name, Node value) {
        list.add(element("dt", name), dd(value));
    }

    private static Element dd(Node value) {
        return element("dd", value);
    }

    private Element time() {
        var seconds = record.seconds();
        var phases = new LinkedHashMap<String, Double>();
        phases.put("load", seconds.load());
        phases.put("capture", seconds.capture());
        phases.put("prune", seconds.prune());
        phases.put("propagate", seconds.propagate());
        phases.put("commit", seconds.commit());
        phases.put("save", seconds.save());
        phases.put("verify", seconds.verify());
        phases.put("evaluate", seconds.evaluate());
        double other =
                seconds.total() - phases.values().stream().mapToDouble(Double::doubleValue).sum();
        phases.put("other", Math.max(0, other));
        String title = "Time of each phase, s";
        var rows = new Rows(title, "Phase", ">Seconds");
        phases.forEach((phase, took) -> rows.add(text(phase), text(Figures.number(took))));
        rows.add(text("total"), text(Figures.number(seconds.total())));
        var drawing =
                chart(
                        title,
                        "%s in all%s"
                                .formatted(
                                        Figures.seconds(seconds.total()),
                                        record.peakRssBytes() == null
                                                ? ""
                                                : "; peak memory "
                                                        + Figures.bytes(record.peakRssBytes())),
                        Charts.bars(title, phases, Figures::seconds),
                        element("p"),
                        rows.framed());
        return section("time", "Time and memory", element("div", drawing).with("class", "charts"));
    }

    private Element reproduce() {
        var hashes = new Rows("SHA-256", "Of", "Digest");
        hashes.add(text("tensors of the dense model"), element("code", record.model().sha256()));
        if (!record.calibration().sha256().isEmpty()) {
            hashes.add(
                    text("calibration token ids"), element("code", record.calibration().sha256()));
        }
        for (var evaluation : record.evaluations()) {
            hashes.add(
                    element("span", text("token ids of "), foreign(Outcome.taskName(evaluation))),
                    element("code", evaluation.sha256()));
        }
        return section(
                "reproduce",
                "To do it again",
                element("pre", element("code", record.command())),
                hashes.stacked());
    }

    private Element footer() {
        return element(
                "footer",
                element(
                        "p",
                        text("Pollard "),
                        foreign(record.pollard()),
                        text(", "),
                        foreign(record.created()),
                        text(
                                ". The same numbers for programs are in report.json beside this"
                                        + " page.")));
    }
}
