package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Classes, and texts that are written.
class DomainTasksTest {
    @TempDir private Path folder;

    private static final String ABSTRACT =
            "\"%d\": {\"QUESTION\": \"Q?\", \"CONTEXTS\": [\"A.\", \"B.\"],"
                    + " \"final_decision\": \"%s\"}";

    private Questions pubmedqa(String... decisions) throws IOException {
        var records = new ArrayList<String>();
        for (int i = 0; i < decisions.length; i++) {
            records.add(ABSTRACT.formatted(i, decisions[i]));
        }
        String numbers =
                String.join(
                        ", ",
                        IntStream.range(0, decisions.length)
                                .mapToObj(i -> "\"%d\": \"\"".formatted(i))
                                .toList());
        Files.writeString(
                folder.resolve("ori_pqal.json"), "{%s}".formatted(String.join(",", records)));
        Files.writeString(
                folder.resolve("pubmedqa-test_ground_truth.json"), "{%s}".formatted(numbers));
        return Tasks.named("pubmedqa").read(folder, 0);
    }

    /// Gives each answer the log-likelihood and tokens it is told, and writes what it is told.
    private record Told(List<Scored> scored, List<String> texts) implements Scorer {
        @Override
        public List<Scored> logLikelihoods(
                List<Request.LogLikelihood> requests, Perplexity.Progress progress) {
            return scored;
        }

        @Override
        public List<Scored> rolling(List<Request.Rolling> pages, Perplexity.Progress progress) {
            return scored;
        }

        @Override
        public List<String> generate(
                List<Request.Generate> requests, Decoding decoding, Perplexity.Progress progress) {
            return texts;
        }
    }

    private static Measure measure(Answers answers, Metric metric) {
        return answers.measures().stream()
                .filter(m -> m.metric() == metric)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void dividesByTheTokensOfAnAnswer() throws IOException {
        var questions = pubmedqa("yes", "no", "maybe", "yes");
        var scored = new ArrayList<Scored>();
        for (int i = 0; i < 4; i++) { // the sum chooses yes, the mean of a token maybe
            scored.add(new Scored(-4, false, 1));
            scored.add(new Scored(-5, false, 1));
            scored.add(new Scored(-6, false, 3));
        }
        var answers =
                questions.ask(
                        new Told(scored, List.of()), Decoding.GREEDY, Perplexity.Progress.NONE);
        assertEquals(0.5, measure(answers, Metric.ACC).value());
        assertEquals(0.25, measure(answers, Metric.ACC_PER_TOKEN).value());
        // Always yes: F is 2 · 2 / (2 + 4) for yes, 0 for no and maybe.
        assertEquals(2 / 9.0, measure(answers, Metric.F1_MACRO).value(), 1e-15);
        assertEquals(2 / 5.0 / 3, measure(answers, Metric.F1_MACRO_PER_TOKEN).value(), 1e-15);
    }

    /// By scikit-learn 1.x: f1_score(gold, chosen, average="macro"), worked out by hand.
    @ParameterizedTest
    @CsvSource({
        "012012, 012012, 1",
        "000111, 001112, 0.4888888888888889", // 4/5, 4/6 and 0
        "0011, 1100, 0",
        "0000, 0000, 1", // a class that is nowhere does not count
        "0000, 0001, 0.42857142857142855"
    })
    void averagesOverClassesThatOccur(String gold, String chosen, double value) {
        var measure = Measure.macroF1(Metric.F1_MACRO, digits(gold), digits(chosen));
        assertEquals(value, measure.value(), 1e-15);
        assertEquals(value, Arrays.stream(measure.contributions()).average().getAsDouble(), 1e-12);
    }

    private static int[] digits(String text) {
        return text.chars().map(c -> c - '0').toArray();
    }

    /// The delta method against 4,000 resamples of 300 questions, for one model and for two.
    @Test
    void knowsTheErrorOfMacroF1() {
        long seed = 5;
        var random = new Random(seed);
        int n = 300;
        int[] gold = random.ints(n, 0, 10).map(i -> i < 5 ? 0 : i < 9 ? 1 : 2).toArray();
        int[] first = guesses(gold, random, 0.6);
        int[] second = IntStream.range(0, n).map(i -> i % 6 == 0 ? 0 : first[i]).toArray();
        var one = Measure.macroF1(Metric.F1_MACRO, gold, first);
        var two = Measure.macroF1(Metric.F1_MACRO, gold, second);
        double[] values = new double[4_000];
        double[] differences = new double[values.length];
        for (int b = 0; b < values.length; b++) {
            int[] drawn = random.ints(n, 0, n).toArray();
            int[] g = pick(gold, drawn);
            values[b] = Measure.macroF1(Metric.F1_MACRO, g, pick(first, drawn)).value();
            differences[b] =
                    Measure.macroF1(Metric.F1_MACRO, g, pick(second, drawn)).value() - values[b];
        }
        String seeded = "seed " + seed;
        double error = deviation(values);
        assertEquals(error, one.standardError().getAsDouble(), 0.05 * error, seeded);
        double paired = deviation(differences);
        var comparison = Comparison.of(one, two);
        assertEquals(paired, comparison.standardError().getAsDouble(), 0.07 * paired, seeded);
        assertEquals(two.value() - one.value(), comparison.difference());
        assertTrue(comparison.pValue().isPresent());
    }

    private static int[] guesses(int[] gold, Random random, double right) {
        return Arrays.stream(gold)
                .map(g -> random.nextDouble() < right ? g : random.nextInt(3))
                .toArray();
    }

    private static int[] pick(int[] values, int[] indices) {
        return Arrays.stream(indices).map(i -> values[i]).toArray();
    }

    private static double deviation(double[] values) {
        double mean = Arrays.stream(values).average().getAsDouble();
        double squares = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
        return Math.sqrt(squares / (values.length - 1));
    }

    @Test
    void refusesOneClass() throws IOException {
        var one = pubmedqa("no", "no");
        var refused = assertThrows(IllegalArgumentException.class, one::requireMeasurable);
        assertEquals(
                "pubmedqa: the answer to all of the 2 questions is 'no'; macro-F1 needs questions"
                        + " of two classes",
                refused.getMessage());
        pubmedqa("no", "yes").requireMeasurable();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"passage\": \"P\", \"question\": \"Q\", \"options\": [\"(A)a\"]}",
                "{\"passage\": \"P\", \"question\": \"Q\", \"options\": [\"(A)a\"], \"label\": null}"
            })
    void saysWhichLabelIsMissing(String line) throws IOException {
        Files.writeString(folder.resolve("lsat-ar.jsonl"), line);
        var task = Tasks.named("lsat_ar");
        var refused = assertThrows(MalformedFileException.class, () -> task.read(folder, 0));
        assertTrue(refused.getMessage().contains("line 1 lacks 'label'"), refused.getMessage());
    }

    @Test
    void asksTheAdmissionTest() throws IOException {
        Files.writeString(
                folder.resolve("lsat-lr.jsonl"),
                "{\"passage\": \"P. \", \"question\": \"Q?\", \"options\": [\"(A)a\", \"(B)b\","
                        + " \"(C)c\", \"(D) d\", \"(E)e\"], \"label\": \"D\"}");
        var item = (Item.Choice) Tasks.named("lsat_lr").read(folder, 0).items().getFirst();
        assertEquals(
                "Passage: P.\nQuestion: Q?\nA. a\nB. b\nC. c\nD. d\nE. e\nAnswer:",
                item.requests().getFirst().context());
        assertEquals(
                new Request.LogLikelihood(item.requests().getFirst().context(), " E"),
                item.requests().getLast());
        assertEquals(3, item.gold());
    }

    @Test
    void holdsWhatIsWrittenAgainstTheReference() throws IOException {
        Files.writeString(
                folder.resolve("hqs.jsonl"),
                "{\"NLM Question\": \"Long?\", \"Summary\": \"Is it safe?\"}\n"
                        + "{\"NLM Question\": \"Longer?\", \"Summary\": \"Is it cheap?\"}\n");
        var questions = Tasks.named("hqs").read(folder, 0).writingAtMost(7);
        questions.requireMeasurable();
        var item = (Item.Summary) questions.items().getFirst();
        assertEquals(7, item.request().maxTokens());
        assertEquals(List.of("\n"), item.request().until());
        assertTrue(item.request().context().startsWith("A patient writes: Long?\n"));
        var answers =
                questions.ask(
                        new Told(List.of(), List.of("Is it safe?", "is that it")),
                        Decoding.GREEDY,
                        Perplexity.Progress.NONE);
        var first = measure(answers, Metric.ROUGE1);
        assertArrayEquals(new double[] {1, 2 / 3.0}, first.contributions(), 1e-15);
        assertArrayEquals(
                new double[] {1, 0}, measure(answers, Metric.ROUGE2).contributions(), 1e-15);
        assertEquals(5 / 6.0, measure(answers, Metric.ROUGE_L).value(), 1e-15);
        assertEquals(1 / 6.0, first.standardError().getAsDouble(), 1e-15);
    }

    @Test
    void anAnswerIsTheFirstLineThatHasWords() {
        var line = new Request.Generate("", List.of("\n"), 9, true);
        assertEquals("what it is", line.answer(" \n\n what it is\nand more"));
        assertEquals("", line.answer("\n \n"));
        assertTrue(line.isAnswered("\nwhat\n"));
        assertTrue(!line.isAnswered("\n what"));
        assertEquals("", new Request.Generate("", List.of("\n"), 9).answer("\nwhat\n"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "f1_macro|{'context': '{q}', 'choices': '{c}', 'gold': '{a}'}|the same for every",
                "f1_macro|{'context': '{q}', 'choices': ['{c}', 'd'], 'gold': '{a}'}|the same for",
                "rouge1|{'context': '{q}', 'choices': ['c', 'd'], 'gold': '{a}'}|of this kind",
                "acc|{'context': '{q}', 'reference': '{a}'}|of this kind",
                "rouge1|{'context': '{q}', 'reference': '{a}', 'most': 0}|tokens to be written",
                "rouge1|{'context': '{q}', 'continuation': 'c', 'reference': '{a}'}|a form has"
            })
    void refusesMetricsThatDoNotFit(String metric, String form, String problem) throws IOException {
        Path file =
                Files.writeString(
                        folder.resolve("own.json"),
                        "{'name': 'a', 'version': 1, 'metrics': ['%s'], 'forms': [%s]}"
                                .formatted(metric, form)
                                .replace('\'', '"'));
        var refused = assertThrows(MalformedFileException.class, () -> Tasks.named("task:" + file));
        assertTrue(refused.getMessage().contains(problem), refused.getMessage());
    }

    @Test
    void refusesAnEmptyReference() throws IOException {
        Files.writeString(folder.resolve("meqsum.jsonl"), "{\"CHQ\": \"a\", \"Summary\": \" \"}\n");
        var task = Tasks.named("meqsum");
        var refused = assertThrows(MalformedFileException.class, () -> task.read(folder, 0));
        assertTrue(refused.getMessage().contains("line 1 has an empty reference"));
    }
}
