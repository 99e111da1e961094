package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.model.TinyLlama;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `eval` and `tasks` from the command line to the file.
class EvalCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir private Path folder;
    private Path model;
    private Path json;

    @BeforeEach
    void writeInputs() throws IOException {
        model = new TinyLlama(1).write(folder.resolve("model"));
        json = folder.resolve("result.json");
        var questions = new StringBuilder();
        for (int i = 0; i < 40; i++) {
            questions.append(
                    "{\"goal\": \"w%d\", \"sol1\": \"w%d\", \"sol2\": \"w%d w2\", \"label\": %d}\n"
                            .formatted(i, i + 1, i + 2, i % 2));
        }
        Files.writeString(folder.resolve("piqa-valid.jsonl"), questions);
    }

    private Run eval(Object... options) {
        var words = new ArrayList<Object>(List.of("eval", "-q", "--no-progress"));
        words.addAll(Arrays.asList(options));
        words.addAll(List.of("--task-data", folder, "--json", json, "--threads", 1));
        return Run.of(words.toArray());
    }

    private JsonNode result() throws IOException {
        return JSON.readTree(json.toFile());
    }

    @Test
    void writesTheKeysOfTheHarness() throws IOException {
        var run = eval(model, "--tasks", "piqa", "--limit", 15, "--seed", 3, "--log-samples");
        assertEquals(0, run.code(), run.err());
        var piqa = result().at("/results/piqa");
        double acc = piqa.get("acc,none").doubleValue();
        assertTrue(acc >= 0 && acc <= 1);
        assertEquals(
                Math.sqrt(acc * (1 - acc) / 14), piqa.get("acc_stderr,none").doubleValue(), 1e-12);
        assertTrue(piqa.has("acc_norm,none") && piqa.has("acc_norm_stderr,none"));
        assertEquals(1.0, result().at("/versions/piqa").doubleValue());
        assertEquals(0, result().at("/n-shot/piqa").intValue());
        assertEquals(40, result().at("/n-samples/piqa/original").intValue());
        assertEquals(15, result().at("/n-samples/piqa/effective").intValue());
        assertTrue(result().at("/higher_is_better/piqa/acc").booleanValue());
        var samples = result().at("/samples/piqa");
        assertEquals(15, samples.size());
        double right = 0;
        for (var sample : samples) {
            right += sample.get("acc").doubleValue();
            assertEquals(sample.get("doc_id").intValue() % 2, sample.get("target").intValue());
            boolean first =
                    sample.at("/resps/0/0").doubleValue() >= sample.at("/resps/1/0").doubleValue();
            assertEquals(
                    first == (sample.get("target").intValue() == 0) ? 1 : 0,
                    sample.get("acc").intValue());
        }
        assertEquals(acc, right / 15, 1e-12);
        assertTrue(run.out().contains("15 of 40 questions"), run.out());
    }

    @Test
    void callsAModelAgainstItselfNoise() throws IOException {
        Path ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(25, 20, 64, 1));
        var run = eval(model, model, "--tasks", "piqa,perplexity:" + ids, "--length", 20);
        assertEquals(0, run.code(), run.err());
        for (String path : List.of("/piqa/acc", "/piqa/acc_norm")) {
            var comparison = result().get("comparison").at(path);
            assertEquals(0, comparison.get("difference").doubleValue());
            assertEquals(0, comparison.get("difference_stderr").doubleValue());
            assertEquals(1, comparison.get("p_value").doubleValue());
            assertEquals("noise", comparison.get("verdict").textValue());
        }
        var perplexity = result().get("comparison").get("perplexity:" + ids).get("perplexity");
        assertEquals(1, perplexity.get("p_value").doubleValue());
        assertEquals(result().get("results"), result().get("other").get("results"));
        assertEquals(25, result().get("texts").get("perplexity:" + ids).get("windows").intValue());
    }

    @Test
    void findsAPrunedModelWorseOrNot() throws IOException {
        Path ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(25, 20, 64, 1));
        Path out = folder.resolve("out");
        var pruning =
                Run.of(
                        "run",
                        "-q",
                        model,
                        "-o",
                        out,
                        "--method",
                        "magnitude",
                        "--sparsity",
                        0.9,
                        "--eval",
                        "piqa,perplexity:" + ids,
                        "--eval-length",
                        20,
                        "--eval-limit",
                        21,
                        "--task-data",
                        folder,
                        "--threads",
                        1);
        assertEquals(0, pruning.code(), pruning.err());
        var run =
                eval(
                        model,
                        out,
                        "--tasks",
                        "piqa,perplexity:" + ids,
                        "--length",
                        20,
                        "--limit",
                        21);
        assertEquals(0, run.code(), run.err());
        var report = JSON.readTree(out.resolve("pollard/report.json").toFile());
        for (var evaluation : report.get("evaluations")) { // the same numbers from both commands
            String task = evaluation.get("task").textValue();
            String metric = evaluation.get("metric").textValue();
            var dense = result().get("results").get(task);
            var pruned = result().get("other").get("results").get(task);
            var comparison = result().get("comparison").get(task).get(metric);
            assertEquals(
                    dense.get(metric + ",none").doubleValue(),
                    evaluation.get("dense").doubleValue());
            assertEquals(
                    pruned.get(metric + ",none").doubleValue(),
                    evaluation.get("pruned").doubleValue());
            assertEquals(
                    dense.get(metric + "_stderr,none").doubleValue(),
                    evaluation.get("dense_stderr").doubleValue());
            assertEquals(
                    comparison.get("difference_stderr").doubleValue(),
                    evaluation.get("difference_stderr").doubleValue());
            assertEquals(
                    comparison.get("p_value").doubleValue(),
                    evaluation.get("p_value").doubleValue());
            assertEquals(metric.startsWith("acc"), evaluation.get("higher_is_better").asBoolean());
            if (task.equals("piqa")) {
                assertEquals(21, evaluation.get("items").intValue());
                assertEquals(0, evaluation.get("shots").intValue());
                assertEquals(1, evaluation.get("version").intValue());
                assertEquals(0, evaluation.get("windows").intValue());
            } else {
                assertTrue(evaluation.get("items").isNull());
                assertEquals(21, evaluation.get("windows").intValue());
            }
        }
        assertEquals(3, report.get("evaluations").size());
    }

    @Test
    void writesSummariesAndScoresThem() throws IOException {
        var records = new StringBuilder();
        for (int i = 0; i < 25; i++) {
            records.append(
                    "{\"NLM Question\": \"w%d w%d\", \"Summary\": \"w%d w%d w%d\"}\n"
                            .formatted(i, i + 1, i, i + 2, i + 4));
        }
        Files.writeString(folder.resolve("hqs.jsonl"), records);
        var run = eval(model, model, "--tasks", "hqs", "--max-tokens", 5, "--log-samples");
        assertEquals(0, run.code(), run.err());
        double sum = 0;
        for (var sample : result().at("/samples/hqs")) {
            String written = sample.at("/resps/0/0").textValue();
            assertTrue(written.strip().split(" ").length <= 5, written);
            assertEquals(3, sample.get("target").textValue().split(" ").length);
            sum += sample.get("rouge1").doubleValue();
        }
        assertEquals(sum / 25, result().at("/results/hqs/rouge1,none").doubleValue(), 1e-12);
        assertTrue(result().at("/results/hqs/rougeL_stderr,none").isNumber());
        assertEquals("noise", result().at("/comparison/hqs/rouge1/verdict").textValue());
        assertEquals(0, result().at("/config/temperature").doubleValue());

        var greedy = result().at("/samples/hqs");
        var drawn = new ArrayList<JsonNode>();
        for (int seed : new int[] {1, 1, 2}) {
            var again =
                    eval(
                            model,
                            "--tasks",
                            "hqs",
                            "--max-tokens",
                            5,
                            "--temperature",
                            1,
                            "--seed",
                            seed,
                            "--log-samples");
            assertEquals(0, again.code(), again.err());
            drawn.add(result().at("/samples/hqs"));
        }
        assertEquals(drawn.get(0), drawn.get(1));
        assertNotEquals(drawn.get(0), drawn.get(2));
        assertNotEquals(greedy, drawn.get(0));
    }

    @Test
    void strides() throws IOException {
        var words = new StringBuilder();
        for (int id : TinyLlama.ids(1, 201, 63, 1)[0]) {
            words.append("w%d ".formatted(id));
        }
        Path ids = Files.writeString(folder.resolve("words.txt"), words);
        String task = "perplexity-strided:20/5:" + ids;
        var run =
                eval(
                        model,
                        model,
                        "--tasks",
                        task + ",perplexity-strided:" + ids + ",perplexity:" + ids,
                        "--length",
                        24);
        assertEquals(0, run.code(), run.err());
        var texts = result().get("texts");
        assertEquals(38, texts.get(task).get("windows").intValue()); // (201 - 20) / 5, one shorter
        assertEquals(5, texts.get(task).get("stride").intValue());
        assertEquals(6, texts.get("perplexity-strided:" + ids).get("stride").intValue());
        assertEquals(24, texts.get("perplexity:" + ids).get("stride").intValue());
        assertEquals(
                "noise",
                result().get("comparison").get(task).at("/perplexity/verdict").textValue());
        assertEquals(2, eval(model, "--tasks", "perplexity-strided:5/5:" + ids).code());
        assertEquals(2, eval(model, "--tasks", "perplexity-strided:9/0:" + ids).code());
        var longer = eval(model, "--tasks", "perplexity-strided:99999/5:" + ids);
        assertEquals(2, longer.code());
        assertTrue(longer.err().contains("context of the model"), longer.err());
    }

    @Test
    void refusesWhatHasOneClass() throws IOException {
        Files.writeString(folder.resolve("mmlu-anatomy-test.csv"), "w1,w2,w3,w4,w5,B\n".repeat(3));
        var run = eval(model, "--tasks", "mmlu_anatomy");
        assertEquals(2, run.code());
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().contains("is 'B'"), run.err());
    }

    @Test
    void refusesWhatCannotBeAsked() {
        var missing = eval(model, "--tasks", "hellaswag");
        assertEquals(3, missing.code());
        assertEquals(1, missing.errLines().size(), missing.err());
        assertTrue(missing.err().contains("hellaswag-valid.jsonl"), missing.err());
        var unknown = eval(model, "--tasks", "piqua");
        assertEquals(2, unknown.code());
        assertTrue(unknown.err().contains("did you mean 'piqa'"), unknown.err());
        var shots = eval(model, "--tasks", "piqa", "--shots", 2);
        assertEquals(2, shots.code());
        assertTrue(shots.err().contains("no file of examples"), shots.err());
        assertEquals(2, eval(model, "--tasks", "piqa", "--limit", 0).code());
    }

    @Test
    void listsTasksAndShowsAQuestion() {
        var all = Run.of("tasks");
        assertEquals(0, all.code());
        for (String name : List.of("piqa ", "hellaswag ", "wikitext ", "mmlu_abstract_algebra ")) {
            assertTrue(all.out().lines().anyMatch(line -> line.startsWith(name)), name);
        }
        var one = Run.of("tasks", "piqa", "--task-data", folder);
        assertTrue(one.out().contains("Question: w0"), one.out());
        assertTrue(one.out().contains("* → w1"), one.out());
        assertTrue(one.out().contains("40 questions"), one.out());
        var without = Run.of("tasks", "copa", "--task-data", folder);
        assertEquals(0, without.code());
        assertTrue(without.out().contains("No example"), without.out());
    }

    /// A model whose tokenizer adds BOS, against lm-evaluation-harness.
    @Test
    @Tag("shared")
    void reachesTheNumbersOfTheHarness() throws IOException {
        Path bos = Path.of(System.getProperty("pollard.shared")).resolve("fixtures/lmeval-bos");
        var pairs = new ArrayList<JsonNode>();
        var lines = new StringBuilder();
        for (String line : Files.readAllLines(bos.resolve("pairs.jsonl"))) {
            var pair = JSON.readTree(line);
            String continuation = pair.get("continuation").textValue();
            if (pair.get("add_bos_token").isNull() && continuation.startsWith(" ")) {
                pairs.add(pair);
                lines.append(
                                JSON.createObjectNode()
                                        .put("context", pair.get("context").textValue())
                                        .put("continuation", continuation.substring(1)))
                        .append('\n');
            }
        }
        assertEquals(4, pairs.size());
        Files.writeString(folder.resolve("lambada_openai-test.jsonl"), lines);
        var texts = new ArrayList<JsonNode>();
        var pages = new StringBuilder();
        for (String line : Files.readAllLines(bos.resolve("rolling.jsonl"))) {
            var text = JSON.readTree(line);
            if (text.get("add_bos_token").isNull() && !text.get("string").textValue().isEmpty()) {
                texts.add(text);
                var page = JSON.createObjectNode().put("page", text.get("string").textValue());
                pages.append(page).append('\n');
            }
        }
        assertEquals(4, texts.size());
        Files.writeString(folder.resolve("wikitext.jsonl"), pages);
        var run = eval(bos, "--tasks", "lambada_openai,wikitext", "--log-samples");
        assertEquals(0, run.code(), run.err());
        double sum = 0;
        for (int i = 0; i < 4; i++) {
            var answer = result().at("/samples/lambada_openai/" + i + "/resps/0");
            double golden = pairs.get(i).get("loglikelihood").doubleValue();
            assertEquals(golden, answer.get(0).doubleValue(), 1e-3);
            assertEquals(
                    pairs.get(i).get("is_greedy").booleanValue(), answer.get(1).booleanValue());
            sum += golden;
            double whole = texts.get(i).get("loglikelihood").doubleValue();
            assertEquals(
                    whole,
                    result().at("/samples/wikitext/" + i + "/resps/0/0").doubleValue(),
                    1e-3 + 2e-6 * -whole);
        }
        assertEquals(
                Math.exp(-sum / 4),
                result().at("/results/lambada_openai/perplexity,none").doubleValue(),
                1e-3 * Math.exp(-sum / 4));
    }
}
