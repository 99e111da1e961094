package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.hub.Saplings;
import dev.pollard.recipe.RunRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The embedded model, which is real, if small: what a clone can do without any other file.
class SaplingTest {
    private static final Path SAPLINGS = Saplings.folder().orElseThrow();
    private static final Path TEXTS = SAPLINGS.resolve("texts");

    @TempDir private Path folder;

    private RunRecord run(String method, String what, String value) throws IOException {
        Path out = folder.resolve(method);
        var run =
                Run.of(
                        "run",
                        "sapling",
                        "-o",
                        out,
                        "--method",
                        method,
                        what,
                        value,
                        "--no-progress",
                        "-q",
                        "--overwrite");
        assertEquals(0, run.code(), run.err());
        return RunRecord.read(out.resolve("pollard/report.json"));
    }

    private static double perplexity(RunRecord record) {
        return record.evaluations().stream()
                .filter(e -> e.metric().equals("perplexity"))
                .findFirst()
                .orElseThrow()
                .pruned();
    }

    /// As larger models have it: who knows more of the inputs loses less, and who knows nothing of
    /// them loses far more.
    @ParameterizedTest
    @CsvSource({"--sparsity, 0.5", "--pattern, 2:4"})
    void methodsStandInTheirOrder(String what, String value) throws IOException {
        double before = Double.POSITIVE_INFINITY;
        var losses = new ArrayList<Double>();
        for (String method : List.of("magnitude", "wanda", "sparsegpt", "sds")) {
            var record = run(method, what, value);
            double perplexity = perplexity(record);
            assertTrue(
                    perplexity < before,
                    "%s %s: %.2f, before it %.2f".formatted(method, value, perplexity, before));
            before = perplexity;
            losses.add(perplexity - record.evaluations().getFirst().dense());
        }
        assertTrue(losses.get(0) > 1.4 * losses.get(1), "lost: " + losses);
    }

    @Test
    void withNothingToMeasureNoSamplesAreWrittenEither() throws IOException {
        Path out = folder.resolve("unmeasured");
        var words = List.of("--eval", "none", "--method", "magnitude", "--sparsity", "0.5", "-q");
        var given = new ArrayList<Object>(List.of("run", "sapling", "-o", out));
        given.addAll(words);
        assertEquals(0, Run.of(given.toArray()).code());
        Path recipe = out.resolve("pollard/recipe.yaml");
        Path again = folder.resolve("again");
        assertEquals(0, Run.of("run", "--recipe", recipe, "-o", again, "-q").code());
        for (Path folder : List.of(out, again)) {
            var record = RunRecord.read(folder.resolve("pollard/report.json"));
            assertEquals(List.of(), record.evaluations());
            assertEquals(List.of(), record.samples());
        }
    }

    @Test
    void textsAndQuestionsComeWithIt() throws IOException {
        var record = run("wanda", "--sparsity", "0.5");
        assertEquals(32, record.calibration().sequences());
        assertEquals(256, record.calibration().length());
        assertEquals(
                List.of("perplexity", "acc", "acc_norm"),
                record.evaluations().stream().map(RunRecord.EvaluationFacts::metric).toList());
        assertTrue(record.evaluations().getFirst().dense() < perplexity(record));
    }

    @Test
    void theSmallerOneOfTheOtherArchitectureIsPrunedToo() throws IOException {
        Path out = folder.resolve("opt");
        var run =
                Run.of("run", "sapling-opt", "-o", out, "--pattern", "2:4", "--no-progress", "-q");
        assertEquals(0, run.code(), run.err());
        var record = RunRecord.read(out.resolve("pollard/report.json"));
        assertEquals("opt", record.model().architecture());
        assertEquals(0.5, record.sparsity(), 1e-3); // some weights are 0 by themselves
    }

    /// A quarter of the everyday and legal questions, and 0.339 of the health ones, can be guessed.
    @ParameterizedTest
    @CsvSource({"everyday, 0.25", "health, 0.339", "legal, 0.25"})
    void itAnswersAboveChance(String domain, double chance) throws IOException {
        Path json = folder.resolve("answers.json");
        Path questions = TEXTS.resolve(domain + "-questions.jsonl");
        var run =
                Run.of(
                        "eval",
                        "sapling",
                        "--tasks",
                        "choice:" + questions,
                        "--json",
                        json,
                        "--no-progress",
                        "-q");
        assertEquals(0, run.code(), run.err());
        JsonNode result =
                new ObjectMapper().readTree(json.toFile()).get("results").elements().next();
        double accuracy = result.get("acc,none").asDouble();
        double error = result.get("acc_stderr,none").asDouble();
        assertTrue(
                accuracy > chance + error, "%.3f ± %.3f of %s".formatted(accuracy, error, domain));
    }

    @ParameterizedTest
    @ValueSource(strings = {"sapling", "sapling-opt"})
    void itIsSmallAndTellsWhatItIs(String name) throws IOException {
        Path model = SAPLINGS.resolve(name);
        assertTrue(Files.size(model.resolve("model.safetensors")) <= 12_000_000);
        String card = Files.readString(model.resolve("README.md"));
        assertTrue(card.contains("perplexity") && card.contains("seed"), card);
        assertTrue(Run.of("models").out().contains(name));
    }
}
