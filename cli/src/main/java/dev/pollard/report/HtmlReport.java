package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.report.Node.Element;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// The page about a run: one file without network or script, for a phone, a screen and paper, light
/// and dark. Every chart has a table behind it.
///
/// Parts that the record lacks are left out, but for those whose lack is news.
public final class HtmlReport {
    private static final int NAME = 100; // letters of a model's name in a heading

    private HtmlReport() {}

    /// Writes `pollard/report.html`.
    ///
    /// @param folder the output folder
    public static void write(RunRecord record, Path folder) throws IOException {
        Path home = Files.createDirectories(folder.resolve("pollard"));
        Files.writeString(home.resolve("report.html"), page(record));
    }

    /// The text of the page.
    public static String page(RunRecord record) {
        var run = Missing.filled(record);
        var grid = LayerGrid.of(run.layers());
        List<Element> sections =
                Stream.of(
                                Optional.of(QualitySection.of(run)),
                                warnings(run.warnings()),
                                StepSection.of(run, grid),
                                Optional.of(LayerSection.of(run, grid)),
                                WeightSection.of(grid),
                                SampleSection.of(run),
                                Optional.of(SettingSection.setting(run)),
                                Optional.of(SettingSection.time(run)),
                                Optional.of(SettingSection.reproduce(run)))
                        .flatMap(Optional::stream)
                        .toList();
        var main = new ArrayList<Element>();
        main.add(HeadlineSection.of(run, Outcome.of(run, grid)));
        main.addAll(sections);
        return Page.of(
                "%s, %s %s"
                        .formatted(
                                Figures.fileName(run.model().path()),
                                run.method().name(),
                                run.pattern()),
                List.of(
                        header(run, grid),
                        Page.contents(sections),
                        element("main").add(main),
                        footer(run)));
    }

    private static Element header(RunRecord run, LayerGrid grid) {
        return element(
                "header",
                element("h1", foreign(Figures.fileName(run.model().path()), NAME)),
                element(
                        "p",
                        text("pruned with "),
                        element("b", foreign(run.method().name())),
                        text(", "),
                        element("b", foreign(Figures.pattern(run.pattern()))),
                        text(
                                " of the weights in "
                                        + Figures.count(grid.layers().size(), "layer"))));
    }

    private static Optional<Element> warnings(List<String> warnings) {
        if (warnings.isEmpty()) {
            return Optional.empty();
        }
        var list = element("ul");
        warnings.forEach(warning -> list.add(element("li", foreign(warning))));
        return Optional.of(
                Page.section("warnings", Figures.count(warnings.size(), "warning"), list)
                        .with("class", "warnings"));
    }

    private static Element footer(RunRecord run) {
        return element(
                "footer",
                element(
                        "p",
                        text("Pollard "),
                        foreign(run.pollard()),
                        text(", "),
                        foreign(run.created()),
                        text(
                                ". The same numbers for programs are in report.json beside this"
                                        + " page.")));
    }
}
