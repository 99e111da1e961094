package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.TinyLlama;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Workers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// On a small LLaMA whose tokens are the words `w0`, `w1`, …
class ModelScorerTest {
    @TempDir Path folder;

    private Model model;

    @BeforeEach
    void open() throws Exception {
        model = Model.open(new TinyLlama(3).write(folder));
    }

    @AfterEach
    void close() {
        model.close();
    }

    private static String words(int... ids) {
        return Arrays.stream(ids).mapToObj(id -> "w" + id).collect(Collectors.joining(" "));
    }

    private static int[] random(int count, long seed) {
        return new Random(seed).ints(count, 0, TinyLlama.VOCABULARY - 1).toArray();
    }

    private List<Scored> score(int crew, List<Request.LogLikelihood> requests) throws Exception {
        try (var workers = new Workers(crew)) {
            return scorer(workers).logLikelihoods(requests, Perplexity.Progress.NONE);
        }
    }

    private ModelScorer scorer(Workers workers) throws Exception {
        var tokenizer = model.tokenizer().orElseThrow();
        return new ModelScorer(model.decoder(), tokenizer, Compute.FLOAT32, workers);
    }

    /// By a full forward pass: log-likelihood of `ids` from `from` on, and whether they are greedy.
    private Scored naive(int[] ids, int from) {
        int vocabulary = TinyLlama.VOCABULARY;
        try (var _ = Scope.open()) {
            float[] logits = model.forward(ids, Compute.FLOAT32).toFloats();
            double sum = 0;
            boolean greedy = true;
            for (int t = from; t < ids.length; t++) {
                double total = 0;
                float own = logits[(t - 1) * vocabulary + ids[t]];
                for (int v = 0; v < vocabulary; v++) {
                    float other = logits[(t - 1) * vocabulary + v];
                    total += Math.exp(other);
                    greedy &= other <= own;
                }
                sum += own - Math.log(total);
            }
            return new Scored(sum, greedy, ids.length - from);
        }
    }

    private static void close(Scored expected, Scored actual) {
        assertEquals(expected.logLikelihood(), actual.logLikelihood(), 1e-4);
        assertEquals(expected.greedy(), actual.greedy());
        assertEquals(expected.tokens(), actual.tokens());
    }

    /// Questions with choices that begin alike, some asked twice, some with a long context that
    /// many share: so that packs, trunks and branches all occur.
    private static List<int[]> sequences() {
        var all = new ArrayList<int[]>();
        int[] examples = random(40, 1);
        for (int q = 0; q < 60; q++) {
            int[] question = random(2 + q % 7, 100 + q);
            for (int c = 0; c < 3; c++) {
                int[] choice = random(1 + (q + c) % 5, 7 * q + c / 2);
                all.add(RequestTokens.concat(question, choice));
                all.add(RequestTokens.concat(examples, RequestTokens.concat(question, choice)));
            }
        }
        return all;
    }

    private static Request.LogLikelihood request(int[] ids, int from) {
        return new Request.LogLikelihood(
                words(Arrays.copyOf(ids, from)),
                " " + words(Arrays.copyOfRange(ids, from, ids.length)));
    }

    @Test
    void equalsAFullForwardPassOfEveryRequestAlone() throws Exception {
        var sequences = sequences();
        var requests = sequences.stream().map(s -> request(s, s.length > 40 ? 41 : 1)).toList();
        var scored = score(2, requests);
        for (int i = 0; i < scored.size(); i++) {
            close(naive(sequences.get(i), sequences.get(i).length > 40 ? 41 : 1), scored.get(i));
        }
    }

    @Test
    void isTheSameForAnyNumberOfWorkers() throws Exception {
        var requests = sequences().stream().map(s -> request(s, s.length - 1)).toList();
        var one = score(1, requests);
        assertEquals(one, score(2, requests));
        assertEquals(one, score(3, requests));
    }

    @Test
    void longSharedBeginningsAreComputedOnce() {
        var spans = new ArrayList<Span>();
        int[] examples = random(200, 1);
        for (int i = 0; i < 50; i++) {
            int[] ids = RequestTokens.concat(examples, random(50, 10 + i));
            spans.add(new Span(ids, ids.length - 5));
        }
        var branches = Pack.all(spans);
        assertEquals(1, branches.size());
        assertEquals(200, branches.getFirst().trunk().length);
        assertTrue(branches.getFirst().packs().size() > 1);
        int rows = branches.getFirst().packs().stream().mapToInt(Pack::count).sum();
        assertTrue(rows <= 50 * 49, rows + " rows");
    }

    @Test
    void choicesOfAQuestionAreOnePackAndReadItOnce() {
        int[] question = random(20, 1);
        var spans = new ArrayList<Span>();
        for (int c = 0; c < 4; c++) {
            spans.add(new Span(RequestTokens.concat(question, new int[] {c, c + 1, c + 2}), 20));
        }
        var branches = Pack.all(spans);
        assertEquals(1, branches.size());
        assertEquals(0, branches.getFirst().trunk().length);
        assertEquals(20 + 4 * 2, branches.getFirst().packs().getFirst().count());
    }

    @Test
    void cutsWhatIsTooLongFromTheLeft() throws Exception {
        int[] ids = random(TinyLlama.CONTEXT + 20, 3);
        var scored = score(1, List.of(request(ids, ids.length - 4))).getFirst();
        int[] kept = Arrays.copyOfRange(ids, ids.length - TinyLlama.CONTEXT - 1, ids.length);
        // The last id is predicted and not read; the naive pass would read it.
        int[] read = Arrays.copyOf(kept, TinyLlama.CONTEXT);
        assertEquals(4, scored.tokens());
        double first = naive(read, read.length - 3).logLikelihood();
        assertTrue(scored.logLikelihood() < first, "the last token counts too");
        var e =
                assertThrows(
                        IllegalArgumentException.class, () -> score(1, List.of(request(ids, 1))));
        assertTrue(e.getMessage().contains("83 tokens"), e.getMessage());
    }

    @Test
    void anEmptyContextNeedsAPrefixToken() {
        // This tokenizer has neither BOS nor EOS.
        for (String context : List.of("", " \n")) {
            var request = new Request.LogLikelihood(context, "w1 w2");
            var e = assertThrows(IllegalArgumentException.class, () -> score(1, List.of(request)));
            assertTrue(e.getMessage().contains("neither BOS nor EOS"), e.getMessage());
        }
    }

    @Test
    void tellsHowFarItIs() throws Exception {
        var last = new AtomicLong();
        var all = new AtomicLong();
        try (var workers = new Workers(2)) {
            scorer(workers)
                    .logLikelihoods(
                            List.of(request(random(9, 1), 4), request(random(9, 2), 4)),
                            (done, total) -> {
                                assertTrue(done > last.getAndSet(done));
                                all.set(total);
                            });
        }
        assertEquals(all.get(), last.get());
    }

    private List<String> generate(int crew, List<Request.Generate> requests) throws Exception {
        try (var workers = new Workers(crew)) {
            return scorer(workers).generate(requests, Decoding.GREEDY, Perplexity.Progress.NONE);
        }
    }

    /// The most probable token every time, by a full forward pass each.
    private int[] naiveText(int[] prompt, int count) {
        int[] ids = prompt;
        for (int i = 0; i < count; i++) {
            try (var _ = Scope.open()) {
                float[] logits =
                        model.forward(ids, Compute.FLOAT32).select(0, ids.length - 1).toFloats();
                int best =
                        IntStream.range(0, logits.length)
                                .reduce(0, (a, b) -> logits[b] > logits[a] ? b : a);
                ids = RequestTokens.concat(ids, new int[] {best});
            }
        }
        return Arrays.copyOfRange(ids, prompt.length, ids.length);
    }

    @Test
    void writesTheMostProbableTokens() throws Exception {
        var requests = new ArrayList<Request.Generate>();
        var expected = new ArrayList<String>();
        for (int i = 0; i < 11; i++) { // more than go together
            int[] prompt = random(3 + i, i);
            requests.add(new Request.Generate(words(prompt), List.of(), 6 + i));
            expected.add(words(naiveText(prompt, 6 + i)).replace("w63", "[UNK]"));
        }
        assertEquals(expected, generate(1, requests));
        assertEquals(expected, generate(2, requests));
    }

    @Test
    void endsAtTheFirstOfTheStrings() throws Exception {
        int[] prompt = random(5, 2);
        String whole = generate(1, List.of(asked(prompt, List.of(), 12))).getFirst();
        String[] written = whole.split(" ");
        String end = written[4];
        String expected = whole.substring(0, whole.indexOf(end));
        assertEquals(
                List.of(expected, expected, whole),
                generate(
                        2,
                        List.of(
                                asked(prompt, List.of("zzz", end), 12),
                                asked(prompt, List.of(end, written[11] + " zzz"), 12),
                                asked(prompt, List.of("", "zzz"), 12))));
    }

    private static Request.Generate asked(int[] prompt, List<String> until, int most) {
        return new Request.Generate(words(prompt), until, most);
    }

    @Test
    void promptsLoseTheirBeginningForTheAnswer() throws Exception {
        int[] prompt = random(TinyLlama.CONTEXT, 4);
        int[] kept = Arrays.copyOfRange(prompt, 10, prompt.length);
        assertEquals(
                List.of(words(naiveText(kept, 10)).replace("w63", "[UNK]")),
                generate(1, List.of(asked(prompt, List.of(), 10))));
        assertThrows(
                IllegalArgumentException.class,
                () -> generate(1, List.of(asked(prompt, List.of(), TinyLlama.CONTEXT))));
    }

    @Test
    void blocksReadAgainForEveryTokenWriteTheSame() throws Exception {
        var prompts = List.of(words(random(4, 1)), words(random(9, 2)));
        var drawn = new Decoding(1.3, 0.9, 5);
        for (var decoding : List.of(Decoding.GREEDY, drawn)) {
            assertEquals(write(prompts, decoding, Long.MAX_VALUE), write(prompts, decoding, 0));
        }
        assertTrue(
                !write(prompts, drawn, 0).equals(write(prompts, new Decoding(1.3, 0.9, 6), 0)),
                "another seed, another text");
        assertEquals(
                write(prompts, Decoding.GREEDY, 0),
                write(prompts, new Decoding(1.3, 1e-9, 7), 0),
                "a nucleus of one token");
    }

    private List<String> write(List<String> prompts, Decoding decoding, long memory)
            throws Exception {
        var tokenizer = model.tokenizer().orElseThrow();
        try (var workers = new Workers(2)) {
            return new Generator(model.decoder(), tokenizer, Compute.FLOAT32, workers, memory)
                    .write(prompts, 12, decoding, Perplexity.Progress.NONE);
        }
    }
}
