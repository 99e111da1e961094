package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Against ids and log-likelihoods of EleutherAI's lm-evaluation-harness.
@Tag("shared")
class SharedScorerTest {
    private static final Path FIXTURES =
            Path.of(System.getProperty("pollard.shared")).resolve("fixtures");
    private static final Path SMOLLM =
            FIXTURES.resolveSibling("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    private static final Path WITH_BOS = FIXTURES.resolve("lmeval-bos");
    private static final ObjectMapper JSON = new ObjectMapper();

    private static List<JsonNode> read(Path file) throws IOException {
        var lines = new ArrayList<JsonNode>();
        for (String line : Files.readAllLines(file)) {
            lines.add(JSON.readTree(line));
        }
        return lines;
    }

    private static Request.LogLikelihood request(JsonNode golden) {
        return new Request.LogLikelihood(
                golden.get("context").asText(), golden.get("continuation").asText());
    }

    private static int[] ids(JsonNode array) {
        return JSON.convertValue(array, int[].class);
    }

    private static void close(JsonNode golden, Scored actual) {
        double expected = golden.get("loglikelihood").asDouble();
        String what = golden.toString();
        assertEquals(expected, actual.logLikelihood(), 1e-3 + 2e-5 * Math.abs(expected), what);
        if (golden.has("is_greedy")) {
            assertEquals(golden.get("is_greedy").asBoolean(), actual.greedy(), what);
        }
    }

    /// Goldens for which lm-eval has an answer, by the longest sequence that it was given.
    private static TreeMap<Integer, List<JsonNode>> answered(Path file) throws IOException {
        var byLength = new TreeMap<Integer, List<JsonNode>>();
        for (var golden : read(file)) {
            if (!golden.has("error") && golden.path("add_bos_token").asBoolean(true)) {
                byLength.computeIfAbsent(golden.path("max_length").asInt(0), _ -> new ArrayList<>())
                        .add(golden);
            }
        }
        return byLength;
    }

    @Test
    void encodesPairsAsTheReferenceDoes() throws IOException {
        for (Path path : List.of(SMOLLM, WITH_BOS)) {
            try (var model = Model.open(path)) {
                Path file =
                        (path.equals(SMOLLM) ? FIXTURES.resolve("lmeval") : WITH_BOS)
                                .resolve("pairs.jsonl");
                // Long enough that nothing is cut: the ids are those before the cut.
                var tokens = new RequestTokens(model.tokenizer().orElseThrow(), 100_000);
                for (var goldens : answered(file).values()) {
                    for (var golden : goldens) {
                        var request = request(golden);
                        var span = tokens.pair(request.context(), request.continuation());
                        int[] context = ids(golden.get("context_ids"));
                        int[] continuation = ids(golden.get("continuation_ids"));
                        assertEquals(context.length, span.from(), golden.toString());
                        assertArrayEquals(context, Arrays.copyOf(span.ids(), span.from()));
                        assertArrayEquals(
                                continuation,
                                Arrays.copyOfRange(span.ids(), span.from(), span.ids().length));
                    }
                }
            }
        }
    }

    @Test
    void scoresPairsAsTheReferenceDoes() throws IOException {
        for (Path path : List.of(SMOLLM, WITH_BOS)) {
            try (var model = Model.open(path);
                    var workers = new Workers(2)) {
                Path file =
                        (path.equals(SMOLLM) ? FIXTURES.resolve("lmeval") : WITH_BOS)
                                .resolve("pairs.jsonl");
                for (var goldens : answered(file).entrySet()) {
                    int longest =
                            goldens.getKey() == 0
                                    ? model.config().contextLength()
                                    : goldens.getKey();
                    var scored =
                            new ModelScorer(
                                            model.decoder(),
                                            model.tokenizer().orElseThrow(),
                                            Compute.FLOAT32,
                                            workers,
                                            longest)
                                    .logLikelihoods(
                                            goldens.getValue().stream()
                                                    .map(SharedScorerTest::request)
                                                    .toList(),
                                            Perplexity.Progress.NONE);
                    for (int i = 0; i < scored.size(); i++) {
                        close(goldens.getValue().get(i), scored.get(i));
                    }
                }
            }
        }
    }

    @Test
    void scoresTasksAsTheReferenceDoes() throws IOException {
        var goldens = new ArrayList<JsonNode>();
        for (String task : List.of("piqa", "winogrande", "lambada_openai")) {
            goldens.addAll(read(FIXTURES.resolve("lmeval/" + task + ".jsonl")));
        }
        try (var model = Model.open(SMOLLM);
                var workers = new Workers(2)) {
            var scored =
                    new ModelScorer(
                                    model.decoder(),
                                    model.tokenizer().orElseThrow(),
                                    Compute.FLOAT32,
                                    workers)
                            .logLikelihoods(
                                    goldens.stream().map(SharedScorerTest::request).toList(),
                                    Perplexity.Progress.NONE);
            for (int i = 0; i < scored.size(); i++) {
                close(goldens.get(i), scored.get(i));
                assertEquals(goldens.get(i).get("continuation_ids").size(), scored.get(i).tokens());
            }
        }
    }

    @Test
    void scoresWholeTextsAsTheReferenceDoes() throws IOException {
        var texts = new TreeMap<Integer, Request.Rolling>();
        try (var model = Model.open(SMOLLM);
                var workers = new Workers(2)) {
            for (var golden : read(FIXTURES.resolve("lmeval/wikitext.jsonl"))) {
                int number = golden.get("doc_id").asInt();
                if (number == 1) {
                    continue; // the longest says nothing that the others do not
                }
                if (golden.has("string")) {
                    texts.put(number, new Request.Rolling(golden.get("string").asText()));
                }
                var scored =
                        new ModelScorer(
                                        model.decoder(),
                                        model.tokenizer().orElseThrow(),
                                        Compute.FLOAT32,
                                        workers,
                                        golden.get("max_length").asInt())
                                .rolling(List.of(texts.get(number)), Perplexity.Progress.NONE);
                close(golden, scored.getFirst());
                assertEquals(golden.get("tokens").asInt(), scored.getFirst().tokens());
            }
        }
        try (var model = Model.open(WITH_BOS);
                var workers = new Workers(1)) {
            var goldens = answered(WITH_BOS.resolve("rolling.jsonl")).get(0);
            var scored =
                    new ModelScorer(
                                    model.decoder(),
                                    model.tokenizer().orElseThrow(),
                                    Compute.FLOAT32,
                                    workers)
                            .rolling(
                                    goldens.stream()
                                            .map(g -> new Request.Rolling(g.get("string").asText()))
                                            .toList(),
                                    Perplexity.Progress.NONE);
            for (int i = 0; i < scored.size(); i++) {
                close(goldens.get(i), scored.get(i));
            }
        }
    }
}
