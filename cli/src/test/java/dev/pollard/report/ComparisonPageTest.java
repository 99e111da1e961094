package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.CalibrationFacts;
import dev.pollard.recipe.RunRecord.MethodFacts;
import dev.pollard.recipe.RunRecord.ModelFacts;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

class ComparisonPageTest {
    private static final String TASK = "perplexity:rows:wiki.test.raw.gz";

    static RunRecord run(String method, Map<String, String> settings, double zeros, double ppl) {
        var records = new Records();
        records.method = new MethodFacts(method, settings, "pruned", "float32", "uniform");
        records.pattern = Double.toString(zeros);
        records.sparsity = zeros;
        records.evaluations = List.of(Records.evaluation(TASK, 29.935, ppl, 0.3));
        return records.make();
    }

    static SequencedMap<String, RunRecord> grid() {
        var runs = new LinkedHashMap<String, RunRecord>();
        runs.put("sparsegpt-70", run("sparsegpt", Map.of("block", "128"), 0.7, 357.3));
        runs.put("sparsegpt-50", run("sparsegpt", Map.of("block", "128"), 0.5, 60.54));
        runs.put("wanda-50", run("wanda", Map.of(), 0.5, 66.93));
        runs.put("wanda-70", run("wanda", Map.of(), 0.7, 1362));
        runs.put("magnitude-50", run("magnitude", Map.of(), 0.5, 514));
        runs.put("magnitude-70", run("magnitude", Map.of(), 0.7, 53_292));
        return runs;
    }

    private static List<String> lines(SequencedMap<String, RunRecord> runs) {
        return Comparison.of(runs).groups().stream()
                .flatMap(group -> group.runs().stream())
                .map(Comparison.Entry::line)
                .toList();
    }

    @Test
    void everyMethodIsOneLine() {
        var page = Markup.open(ComparisonPage.page(grid()));
        String chart = "//figure[contains(h3,'Perplexity')]";
        assertEquals(3, page.texts(chart + "/svg//*[local-name()='polyline']").size());
        assertEquals(
                List.of("sparsegpt", "wanda", "magnitude"),
                page.texts(chart + "/p[@class='legend']/span"));
        assertTrue(page.texts(chart + "/svg/text").contains("10,000"), "an axis of ratios");
        assertTrue(page.texts(chart + "/svg/text").contains("dense"));
        assertEquals(
                List.of("50.00", "50.00", "50.00", "70.00", "70.00", "70.00"),
                page.texts(chart + "//tbody/tr/td[2]"));
    }

    @Test
    void theTableHasARowForEachRunAndTheDenseModel() {
        var page = Markup.open(ComparisonPage.page(grid()));
        var names = page.texts("//section/div[@class='frame']//tbody/tr/th");
        assertEquals(7, names.size());
        assertEquals("dense", names.getFirst());
        assertTrue(
                page.texts("//section/div[@class='frame']//tbody/tr/td")
                        .containsAll(List.of("29.94", "60.54 ± 0.3", "1,362 ± 0.3")));
    }

    @Test
    void settingsThatDifferMakeAnotherLine() {
        var runs = new LinkedHashMap<String, RunRecord>();
        runs.put("a", run("sparsegpt", Map.of("block", "128", "damping", "0.01"), 0.5, 60));
        runs.put("b", run("sparsegpt", Map.of("block", "64", "damping", "0.01"), 0.5, 61));
        runs.put("c", run("wanda", Map.of(), 0.5, 66));
        assertEquals(List.of("sparsegpt, block 128", "sparsegpt, block 64", "wanda"), lines(runs));
        var records = new Records();
        records.pattern = "2:4";
        assertEquals(
                List.of("sparsegpt 2:4"), lines(new LinkedHashMap<>(Map.of("a", records.make()))));
        var other = new Records();
        other.calibration = new CalibrationFacts(List.of("/d/c4.txt"), "random", 8, 512, 4096, "");
        runs = new LinkedHashMap<>(Map.of("a", other.make()));
        runs.put("b", records.make());
        assertEquals(
                List.of(
                        "sparsegpt, calibration 8 × 512 tokens of c4.txt",
                        "sparsegpt 2:4, calibration 32 × 512 tokens of c4-en-part1.jsonl.gz"),
                lines(runs));
    }

    @Test
    void domainsThatDifferMakeAnotherLine() {
        var health = new Records();
        health.domains = List.of(Records.domain("health", 1, "/d/notes.jsonl:{a/b}: {c}"));
        var both = new Records();
        both.domains =
                List.of(
                        Records.domain("health", 0.5, "/d/notes.jsonl:text"),
                        Records.domain("law", 1, "laws.txt"));
        var runs = new LinkedHashMap<String, RunRecord>();
        runs.put("a", health.make());
        runs.put("b", both.make());
        assertEquals(
                List.of(
                        "sparsegpt, domain health 64 × 512 tokens of notes.jsonl, weight 1",
                        "sparsegpt, domain health 64 × 512 tokens of notes.jsonl, weight 0.5,"
                                + " domain law 64 × 512 tokens of laws.txt, weight 1"),
                lines(runs));
    }

    @Test
    void modelsThatDifferAreKeptApartAndItIsSaid() {
        var runs = grid();
        var records = new Records();
        records.model = new ModelFacts("/models/other", "opt", "F16", 10, 5, 20, "ab".repeat(32));
        runs.put("other", records.make());
        var page = Markup.open(ComparisonPage.page(runs));
        assertEquals(List.of("small-instruct.Q4_1.gguf", "other"), page.texts("//section/h2"));
        assertTrue(page.texts("//header/p").getFirst().contains("do not compare"));
        assertEquals(List.of(), Markup.open(ComparisonPage.page(grid())).texts("//header/p"));
    }

    /// Other windows are another measurement, though the task has the same name.
    @Test
    void valuesOfAnotherProtocolAreNotDrawnTogether() {
        var runs = grid();
        var records = new Records();
        var e = Records.evaluation(TASK, 18, 27, null);
        records.evaluations =
                List.of(
                        new RunRecord.EvaluationFacts(
                                e.task(),
                                e.metric(),
                                e.higherIsBetter(),
                                e.dense(),
                                e.pruned(),
                                null,
                                null,
                                null,
                                null,
                                null,
                                null,
                                null,
                                null,
                                e.tokens(),
                                10,
                                140,
                                512,
                                "none",
                                e.sha256(),
                                false));
        runs.put("short", records.make());
        var page = Markup.open(ComparisonPage.page(runs));
        assertEquals(2, page.texts("//figure[contains(h3,'Perplexity')]").size());
        assertTrue(
                page.texts("//section/div[@class='frame']//thead//th").stream()
                        .anyMatch(title -> title.contains("10 of 140 windows of 512 tokens")));
    }

    @Test
    void oddRunsBreakNothing() {
        String evil = "<script>alert('x')</script>\"' & ]]> <!--";
        var runs = new LinkedHashMap<String, RunRecord>();
        runs.put(evil, run(evil, Map.of(evil, evil), 0.5, Double.NaN));
        runs.put("b", run("w", Map.of(), Double.NaN, Double.POSITIVE_INFINITY));
        runs.put("c", run("w", Map.of(), 0.5, 1));
        String text = ComparisonPage.page(runs);
        assertFalse(text.contains("<script"));
        assertFalse(text.matches("(?s).*=\"[^\"]*(NaN|Infinity)[^\"]*\".*"), "a coordinate");
        assertTrue(Markup.open(text).texts("//th/bdi").contains(evil));
    }
}
