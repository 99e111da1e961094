package dev.pollard.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.format.gguf.GgufBytes;
import dev.pollard.format.gguf.GgufFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Ids that Hugging Face's own Python made, and texts of real size.
@Tag("shared")
class TokenizerGoldenTest {
    private static final Path SHARED = Path.of(System.getProperty("pollard.shared"));
    private static final Path TOKENIZERS = SHARED.resolve("models/tokenizers");
    private static final Path SMOLLM =
            SHARED.resolve("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    private static final Path STORIES = SHARED.resolve("models/stories260k/stories260k-f32.gguf");
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bpe-bytelevel-gpt2",
                "bpe-bytelevel-llama3",
                "bpe-metaspace-first",
                "bpe-metaspace-llama2",
                "bpe-metaspace-never",
                "unigram-bytefallback",
                "unigram-t5"
            })
    void equalsHuggingFaceOnEveryString(String name) throws IOException {
        Path fixture = SHARED.resolve("fixtures/tokenizers").resolve(name);
        try (var tokenizer = Tokenizer.fromHuggingFaceFolder(fixture)) {
            assertEqualsGolden(tokenizer, fixture.resolve("golden.jsonl"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "q4_0", "q8_0-untied"})
    void theTokenizerInsideAGgufEqualsHuggingFace(String storage) throws IOException {
        Path file = SHARED.resolve("fixtures/gguf/tiny-llama-%s.gguf".formatted(storage));
        try (var gguf = GgufFile.open(file);
                var tokenizer = Tokenizer.fromGguf(gguf)) {
            assertEquals(384, tokenizer.vocabularySize());
            assertEquals(OptionalInt.of(0), tokenizer.eos());
            assertEqualsGolden(
                    tokenizer,
                    SHARED.resolve("fixtures/tokenizers/bpe-bytelevel-gpt2/golden.jsonl"));
        }
    }

    /// The fixture composes Unicode first, Llama 3 does not: texts that are composed already agree.
    @Test
    void llama3sWordsEqualHuggingFace() throws IOException {
        Path fixture = SHARED.resolve("fixtures/tokenizers/bpe-bytelevel-llama3");
        JsonNode json = JSON.readTree(fixture.resolve("tokenizer.json").toFile());
        var tokens = new String[384];
        for (var entry : json.path("model").path("vocab").properties()) {
            tokens[entry.getValue().asInt()] = entry.getKey();
        }
        var types = new ArrayList<>(Collections.nCopies(tokens.length, 1));
        for (JsonNode added : json.path("added_tokens")) {
            tokens[added.path("id").asInt()] = added.path("content").asText();
            types.set(added.path("id").asInt(), 3);
        }
        var merges =
                json.path("model")
                        .path("merges")
                        .valueStream()
                        .map(pair -> pair.path(0).asText() + " " + pair.path(1).asText())
                        .toList();
        Path file =
                new GgufBytes(3)
                        .entry("tokenizer.ggml.model", "gpt2")
                        .entry("tokenizer.ggml.pre", "llama-bpe")
                        .entry("tokenizer.ggml.tokens", List.of(tokens))
                        .entry("tokenizer.ggml.token_type", types)
                        .entry("tokenizer.ggml.merges", merges)
                        .entry("tokenizer.ggml.bos_token_id", 382)
                        .write(folder.resolve("llama3.gguf"));
        int compared = 0;
        try (var gguf = GgufFile.open(file);
                var tokenizer = Tokenizer.fromGguf(gguf)) {
            for (String line : Files.readAllLines(fixture.resolve("golden.jsonl"))) {
                JsonNode expected = JSON.readTree(line);
                String text = expected.path("text").asText();
                if (expected.has("text") && Normalizer.isNormalized(text, Normalizer.Form.NFC)) {
                    assertArrayEquals(
                            ids(expected, "ids_special"), tokenizer.encode(text, true), line);
                    compared++;
                }
            }
        }
        assertTrue(compared > 30, "compared " + compared + " strings");
    }

    private static void assertEqualsGolden(Tokenizer tokenizer, Path golden) throws IOException {
        int strings = 0;
        for (String line : Files.readAllLines(golden)) {
            JsonNode expected = JSON.readTree(line);
            if (expected.has("pair")) {
                continue;
            }
            String text = expected.path("text").asText();
            int[] framed = ids(expected, "ids_special");
            int[] plain = ids(expected, "ids");
            assertArrayEquals(framed, tokenizer.encode(text, true), line);
            assertArrayEquals(plain, tokenizer.encode(text, false), line);
            assertEquals(expected.path("decoded").asText(), tokenizer.decode(plain, false), line);
            assertEquals(
                    expected.path("decoded_special_skipped").asText(),
                    tokenizer.decode(framed, true),
                    line);
            strings++;
        }
        assertEquals(40, strings);
    }

    private static int[] ids(JsonNode json, String key) {
        return json.path(key).valueStream().mapToInt(JsonNode::asInt).toArray();
    }

    @Test
    void bosAndEosAreThoseOfTheFolder() throws IOException {
        try (var tokenizer =
                Tokenizer.fromHuggingFaceFolder(SHARED.resolve("fixtures/lmeval-bos"))) {
            assertEquals(OptionalInt.of(1), tokenizer.bos());
            assertEquals(OptionalInt.of(2), tokenizer.eos());
            assertTrue(tokenizer.addsBos());
        }
    }

    @Test
    void bosAndEosOfALoneTokenizerAreThoseItAdds() throws IOException {
        Path fixtures = SHARED.resolve("fixtures/tokenizers");
        try (var t5 = Tokenizer.fromJson(fixtures.resolve("unigram-t5/tokenizer.json"));
                var llama2 =
                        Tokenizer.fromJson(
                                fixtures.resolve("bpe-metaspace-llama2/tokenizer.json"))) {
            assertEquals(OptionalInt.of(1), t5.eos());
            assertEquals(OptionalInt.empty(), t5.bos());
            assertEquals(385, t5.vocabularySize());
            assertEquals(OptionalInt.of(1), llama2.bos());
            assertEquals(OptionalInt.empty(), llama2.eos());
        }
    }

    @Test
    void smolLmsGgufGivesTheReferencesIdsOfWikiText() throws IOException {
        int[] expected = npy(SHARED.resolve("peers/wikitext2_test_ids.npy"));
        try (var gguf = GgufFile.open(SMOLLM);
                var tokenizer = Tokenizer.fromGguf(gguf)) {
            String text = wikiText();
            int[] ids = tokenizer.encode(text, true);
            assertEquals(304_978, ids.length);
            assertArrayEquals(expected, ids);
            assertEquals(text, tokenizer.decode(ids, false));
            assertFalse(tokenizer.addsBos());
            assertEquals(OptionalInt.of(1), tokenizer.bos());
            assertEquals(OptionalInt.of(2), tokenizer.eos());
            assertEquals(49_152, tokenizer.vocabularySize());
            assertArrayEquals(
                    new int[] {1, 4093, 2}, tokenizer.encode("<|im_start|>user<|im_end|>", true));
        }
    }

    @Test
    void gpt2sTwoFilesGiveThePublishedNumberOfTokens() throws IOException {
        Files.copy(TOKENIZERS.resolve("gpt2-vocab.json"), folder.resolve("vocab.json"));
        Files.copy(TOKENIZERS.resolve("gpt2-merges.txt"), folder.resolve("merges.txt"));
        try (var tokenizer = Tokenizer.fromHuggingFaceFolder(folder)) {
            assertArrayEquals(
                    new int[] {
                        15496, 995, 0, 632, 338, 48609, 11, 2125, 470, 340, 30, 628, 220, 12876
                    },
                    tokenizer.encode("Hello world! It's 2024, isn't it?\n\n  ok", true));
            assertEquals(287_644, tokenizer.encode(wikiText(), true).length);
            assertEquals(286_221, tokenizer.encode(wikiTextFile(), true).length);
            assertEquals(OptionalInt.of(50_256), tokenizer.eos());
            assertEquals(50_257, tokenizer.vocabularySize());
        }
    }

    /// OPT shares GPT-2's merges under ids of its own, and puts `</s>` in front.
    @Test
    void optsTwoFilesGiveGpt2sTokensUnderOtherIds() throws IOException {
        Files.copy(TOKENIZERS.resolve("opt-vocab.json"), folder.resolve("vocab.json"));
        Files.copy(TOKENIZERS.resolve("gpt2-merges.txt"), folder.resolve("merges.txt"));
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                """
                {"add_bos_token": true, "bos_token": {"content": "</s>"},
                 "eos_token": {"content": "</s>"}, "unk_token": {"content": "</s>"},
                 "pad_token": {"content": "<pad>"}, "tokenizer_class": "GPT2Tokenizer"}""");
        JsonNode gpt2 = JSON.readTree(TOKENIZERS.resolve("gpt2-vocab.json").toFile());
        JsonNode opt = JSON.readTree(TOKENIZERS.resolve("opt-vocab.json").toFile());
        try (var tokenizer = Tokenizer.fromHuggingFaceFolder(folder)) {
            int[] ids = tokenizer.encode("Hello world! It's 2024", true);
            int[] plain = {15496, 995, 0, 632, 338, 48609};
            assertEquals(2, ids[0]);
            assertEquals(plain.length + 1, ids.length);
            for (int i = 0; i < plain.length; i++) {
                int id = plain[i];
                String token =
                        gpt2.propertyStream()
                                .filter(entry -> entry.getValue().asInt() == id)
                                .findAny()
                                .orElseThrow()
                                .getKey();
                assertEquals(opt.path(token).asInt(), ids[i + 1]);
            }
            assertEquals(287_645, tokenizer.encode(wikiText(), true).length);
            assertEquals(50_265, tokenizer.vocabularySize());
            assertTrue(tokenizer.addsBos());
        }
    }

    @Test
    void neoXAndLlama2EncodeAllOfWikiText() throws IOException {
        String text = wikiText();
        for (String name : List.of("gptneox", "llama2")) {
            try (var tokenizer = Tokenizer.fromJson(TOKENIZERS.resolve(name + "-tokenizer.json"))) {
                int[] ids = tokenizer.encode(text, false);
                assertTrue(ids.length > 250_000 && ids.length < 400_000, name + ids.length);
                assertEquals(text, tokenizer.decode(ids, false));
            }
        }
    }

    /// The merges in Llama 2's `tokenizer.json` were derived by Hugging Face from the scores in
    /// `tokenizer.model`.
    @Test
    void mergesDerivedFromLlama2sScoresAreHuggingFaces() throws IOException {
        JsonNode json = JSON.readTree(TOKENIZERS.resolve("llama2-tokenizer.json").toFile());
        var expected =
                json.path("model").path("merges").valueStream().map(JsonNode::asText).toList();
        var scores = new ArrayList<Float>();
        var pieces = new LinkedHashMap<String, Integer>();
        for (Piece piece : pieces(TOKENIZERS.resolve("llama2-tokenizer.model"))) {
            if (piece.type == 1) {
                pieces.put(piece.text, scores.size());
            }
            scores.add(piece.score);
        }
        var merges =
                SentencePieceMerges.of(pieces, scores).stream()
                        .map(merge -> merge.left() + " " + merge.right())
                        .toList();
        assertEquals(61_249, merges.size());
        assertEquals(expected, merges);
    }

    private record Piece(String text, float score, int type) {}

    /// The pieces of a SentencePiece model, a protobuf: field 1 is a piece of {1 text, 2 score, 3
    /// type}.
    private static List<Piece> pieces(Path model) throws IOException {
        var in = ByteBuffer.wrap(Files.readAllBytes(model)).order(ByteOrder.LITTLE_ENDIAN);
        var pieces = new ArrayList<Piece>();
        while (in.hasRemaining() && in.get() == 0x0a) {
            int end = varint(in);
            end += in.position();
            String text = "";
            float score = 0;
            int type = 1;
            while (in.position() < end) {
                switch (in.get()) {
                    case 0x0a -> {
                        var utf8 = new byte[varint(in)];
                        in.get(utf8);
                        text = new String(utf8, StandardCharsets.UTF_8);
                    }
                    case 0x15 -> score = in.getFloat();
                    case 0x18 -> type = varint(in);
                    default -> throw new AssertionError("unexpected field");
                }
            }
            pieces.add(new Piece(text, score, type));
        }
        return pieces;
    }

    private static int varint(ByteBuffer in) {
        int value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = in.get();
            value |= (next & 0x7f) << shift;
            if (next >= 0) {
                return value;
            }
        }
    }

    @Test
    void storiesGgufMergesAsSentencePieceWould() throws IOException {
        try (var gguf = GgufFile.open(STORIES);
                var tokenizer = Tokenizer.fromGguf(gguf)) {
            var tokens = gguf.metadata().strings("tokenizer.ggml.tokens").orElseThrow();
            var scores = gguf.metadata().floats("tokenizer.ggml.scores").orElseThrow();
            assertEquals(512, tokenizer.vocabularySize());
            assertEquals(
                    List.of("<s>", "▁Once", "▁upon", "▁a", "▁time"),
                    Arrays.stream(tokenizer.encode("Once upon a time", true))
                            .mapToObj(tokens::get)
                            .toList());
            int compared = 0;
            for (String story : stories()) {
                assertArrayEquals(
                        sentencePiece("▁" + story.replace(' ', '▁'), tokens, scores),
                        tokenizer.encode(story, false),
                        story);
                compared += story.length();
            }
            assertTrue(compared > 50_000, "compared " + compared + " characters");
        }
    }

    /// SentencePiece BPE as it is defined: join the leftmost pair with the highest score until none
    /// is left.
    private static int[] sentencePiece(String text, List<String> tokens, List<Float> scores) {
        var parts = text.codePoints().mapToObj(Character::toString).collect(Collectors.toList());
        var known = new HashSet<>(tokens);
        while (true) {
            int best = -1;
            float bestScore = Float.NEGATIVE_INFINITY;
            for (int i = 0; i + 1 < parts.size(); i++) {
                String joined = parts.get(i) + parts.get(i + 1);
                if (known.contains(joined) && scores.get(tokens.indexOf(joined)) > bestScore) {
                    best = i;
                    bestScore = scores.get(tokens.indexOf(joined));
                }
            }
            if (best < 0) {
                break;
            }
            parts.set(best, parts.get(best) + parts.remove(best + 1));
        }
        var ids = new ArrayList<Integer>();
        for (String part : parts) {
            if (known.contains(part)) {
                ids.add(tokens.indexOf(part));
            } else {
                for (byte b : part.getBytes(StandardCharsets.UTF_8)) {
                    ids.add(tokens.indexOf("<0x%02X>".formatted(b)));
                }
            }
        }
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }

    private static List<String> stories() throws IOException {
        try (var in =
                new GZIPInputStream(
                        Files.newInputStream(
                                SHARED.resolve("data/tinystories/tinystories-1000.json.gz")))) {
            JsonNode stories = JSON.readTree(in);
            return stories.valueStream()
                    .map(story -> story.isTextual() ? story.asText() : story.path("text").asText())
                    .limit(100)
                    .toList();
        }
    }

    /// The test set as the papers tokenise it: rows keep their newline, blank rows are empty,
    /// joined by two newlines.
    private static String wikiText() throws IOException {
        return wikiTextFile()
                .lines()
                .map(line -> line.isEmpty() || line.equals(" ") ? "" : line + "\n")
                .collect(Collectors.joining("\n\n"));
    }

    private static String wikiTextFile() throws IOException {
        try (var in =
                new GZIPInputStream(
                        Files.newInputStream(SHARED.resolve("data/wikitext2/wiki.test.raw.gz")))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /// A one-dimensional int32 array of NumPy's format, version 1.
    private static int[] npy(Path file) throws IOException {
        var bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        bytes.position(10 + bytes.getShort(8));
        var ids = new int[bytes.remaining() / Integer.BYTES];
        bytes.asIntBuffer().get(ids);
        return ids;
    }
}
