package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.ModelFacts;
import dev.pollard.recipe.RunRecord.SampleFacts;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The pages as a browser shows them, from a file: on a phone and a screen, light and dark.
///
/// Pictures of them are left in `target/screenshots`: whoever changes a page looks at these.
@Tag("browser")
class BrowserTest {
    private static final Path PICTURES = Path.of("target", "screenshots");

    /// Names of labels that reach out of their drawing, and of anything that reaches out of the
    /// page.
    private static final String CLIPPED =
            """
            [...document.querySelectorAll('svg text')].filter(label => {
              const box = label.getBoundingClientRect();
              const frame = label.ownerSVGElement.getBoundingClientRect();
              return frame.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1
                || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
            }).map(label => label.ownerSVGElement.ariaLabel + ': ' + label.textContent).join('; ')
            """;

    @TempDir private static Path folder;
    private static Browser browser;
    private static final Map<String, Path> PAGES = new LinkedHashMap<>();

    @BeforeAll
    static void openBrowser() throws Exception {
        var chromium = Browser.find();
        if (chromium.isEmpty()) {
            String why = "no Chromium on the PATH: pages were not opened in a browser";
            if ("true".equals(System.getenv("CI"))) {
                Assertions.fail(why);
            }
            Assumptions.abort(why);
        }
        browser = new Browser(chromium.get(), Files.createDirectory(folder.resolve("profile")));
        Files.createDirectories(PICTURES);
        page("complete", HtmlReport.page(Records.complete().make()));
        page("simple", HtmlReport.page(new Records().make()));
        page("odd", HtmlReport.page(odd()));
        page("comparison", ComparisonPage.page(ComparisonPageTest.grid()));
    }

    private static void page(String name, String text) throws Exception {
        PAGES.put(name, Files.writeString(folder.resolve(name + ".html"), text));
    }

    @AfterAll
    static void closeBrowser() {
        if (browser != null) {
            browser.close();
        }
    }

    /// Everything is too long, from right to left, or missing.
    private static RunRecord odd() {
        String longest = "word".repeat(150);
        String arabic = "نموذج عربي <script>alert(1)</script> ";
        var records = Records.complete();
        records.model = new ModelFacts(arabic + longest, longest, longest, 10, 5, 20, longest);
        records.evaluations =
                List.of(
                        Records.evaluation(longest, Double.NaN, Double.POSITIVE_INFINITY, null),
                        Records.accuracy(arabic, "acc", 0.5, Double.NaN, 0.4, 0.5, 10),
                        Records.accuracy(longest, "acc", 0.5, 0.25, null, 0.5, 10));
        records.samples = List.of(new SampleFacts(arabic, longest, "模型 " + "写 ".repeat(200)));
        records.layers =
                records.layers.stream()
                        .limit(20)
                        .map(l -> Records.withSteps(l, 0.31, List.of(longest, arabic, "c", "d")))
                        .toList();
        records.warnings = List.of(longest, arabic);
        records.command = "pollard run " + longest;
        return records.make();
    }

    @ParameterizedTest
    @CsvSource({
        "complete, 390",
        "complete, 1280",
        "simple, 390",
        "odd, 390",
        "odd, 1280",
        "comparison, 390",
        "comparison, 1280"
    })
    void showsLightAndDarkWithoutErrorOrHorizontalScroll(String name, int width) throws Exception {
        String light = look(name, width, false);
        assertNotEquals(light, look(name, width, true), "colours of light and dark");
    }

    /// @return colour of the ground
    private static String look(String name, int width, boolean dark) throws Exception {
        assertEquals(List.of(), browser.open(PAGES.get(name), width, 900, dark));
        Files.write(
                PICTURES.resolve("%s-%d-%s.png".formatted(name, width, dark ? "dark" : "light")),
                browser.screenshot(width));
        fits(width);
        browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)");
        fits(width);
        return browser.evaluate("getComputedStyle(document.body).backgroundColor").textValue();
    }

    private static void fits(int width) throws Exception {
        int wide = browser.evaluate("document.documentElement.scrollWidth").intValue();
        assertTrue(wide <= width, "the page is %d px wide".formatted(wide));
        assertEquals("", browser.evaluate(CLIPPED).textValue(), "labels that are cut off");
    }

    @Test
    void canBePrinted() throws Exception {
        assertEquals(List.of(), browser.open(PAGES.get("complete"), 1280, 900, true));
        byte[] pdf = browser.print();
        Files.write(PICTURES.resolve("complete.pdf"), pdf);
        assertEquals("%PDF", new String(pdf, 0, 4, StandardCharsets.US_ASCII));
    }

    /// The tests themselves can fail: a page that breaks every rule is seen to.
    @Test
    void aBrokenPageIsNoticed() throws Exception {
        page(
                "broken",
                "<body style='width:2000px'><script>throw 1</script><img src='http://127.0.0.1:1/'>");
        var wrong = browser.open(PAGES.get("broken"), 390, 900, false);
        assertTrue(
                wrong.stream().anyMatch(said -> said.contains("exceptionThrown")),
                () -> "" + wrong);
        assertTrue(wrong.contains("asked for http://127.0.0.1:1/"), () -> "" + wrong);
        assertTrue(browser.evaluate("document.documentElement.scrollWidth").intValue() > 390);
    }
}
