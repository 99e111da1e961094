package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.CalibrationFacts;
import dev.pollard.recipe.RunRecord.ControlFacts;
import dev.pollard.recipe.RunRecord.EnvironmentFacts;
import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.recipe.RunRecord.MethodFacts;
import dev.pollard.recipe.RunRecord.ModelFacts;
import dev.pollard.recipe.RunRecord.SampleFacts;
import dev.pollard.recipe.RunRecord.Size;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HtmlReportTest {
    @TempDir private Path folder;

    private static Markup open(RunRecord record) {
        return Markup.open(HtmlReport.page(record));
    }

    private static List<String> texts(Markup page, String path) {
        return page.texts(path);
    }

    private static String section(Markup page, String id) {
        return String.join("\n", texts(page, "//section[@id='" + id + "']"));
    }

    @Test
    void isOneFileThatAsksForNothing() throws IOException {
        HtmlReport.write(Records.complete().make(), folder);
        String page = Files.readString(folder.resolve("pollard/report.html"));
        assertFalse(page.contains("<script"));
        assertFalse(page.contains("url("));
        assertFalse(page.contains("@import"));
        assertFalse(page.contains("src="));
        assertFalse(page.matches("(?s).*href=\"[^#].*"), "links that leave the page");
        assertEquals(
                page.replace("http://www.w3.org/2000/svg", ""),
                page.replaceAll("https?://[^\"]*", ""));
    }

    /// A browser reads a style sheet as it is, XML resolves entities: it must need none.
    @Test
    void styleReadsTheSameAsHtmlAndAsXml() {
        String style = texts(open(new Records().make()), "//style").getFirst();
        assertTrue(HtmlReport.page(new Records().make()).contains(style.replace("\"", "&quot;")));
        assertFalse(style.matches("(?s).*[<>&\"'].*"), "signs that are escaped");
    }

    @Test
    void headlineSaysWhatWasGainedAndWhatNot() {
        String headline = section(open(new Records().make()), "headline");
        assertTrue(headline.contains("18.97 → 27.10"), headline);
        assertTrue(headline.contains("+42.9 %, ± 0.31 standard error, all 140 windows"), headline);
        assertTrue(
                headline.contains(
                        "The file grew from 98.3 MB to 269.1 MB: its Q4_1 weights were"
                                + " dequantised, and zeros are stored like any other number."),
                headline);
        assertTrue(headline.contains("still more than before."), headline);
        assertTrue(headline.contains("Dense matrix kernels run no faster"), headline);
        assertTrue(headline.contains("Perplexity on wiki.test.raw.gz went from 18.97 to 27.10"));
    }

    @Test
    void sizeOfAModelThatWasNotQuantised() {
        var records = new Records();
        records.model = new ModelFacts("m", "llama", "F16", 1000, 800, 269_060_552, "");
        String headline = section(open(records.make()), "headline");
        assertTrue(
                headline.contains(
                        "The file is as large as before, 269.1 MB: zeros are stored like any"
                                + " other number."),
                headline);
        assertTrue(headline.contains("it would be 163.0 MB, 60.59 % of 269.1 MB."), headline);
    }

    @Test
    void saysWhenTooFewZerosMakeABitmaskUseless() {
        var records = new Records();
        records.size = new Size(1000, 1040);
        assertTrue(
                section(open(records.make()), "headline")
                        .contains("As a bitmask it would be no smaller, 1.0 kB"));
    }

    @Test
    void everyChartHasATitleAndATableBehindIt() {
        var page = open(new Records().make());
        assertEquals(5, texts(page, "//figure").size());
        assertEquals(5, texts(page, "//figure[h3][svg[@aria-label=../h3]]//details//table").size());
        assertEquals(16, texts(open(Records.complete().make()), "//figure").size());
        assertEquals(
                16,
                texts(
                                open(Records.complete().make()),
                                "//figure[h3][figcaption][.//*[local-name()='svg']/@aria-label]"
                                        + "/details//table")
                        .size());
        assertTrue(
                texts(page, "//figure/h3").stream().allMatch(title -> title.matches(".*, (%|s)")));
    }

    @Test
    void mapHasACellForEveryLayer() {
        var page = open(new Records().make());
        var cells =
                texts(
                        page,
                        "//*[local-name()='svg'][contains(@class,'warm')]//*[local-name()='title']");
        assertEquals(210, cells.size());
        assertEquals(210, new HashSet<>(cells).size());
        assertTrue(cells.getFirst().startsWith("model.layers.0.self_attn.q_proj: "));
    }

    @Test
    void nothingOfAFileBecomesMarkup() {
        String evil = "<script>alert('x')</script>\"' onload=\"a\" &amp; ]]> <!--";
        var page = open(evil(evil));
        assertEquals(List.of(), texts(page, "//script"));
        assertEquals(List.of(), texts(page, "//*[@onload]"));
        assertFalse(HtmlReport.page(evil(evil)).contains("<script"));
        assertEquals(evil, texts(page, "//pre").getFirst());
        assertTrue(texts(page, "//section[@id='warnings']//bdi").contains(evil));
        assertTrue(texts(page, "//section[@id='layers']//th/bdi").contains(evil));
        assertTrue(texts(page, "//section[@id='quality']//bdi/@title").contains(evil));
        assertTrue(texts(page, "//dd/bdi").contains(evil));
        assertTrue(texts(page, "//dt/bdi").contains(evil));
        assertTrue(texts(page, "//dd//li/bdi").contains(evil));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "模型/剪枝",
                "نموذج عربي",
                "\u202Etxt.exe",
                "a\u0000b\u0008c\u001B[31m",
                "half \uD83D pair",
                "🌳 pollard",
                "line\nbreak\ttab",
                "../../etc/passwd",
                "{{x}} ${y} %s %d %"
            })
    void oddNamesStayText(String name) {
        var page = open(evil(name));
        String shown = name.replaceAll("[\\x00-\\x08\\x1B]|\uD83D(?!\uDF33)", "\uFFFD");
        assertTrue(texts(page, "//dd/bdi").contains(shown), shown);
    }

    @Test
    void longNamesAreKeptWholeInTablesAndCutInCharts() {
        String name = "n".repeat(500);
        var records = new Records();
        records.layers =
                List.of(
                        Records.layer("model.layers.0." + name, 0.5, 0.1),
                        Records.layer("model.layers.0.x" + name, 0.5, 0.1));
        var page = open(records.make());
        assertTrue(texts(page, "//td/..//bdi").contains("model.layers.0." + name));
        assertTrue(
                texts(page, "//*[local-name()='text']").stream().allMatch(t -> t.length() <= 20));
    }

    private static RunRecord evil(String text) {
        var records = new Records();
        records.model = new ModelFacts(text, text, text, 10, 5, 20, text);
        records.method = new MethodFacts(text, Map.of(text, text), text, text, text);
        records.pattern = text;
        records.calibration = new CalibrationFacts(List.of(text), text, 1, 1, 1, text);
        records.layers =
                List.of(
                        new LayerFacts(
                                text, 1, 2, 0.5, 0.1, text, 0, List.of(text), List.of(), null),
                        new LayerFacts(
                                "h.0." + text,
                                1,
                                2,
                                0.5,
                                0.1,
                                text,
                                0,
                                List.of(text),
                                List.of(),
                                null));
        records.evaluations = List.of(Records.evaluation(text, 1, 2, 0.1));
        records.command = text;
        records.warnings = List.of(text);
        records.samples = List.of(new SampleFacts(text, text, text));
        records.control = new ControlFacts(text, text, 0.1, Map.of(text, 0.1), 1);
        records.environment = new EnvironmentFacts(text, text, text, text, 1);
        records.layers =
                records.layers.stream()
                        .map(l -> Records.withSteps(l, 0.31, List.of(text, text + "2", "c", "d")))
                        .toList();
        return records.make();
    }

    @Test
    void tellsTheStoryOfAMethodOfSeveralSteps() {
        var page = open(Records.complete().make());
        String steps = section(page, "steps");
        Records.STEPS.forEach(step -> assertTrue(steps.contains(step), step));
        assertEquals(
                Records.STEPS,
                texts(page, "//section[@id='steps']/table/tbody/tr/th").stream().toList());
        assertTrue(
                texts(page, "//section[@id='steps']/table/tbody/tr[3]/td")
                        .contains("2,786,910 (8.00 % of the kept)"),
                steps);
        assertEquals(
                210,
                texts(page, "//section[@id='steps']//*[@class='crowd']").size(),
                "a thin line for each layer");
        assertTrue(steps.contains("control, sparsegpt"), steps);
    }

    @Test
    void drawsWeightsOfEveryModuleKindBeforeAndAfterEveryStep() {
        var page = open(Records.complete().make());
        String kinds = "//section[@id='weights']/details";
        assertEquals(7, texts(page, kinds).size());
        assertEquals(1, texts(page, kinds + "[@open]").size());
        assertEquals(35, texts(page, kinds + "//*[local-name()='svg']").size());
        assertEquals(
                List.of("dense", "prune", "re-dense", "prune again", "adjust"),
                texts(page, kinds + "[1]//h4"));
        assertEquals(65, texts(page, kinds + "[1]//tbody/tr").size());
    }

    @Test
    void putsTheControlBesideTheMethod() {
        var page = open(Records.complete().make());
        assertTrue(section(page, "headline").contains("control sparsegpt 28.91"));
        assertTrue(
                section(page, "headline")
                        .contains(
                                "Against the control, sparsegpt, on wiki.test.raw.gz: perplexity"
                                        + " 27.10 beside 28.91, 18 % of its loss won back."),
                section(page, "headline"));
        assertTrue(
                section(page, "headline")
                        .contains(
                                "over 7 tasks: accuracy 51.41 % beside 50.73 %, 40 % of its loss"
                                        + " won back."),
                section(page, "headline"));
        assertTrue(section(page, "quality").contains("the base method alone"));
        assertTrue(section(page, "layers").contains("% of the control's"));
    }

    @Test
    void callsADifferenceNoiseWhenItIs() {
        var page = open(Records.complete().make());
        var verdicts = texts(page, "//section[@id='quality']//span[starts-with(@class,'is-')]");
        assertEquals(
                List.of(
                        "worse (67.8 standard errors)",
                        "worse (p < 0.001)",
                        "worse (p < 0.001)",
                        "worse (p < 0.001)",
                        "worse (p = 0.004)",
                        "noise (p = 0.310)",
                        "noise (p = 0.930)",
                        "better (p = 0.048)",
                        "same"),
                verdicts);
        assertTrue(
                section(page, "headline")
                        .contains("better on 1, worse on 3, noise on 2, same on 1"),
                section(page, "headline"));
    }

    @Test
    void showsSamplesAndTheMachine() {
        var page = open(Records.complete().make());
        assertEquals(2, texts(page, "//section[@id='samples']/div").size());
        assertTrue(section(page, "samples").contains("which lies on the Seine"));
        assertTrue(section(page, "setting").contains("A Processor 9000 @ 2.40 GHz"));
        assertTrue(section(open(new Records().make()), "setting").contains("not recorded"));
    }

    @Test
    void whatARecordLacksLeavesNoHole() {
        var page = open(new Records().make());
        for (String id : List.of("steps", "weights", "samples", "warnings")) {
            assertEquals(List.of(), texts(page, "//section[@id='" + id + "']"), id);
        }
        assertFalse(section(page, "headline").contains("ontrol"));
        assertFalse(section(page, "quality").contains("ontrol"));
    }

    @Test
    void saysWhatIsMissing() {
        var records = new Records();
        records.evaluations = List.of();
        records.calibration = new CalibrationFacts(List.of(), "none", 0, 0, 0, "");
        records.peak = null;
        records.layers = List.of();
        var page = open(records.make());
        assertTrue(section(page, "headline").contains("not measured"));
        assertTrue(section(page, "headline").contains("peak memory unknown"));
        assertTrue(section(page, "headline").contains("this run evaluated nothing"));
        assertTrue(section(page, "layers").contains("No layer was pruned."));
        assertTrue(section(page, "setting").contains("none: the method saw no data"));
        assertEquals(List.of(), texts(page, "//section[@id='warnings']"));
    }

    @Test
    void readsARecordWithHardlyAnything() throws IOException {
        Path json = Files.writeString(folder.resolve("report.json"), "{\"schema\":1}");
        String headline = section(open(RunRecord.read(json)), "headline");
        assertTrue(headline.contains("not measured"), headline);
    }

    @Test
    void unknownStandardErrorIsNotZero() {
        var records = new Records();
        records.evaluations = List.of(Records.evaluation("perplexity:a.txt", 10, 11, null));
        var page = open(records.make());
        assertTrue(section(page, "headline").contains("standard error unknown"));
        assertTrue(section(page, "quality").contains("error unknown"));
    }

    @Test
    void aPerplexityThatIsNoNumberIsNamedBroken() {
        var records = new Records();
        records.evaluations =
                List.of(
                        Records.evaluation("perplexity:a.txt", 10, Double.NaN, Double.NaN),
                        Records.evaluation("perplexity:b.txt", 10, Double.POSITIVE_INFINITY, null));
        String headline = section(open(records.make()), "headline");
        assertTrue(
                headline.contains("The perplexity on a.txt is not a number: the pruned model is"));
        assertTrue(headline.contains("The perplexity on b.txt is infinite: the pruned model is"));
    }

    @Test
    void oneLayerIsEnoughForEveryChart() {
        var records = new Records();
        records.layers = List.of(Records.layer("transformer.h.0.attn.c_attn", 0.5, 0.02));
        var page = open(records.make());
        assertEquals(5, texts(page, "//figure").size());
        assertFalse(HtmlReport.page(records.make()).contains("NaN"));
    }

    @Test
    void errorsThatAreNotFiniteAreMarked() {
        var records = new Records();
        records.layers =
                List.of(
                        Records.layer("h.0.a", 0, Double.NaN),
                        Records.layer("h.1.a", 0, Double.POSITIVE_INFINITY),
                        Records.layer("h.2.a", 0, 0));
        var page = open(records.make());
        assertTrue(texts(page, "//*[local-name()='text']").contains("✕"));
        assertFalse(
                HtmlReport.page(records.make()).matches("(?s).*\"(NaN|Infinity|-Infinity)\".*"));
    }

    @Test
    void zeroEverywhereDrawsToo() {
        var records = new Records();
        records.layers = List.of(Records.layer("h.0.a", 0, 0), Records.layer("h.1.a", 0, 0));
        assertFalse(HtmlReport.page(records.make()).contains("NaN"));
    }
}
