package dev.pollard.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BpeTrainerTest {
    private static final String BOS = "<|begin|>";
    private static final String EOS = "<|end|>";
    private static final String TEXT =
            "The cat sat on the mat, and the other cat sat on the other mat. It's 2024: they'll\n"
                    + "find 12 cats, 120 mats…\n\n    “Über” naïve café 🌱🌳 the\tthe";

    @TempDir Path folder;

    private static Tokenizer train(int size, String... texts) throws IOException {
        var trainer = new BpeTrainer(size, BOS, EOS);
        for (String text : texts) {
            trainer.add(text, 1);
        }
        return trainer.train();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                TEXT,
                "never seen: žluťoučký kůň 漢字 👩‍👩‍👧‍👦 \u0000\u0007 \r\n\t x²",
                "  leading, trailing  ",
                ""
            })
    void whateverIsWrittenIsReadBack(String text) throws IOException {
        try (var tokenizer = train(300, TEXT)) {
            assertEquals(text, tokenizer.decode(tokenizer.encode(text, false), false));
        }
    }

    /// The merges against the definition: count all pairs of all words, join the most frequent,
    /// begin again.
    @Test
    void mergesAreThoseOfTheDefinition() throws IOException {
        long seed = new Random().nextLong();
        System.out.println("seed " + seed);
        var random = new Random(seed);
        String text =
                random.ints(3000, 0, 6)
                        .mapToObj(i -> "abc d\n".substring(i, i + 1))
                        .collect(Collectors.joining());
        try (var tokenizer = train(330, text)) {
            JsonNode model = new ObjectMapper().readTree(tokenizer.toJson()).path("model");
            var merges = new ArrayList<String>();
            model.path("merges")
                    .forEach(m -> merges.add(m.path(0).asText() + " " + m.path(1).asText()));
            assertEquals(naiveMerges(text, merges.size(), vocabulary(model)), merges);
        }
    }

    private static Map<String, Integer> vocabulary(JsonNode model) {
        var vocabulary = new HashMap<String, Integer>();
        model.path("vocab")
                .properties()
                .forEach(e -> vocabulary.put(e.getKey(), e.getValue().asInt()));
        return vocabulary;
    }

    private static List<String> naiveMerges(String text, int count, Map<String, Integer> ids) {
        var words = new ArrayList<List<String>>();
        var matcher = java.util.regex.Pattern.compile(PreTokenization.GPT_2_WORDS).matcher(text);
        while (matcher.find()) {
            words.add(
                    new ArrayList<>(
                            List.of(
                                    matcher.group()
                                            .replace(' ', 'Ġ')
                                            .replace('\n', 'Ċ')
                                            .split(""))));
        }
        var merges = new ArrayList<String>();
        while (merges.size() < count) {
            var pairs = new HashMap<String, Integer>();
            for (var word : words) {
                for (int i = 0; i + 1 < word.size(); i++) {
                    pairs.merge(word.get(i) + " " + word.get(i + 1), 1, Integer::sum);
                }
            }
            String best =
                    pairs.keySet().stream()
                            .min(
                                    Comparator.<String>comparingInt(p -> -pairs.get(p))
                                            .thenComparingInt(p -> ids.get(p.split(" ")[0]))
                                            .thenComparingInt(p -> ids.get(p.split(" ")[1])))
                            .orElseThrow();
            merges.add(best);
            String left = best.split(" ")[0];
            String right = best.split(" ")[1];
            for (var word : words) {
                for (int i = 0; i + 1 < word.size(); i++) {
                    if (word.get(i).equals(left) && word.get(i + 1).equals(right)) {
                        word.set(i, left + right);
                        word.remove(i + 1);
                    }
                }
            }
        }
        return merges;
    }

    @Test
    void theOrderOfTextsDoesNotMatterAndWeightsDo() throws IOException {
        try (var one = train(320, TEXT, "other words entirely");
                var two = train(320, "other words entirely", TEXT)) {
            assertEquals(one.toJson(), two.toJson());
        }
        var twice = new BpeTrainer(320, BOS, EOS);
        twice.add(TEXT, 1);
        twice.add("zebra zebra", 50);
        try (var tokenizer = twice.train()) {
            assertEquals(2, tokenizer.encode("zebra zebra", false).length);
        }
    }

    @Test
    void digitsStandAlone() throws IOException {
        try (var tokenizer = train(400, "2024 2024 2024 a 2024 a 2024")) {
            assertEquals(4, tokenizer.encode("2024", false).length);
        }
    }

    @Test
    void beginningOfTextStandsBeforeATextAndSpecialTokensAreNamed() throws IOException {
        try (var tokenizer = train(270, TEXT)) {
            tokenizer.saveTo(folder);
        }
        try (var tokenizer = Tokenizer.fromHuggingFaceFolder(folder)) {
            assertTrue(tokenizer.addsBos());
            assertEquals(0, tokenizer.bos().orElseThrow());
            assertEquals(1, tokenizer.eos().orElseThrow());
            assertEquals(270, tokenizer.vocabularySize());
            int[] ids = tokenizer.encode("the cat" + EOS, true);
            assertEquals(0, ids[0]);
            assertEquals(1, ids[ids.length - 1]);
            assertEquals("the cat", tokenizer.decode(ids, true));
        }
    }

    @Test
    void everyByteHasALetterOfItsOwn() {
        String[] letters = BpeTrainer.letters();
        assertEquals(256, List.of(letters).stream().distinct().count());
        assertEquals("Ġ", letters[' ']);
        assertEquals("Ċ", letters['\n']);
        assertEquals("A", letters['A']);
        assertEquals("Ń", letters[0xAD]);
        assertArrayEquals(
                IntStream.range(0x20, 0x7F).filter(b -> b != ' ').toArray(),
                IntStream.range(0x20, 0x7F).filter(b -> letters[b].charAt(0) == b).toArray());
    }

    @Test
    void whatCannotBeIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new BpeTrainer(257, BOS, EOS));
        assertThrows(IllegalArgumentException.class, () -> new BpeTrainer(300, BOS, BOS));
        assertThrows(IllegalArgumentException.class, () -> train(300));
        var trainer = new BpeTrainer(300, BOS, EOS);
        assertThrows(IllegalArgumentException.class, () -> trainer.add("a", 0));
    }
}
