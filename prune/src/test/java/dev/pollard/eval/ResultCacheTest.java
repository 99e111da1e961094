package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.model.Compute;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultCacheTest {
    private static final ResultCache.Text KEY =
            new ResultCache.Text("ab12", "cd34", 512, 512, 64, 595, Compute.FLOAT32);
    private static final PerplexityResult RESULT =
            new PerplexityResult(
                    Math.exp(3.4),
                    3.4,
                    OptionalDouble.of(0.1 + 0.2),
                    64,
                    595,
                    32_768,
                    32_704,
                    512,
                    "cd34",
                    12.5,
                    Collections.nCopies(64, 3.4));

    @TempDir Path folder;

    @Test
    void findsBitForBitWhatWasStored() {
        var cache = new ResultCache(folder.resolve("made/when/needed"), "1");
        assertEquals(new ResultCache.Found<>(Optional.empty(), Optional.empty()), cache.find(KEY));
        assertEquals(Optional.empty(), cache.store(KEY, RESULT));
        assertEquals(
                new ResultCache.Found<>(Optional.of(RESULT), Optional.empty()), cache.find(KEY));
        var single =
                new PerplexityResult(
                        RESULT.perplexity(),
                        3.4,
                        OptionalDouble.empty(),
                        64,
                        595,
                        32_768,
                        32_704,
                        512,
                        "cd34",
                        1,
                        RESULT.losses());
        cache.store(KEY, single);
        assertEquals(Optional.of(single), cache.find(KEY).result());
    }

    @Test
    void keepsApartWhateverDiffers() {
        var cache = new ResultCache(folder, "1");
        cache.store(KEY, RESULT);
        for (var other :
                new ResultCache.Text[] {
                    new ResultCache.Text("ab13", "cd34", 512, 512, 64, 595, Compute.FLOAT32),
                    new ResultCache.Text("ab12", "cd35", 512, 512, 64, 595, Compute.FLOAT32),
                    new ResultCache.Text("ab12", "cd34", 256, 512, 64, 595, Compute.FLOAT32),
                    new ResultCache.Text("ab12", "cd34", 512, 128, 64, 595, Compute.FLOAT32),
                    new ResultCache.Text("ab12", "cd34", 512, 512, 63, 595, Compute.FLOAT32),
                    new ResultCache.Text("ab12", "cd34", 512, 512, 64, 64, Compute.FLOAT32),
                    new ResultCache.Text("ab12", "cd34", 512, 512, 64, 595, Compute.BFLOAT16)
                }) {
            assertEquals(Optional.empty(), cache.find(other).result());
        }
    }

    @Test
    void ignoresABrokenFileWithANote() throws Exception {
        var cache = new ResultCache(folder, "1");
        cache.store(KEY, RESULT);
        Path file = onlyFile();
        byte[] whole = Files.readAllBytes(file);
        for (int length = 0; length < whole.length - 1; length++) {
            Files.write(file, Arrays.copyOf(whole, length));
            var found = cache.find(KEY);
            assertEquals(Optional.empty(), found.result());
            assertTrue(found.note().orElseThrow().contains("was ignored"));
        }
        String text = new String(whole);
        Files.writeString(file, text.replace("\"windows\" : 64", "\"windows\" : 63"));
        assertTrue(cache.find(KEY).note().orElseThrow().contains("incomplete"));
        Files.writeString(file, text.replace("ab12", "ab13"));
        assertTrue(cache.find(KEY).note().orElseThrow().contains("made for something else"));
        Files.write(file, new byte[(1 << 26) + 1]);
        assertTrue(cache.find(KEY).note().orElseThrow().contains("too long"));
        assertEquals(Optional.empty(), cache.store(KEY, RESULT));
        assertEquals(Optional.of(RESULT), cache.find(KEY).result());
    }

    private Questions questions(String answers) throws IOException {
        Path file = Files.writeString(folder.resolve("mine.jsonl"), answers);
        return Tasks.named("choice:" + file).read(folder, 0);
    }

    private static ResultCache.Asked asked(
            String weights,
            String tokenizer,
            Questions questions,
            Decoding decoding,
            Compute compute) {
        return new ResultCache.Asked(
                weights, tokenizer, "mine 1", questions.sha256(), decoding, compute);
    }

    @Test
    void findsAnswersBitForBit() throws Exception {
        String line = "{\"question\": \"%s?\", \"choices\": [\"b\", \"c\"], \"answer\": %d}\n";
        var questions = questions(line.formatted("a", 1) + line.formatted("d", 0));
        var scored =
                List.of(
                        new Scored(-0.1 - 0.2, true, 1),
                        new Scored(-1e-300, false, 1),
                        new Scored(Double.MIN_VALUE, false, 2),
                        new Scored(-Math.PI, true, 3));
        var answers = Answers.scored(questions, scored, 1.5);
        var cache = new ResultCache(folder.resolve("cache"), "1");
        var key = asked("ab12", "cd34", questions, Decoding.GREEDY, Compute.FLOAT32);
        assertEquals(Optional.empty(), cache.find(key, questions).result());
        assertEquals(Optional.empty(), cache.store(key, answers));
        var found = cache.find(key, questions).result().orElseThrow();
        assertEquals(answers.scored(), found.scored());
        assertEquals(answers.seconds(), found.seconds());
        assertEquals(answers.measures().getFirst().value(), found.measures().getFirst().value());

        var other = questions(line.formatted("a", 1) + line.formatted("d", 1));
        var sampled = new Decoding(1, 1, 0);
        for (var unknown :
                List.of(
                        asked("ab13", "cd34", questions, Decoding.GREEDY, Compute.FLOAT32),
                        asked("ab12", "cd35", questions, Decoding.GREEDY, Compute.FLOAT32),
                        asked("ab12", "cd34", other, Decoding.GREEDY, Compute.FLOAT32),
                        asked("ab12", "cd34", questions, sampled, Compute.FLOAT32),
                        asked("ab12", "cd34", questions, Decoding.GREEDY, Compute.BFLOAT16))) {
            assertEquals(Optional.empty(), cache.find(unknown, questions).result());
        }
        var newer = new ResultCache(folder.resolve("cache"), "2");
        assertEquals(Optional.empty(), newer.find(key, questions).result());
        var fewer = Answers.scored(questions, scored, 1.5).scored().subList(0, 1);
        cache.store(key, new Answers(answers.measures(), fewer, List.of(), 1.5));
        assertTrue(cache.find(key, questions).note().orElseThrow().contains("incomplete"));
    }

    @Test
    void saysWhyItCouldNotStore() throws Exception {
        Path occupied = Files.writeString(folder.resolve("file"), "x");
        var note = new ResultCache(occupied, "1").store(KEY, RESULT);
        assertTrue(note.orElseThrow().contains("was not cached"), note.toString());
    }

    @Test
    void leavesNothingButTheResult() throws Exception {
        var cache = new ResultCache(folder, "1");
        cache.store(KEY, RESULT);
        cache.store(KEY, RESULT);
        assertTrue(onlyFile().getFileName().toString().endsWith(".json"));
    }

    private Path onlyFile() throws IOException {
        try (var files = Files.list(folder)) {
            var list = files.toList();
            assertEquals(1, list.size());
            return list.getFirst();
        }
    }
}
