package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.CalibrationFacts;
import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.recipe.RunRecord.MethodFacts;
import dev.pollard.recipe.RunRecord.ModelFacts;
import dev.pollard.recipe.RunRecord.Size;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.xpath.XPathConstants;
import javax.xml.xpath.XPathExpressionException;
import javax.xml.xpath.XPathFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;

class HtmlReportTest {
    @TempDir private Path folder;

    /// The page, parsed as XML: that it is well-formed is a claim of its own.
    private static Document open(RunRecord record) {
        try {
            var builder = DocumentBuilderFactory.newInstance().newDocumentBuilder();
            builder.setErrorHandler(null);
            return builder.parse(new InputSource(new StringReader(HtmlReport.page(record))));
        } catch (SAXException | IOException | ParserConfigurationException e) {
            throw new AssertionError("not well-formed: " + e.getMessage(), e);
        }
    }

    private static List<String> texts(Document page, String path) {
        try {
            var found =
                    (NodeList)
                            XPathFactory.newInstance()
                                    .newXPath()
                                    .evaluate(path, page, XPathConstants.NODESET);
            var texts = new ArrayList<String>();
            for (int i = 0; i < found.getLength(); i++) {
                texts.add(found.item(i).getTextContent());
            }
            return texts;
        } catch (XPathExpressionException e) {
            throw new IllegalArgumentException(path, e);
        }
    }

    private static String section(Document page, String id) {
        return String.join("\n", texts(page, "//section[@id='" + id + "']"));
    }

    @Test
    void isOneFileThatAsksForNothing() throws IOException {
        HtmlReport.write(new Records().make(), folder);
        String page = Files.readString(folder.resolve("pollard/report.html"));
        assertFalse(page.contains("<script"));
        assertFalse(page.contains("url("));
        assertFalse(page.contains("@import"));
        assertFalse(page.contains("src="));
        assertFalse(page.contains("href="));
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
        assertTrue(texts(page, "//section[@id='evaluation']//bdi").contains(evil));
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
        return records.make();
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
        assertTrue(section(page, "evaluation").contains("unknown"));
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
