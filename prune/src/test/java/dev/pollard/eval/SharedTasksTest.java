package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests and metrics against lm-evaluation-harness, and every task on its whole data.
@Tag("shared")
class SharedTasksTest {
    private static final Path SHARED = Path.of(System.getProperty("pollard.shared"));
    private static final Path GOLDENS = SHARED.resolve("fixtures/lmeval");
    private static final Path DATA = SHARED.resolve("data");
    private static final ObjectMapper JSON = new ObjectMapper();

    private static List<JsonNode> lines(String name) throws IOException {
        var nodes = new ArrayList<JsonNode>();
        for (String line : Files.readAllLines(GOLDENS.resolve(name))) {
            nodes.add(JSON.readTree(line));
        }
        return nodes;
    }

    private static List<Request.LogLikelihood> requests(Item item) {
        return switch (item) {
            case Item.Choice choice -> choice.requests();
            case Item.LastWord word -> List.of(word.request());
            case Item.Page _ -> List.of();
            case Item.Summary _ -> List.of();
        };
    }

    /// Answers what the harness got of a real model.
    private static Scorer scorer(List<JsonNode> golden) {
        var scored =
                golden.stream()
                        .map(
                                node ->
                                        new Scored(
                                                node.get("loglikelihood").doubleValue(),
                                                node.path("is_greedy").booleanValue(),
                                                node.path("continuation_ids").size()))
                        .toList();
        return new Scorer() {
            @Override
            public List<Scored> logLikelihoods(
                    List<Request.LogLikelihood> requests, Perplexity.Progress progress) {
                return scored;
            }

            @Override
            public List<Scored> rolling(List<Request.Rolling> texts, Perplexity.Progress progress) {
                return scored;
            }

            @Override
            public List<String> generate(
                    List<Request.Generate> requests,
                    Decoding decoding,
                    Perplexity.Progress progress) {
                throw new UnsupportedOperationException();
            }
        };
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "piqa",
                "arc_easy",
                "hellaswag",
                "winogrande",
                "boolq",
                "rte",
                "openbookqa",
                "lambada_openai"
            })
    void asksAndCountsAsTheHarnessDoes(String name) throws IOException {
        var questions = Tasks.named(name).read(GOLDENS.resolve("docs"), 0);
        var golden = lines(name + ".jsonl");
        int next = 0;
        for (var item : questions.items()) {
            for (var request : requests(item)) {
                var node = golden.get(next++);
                assertEquals(node.get("context").textValue(), request.context());
                assertEquals(node.get("continuation").textValue(), request.continuation());
                if (item instanceof Item.Choice choice) {
                    assertEquals(node.get("gold").intValue(), choice.gold());
                }
            }
        }
        assertEquals(golden.size(), next);

        var answers = questions.ask(scorer(golden), Decoding.GREEDY, Perplexity.Progress.NONE);
        var task = JSON.readTree(GOLDENS.resolve("summary.json").toFile()).at("/tasks/" + name);
        assertEquals(task.get("version").doubleValue(), questions.task().version());
        var metrics = task.get("metrics");
        assertEquals(metrics.size(), answers.measures().size());
        for (var measure : answers.measures()) {
            assertEquals(
                    metrics.get(measure.metric().key()).doubleValue(),
                    measure.value(),
                    1e-9,
                    measure.metric().key());
        }
        int item = 0;
        for (var node : golden) { // item by item too
            if (node.has("doc_metrics")) {
                for (var measure : answers.measures()) {
                    double value = node.at("/doc_metrics/" + measure.metric().key()).doubleValue();
                    if (measure.metric().isProportion()) {
                        assertEquals(value, measure.contributions()[item]);
                    }
                }
                item++;
            }
        }
        assertEquals(questions.items().size(), item);
    }

    @ParameterizedTest
    @ValueSource(ints = {8192, 512, 128})
    void preparesAndCountsPagesAsTheHarnessDoes(int maxLength) throws IOException {
        var questions = Tasks.named("wikitext").read(GOLDENS.resolve("docs"), 0);
        var golden =
                lines("wikitext.jsonl").stream()
                        .filter(node -> node.get("max_length").intValue() == maxLength)
                        .toList();
        for (int i = 0; i < golden.size(); i++) {
            if (questions.items().get(i) instanceof Item.Page page) {
                var text = golden.get(i).path("string");
                if (text.isTextual()) {
                    assertEquals(text.textValue(), page.request().text());
                }
                assertEquals(golden.get(i).get("words").intValue(), page.words());
                assertEquals(golden.get(i).get("bytes").intValue(), page.bytes());
            }
        }
        var metrics =
                JSON.readTree(GOLDENS.resolve("summary.json").toFile())
                        .at("/tasks/wikitext/metrics")
                        .get("max_length=" + maxLength);
        for (var measure :
                questions
                        .ask(scorer(golden), Decoding.GREEDY, Perplexity.Progress.NONE)
                        .measures()) {
            assertEquals(metrics.get(measure.metric().key()).doubleValue(), measure.value(), 1e-9);
        }
    }

    /// The data as the public repositories have it asks the same as the harness's own data.
    @ParameterizedTest
    @CsvSource({
        "piqa, 1838",
        "arc_easy, 2376",
        "winogrande, 1267",
        "boolq, 3270",
        "rte, 277",
        "openbookqa, 500",
        "lambada_openai, 5153"
    })
    void readsOtherShapesOfTheData(String name, int count) throws IOException {
        var questions = Tasks.named(name).read(DATA, 0);
        assertEquals(count, questions.items().size());
        var golden = Tasks.named(name).read(GOLDENS.resolve("docs"), 0).items();
        assertEquals(golden, questions.items().subList(0, golden.size()));
    }

    @Test
    void readsTheOtherShapeOfHellaSwag() throws IOException {
        var items = Tasks.named("hellaswag").read(DATA, 0).items();
        assertEquals(10_042, items.size());
        for (var golden : Tasks.named("hellaswag").read(GOLDENS.resolve("docs"), 0).items()) {
            var same = items.get(golden.index() < 10 ? golden.index() : 4990 + golden.index());
            assertEquals(requests(golden), requests(same));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "arc_challenge, 1172",
        "copa, 100",
        "pubmedqa, 500",
        "wikitext, 62",
        "mmlu_anatomy, 135",
        "mmlu_clinical_knowledge, 265",
        "mmlu_college_biology, 144",
        "mmlu_college_medicine, 173",
        "mmlu_medical_genetics, 100",
        "mmlu_professional_medicine, 282"
    })
    void readsAllOfTheData(String name, int count) throws IOException {
        assertEquals(count, Tasks.named(name).read(DATA, 0).items().size());
    }

    @Test
    void asksCopaPubMedQaAndMmluInTheirForm() throws IOException {
        var copa = (Item.Choice) Tasks.named("copa").read(DATA, 0).items().getFirst();
        assertEquals(
                "The man turned on the faucet therefore", copa.requests().getFirst().context());
        assertEquals(" the toilet filled with water.", copa.requests().getFirst().continuation());

        var mmlu = (Item.Choice) Tasks.named("mmlu_anatomy").read(DATA, 0).items().get(2);
        assertEquals(
                "The following are multiple choice questions (with answers) about anatomy.\n\n"
                        + "Which of the following best describes the structure that collects urine"
                        + " in the body?\nA. Bladder\nB. Kidney\nC. Ureter\nD. Urethra\nAnswer:",
                mmlu.requests().getFirst().context());
        assertEquals(" D", mmlu.requests().getLast().continuation());
        assertEquals(0, mmlu.gold());

        var pubmed = (Item.Choice) Tasks.named("pubmedqa").read(DATA, 0).items().getFirst();
        assertEquals(" maybe", pubmed.requests().getLast().continuation());
        assertTrue(pubmed.requests().getFirst().context().startsWith("Abstract: "));
        assertTrue(pubmed.requests().getFirst().context().contains(".\nQuestion: "));
    }

    @Test
    void putsSolvedExamplesInFront() throws IOException {
        var two = (Item.Choice) Tasks.named("arc_easy").read(DATA, 2).items().getFirst();
        var none = (Item.Choice) Tasks.named("arc_easy").read(DATA, 0).items().getFirst();
        String context = two.requests().getFirst().context();
        assertTrue(context.endsWith("\n\n" + none.requests().getFirst().context()), context);
        assertEquals(3, context.split("\n\n").length);
        assertTrue(
                context.split("\n\n")[1].endsWith("\nAnswer: food"),
                context); // of its four choices
    }
}
