package dev.pollard.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import dev.pollard.format.gguf.GgufBytes;
import dev.pollard.format.gguf.GgufFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Small vocabularies built here; real ones are in [TokenizerGoldenTest].
class TokenizerTest {
    @TempDir Path folder;

    private GgufBytes byteLevel() {
        return new GgufBytes(3)
                .entry("tokenizer.ggml.model", "gpt2")
                .entry(
                        "tokenizer.ggml.tokens",
                        List.of("<s>", "a", "b", "Ġ", "1", "2", "ab", "Ġab", "12", "</s>"))
                .entry("tokenizer.ggml.token_type", List.of(3, 1, 1, 1, 1, 1, 1, 1, 1, 3))
                .entry("tokenizer.ggml.merges", List.of("a b", "Ġ ab", "1 2"))
                .entry("tokenizer.ggml.bos_token_id", 0)
                .entry("tokenizer.ggml.eos_token_id", 9);
    }

    private Tokenizer open(GgufBytes gguf) throws IOException {
        try (var file = GgufFile.open(gguf.write(folder.resolve("t.gguf")))) {
            return Tokenizer.fromGguf(file);
        }
    }

    @Test
    void byteLevelPiecesAreMergedInOrder() throws IOException {
        try (var tokenizer = open(byteLevel().entry("tokenizer.ggml.pre", "gpt-2"))) {
            assertArrayEquals(new int[] {6, 7, 8}, tokenizer.encode("ab ab12", true));
            assertEquals("ab ab12", tokenizer.decode(new int[] {6, 7, 8}, false));
            assertEquals(OptionalInt.of(0), tokenizer.bos());
            assertEquals(OptionalInt.of(9), tokenizer.eos());
            assertFalse(tokenizer.addsBos());
            assertEquals(10, tokenizer.vocabularySize());
        }
    }

    @Test
    void smolLmSplitsDigits() throws IOException {
        try (var tokenizer = open(byteLevel().entry("tokenizer.ggml.pre", "smollm"))) {
            assertArrayEquals(new int[] {6, 4, 5}, tokenizer.encode("ab12", false));
        }
    }

    @Test
    void llama3BeginsWithBosUnlessToldOtherwise() throws IOException {
        try (var tokenizer = open(byteLevel().entry("tokenizer.ggml.pre", "llama-bpe"))) {
            assertTrue(tokenizer.addsBos());
            assertArrayEquals(new int[] {0, 6}, tokenizer.encode("ab", true));
            assertArrayEquals(new int[] {6}, tokenizer.encode("ab", false));
        }
        var told =
                byteLevel()
                        .entry("tokenizer.ggml.pre", "llama-bpe")
                        .entry("tokenizer.ggml.add_bos_token", false)
                        .entry("tokenizer.ggml.add_eos_token", true);
        try (var tokenizer = open(told)) {
            assertFalse(tokenizer.addsBos());
            assertArrayEquals(new int[] {6, 9}, tokenizer.encode("ab", true));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gpt-2",
                "olmo",
                "smollm",
                "command-r",
                "llama-bpe",
                "qwen2",
                "tekken",
                "bloom",
                "default"
            })
    void everyPreTokenizerIsAcceptedByTheLibrary(String pre) throws IOException {
        try (var tokenizer = open(byteLevel().entry("tokenizer.ggml.pre", pre))) {
            assertEquals("ab ab12", tokenizer.decode(tokenizer.encode("ab ab12", false), false));
        }
    }

    @Test
    void specialTokensInTheTextAreRecognised() throws IOException {
        try (var tokenizer = open(byteLevel())) {
            int[] ids = tokenizer.encode("ab</s>ab", false);
            assertArrayEquals(new int[] {6, 9, 6}, ids);
            assertEquals("ab</s>ab", tokenizer.decode(ids, false));
            assertEquals("abab", tokenizer.decode(ids, true));
        }
    }

    @Test
    void anUnknownPreTokenizerIsNamedWithTheKnownOnes() throws IOException {
        var gguf = byteLevel().entry("tokenizer.ggml.pre", "klingon");
        var failure = assertThrows(MalformedFileException.class, () -> open(gguf));
        assertTrue(
                failure.getMessage()
                        .contains("tokenizer.ggml.pre 'klingon' is unknown (known: gpt-2, phi-2,"),
                failure.getMessage());
    }

    @Test
    void brokenVocabulariesAreRefused() throws IOException {
        var noModel = new GgufBytes(3).entry("general.architecture", "llama");
        assertRefused(noModel, "tokenizer.ggml.model is missing");
        var otherModel = new GgufBytes(3).entry("tokenizer.ggml.model", "bert");
        assertRefused(otherModel, "'bert' is not supported");
        var tokens =
                new GgufBytes(3)
                        .entry("tokenizer.ggml.model", "gpt2")
                        .entry("tokenizer.ggml.tokens", List.of("a", "b", "a"));
        assertRefused(tokens, "tokenizer.ggml.tokens has 'a' twice, as 0 and 2");
        var merges =
                new GgufBytes(3)
                        .entry("tokenizer.ggml.model", "gpt2")
                        .entry("tokenizer.ggml.tokens", List.of("a", "b"))
                        .entry("tokenizer.ggml.merges", List.of("a b"));
        assertRefused(merges, "tokenizer.ggml.merges has 'a b', but 'ab' is no token");
        assertRefused(
                new GgufBytes(3)
                        .entry("tokenizer.ggml.model", "llama")
                        .entry("tokenizer.ggml.tokens", List.of("a", "b"))
                        .entry("tokenizer.ggml.scores", List.of(0f)),
                "tokenizer.ggml.scores has 1 elements, but there are 2 tokens");
        assertRefused(
                byteLevel().entry("tokenizer.ggml.unknown_token_id", 10),
                "tokenizer.ggml.unknown_token_id is 10, but there are 10 tokens");
    }

    private void assertRefused(GgufBytes gguf, String reason) {
        var failure = assertThrows(MalformedFileException.class, () -> open(gguf));
        assertTrue(failure.getMessage().contains(reason), failure.getMessage());
    }

    private GgufBytes sentencePiece() {
        return new GgufBytes(3)
                .entry("tokenizer.ggml.model", "llama")
                .entry(
                        "tokenizer.ggml.tokens",
                        List.of("<unk>", "<s>", "</s>", "<0x21>", "▁", "a", "b", "ab", "▁ab", "ba"))
                .entry(
                        "tokenizer.ggml.scores",
                        List.of(0f, 0f, 0f, 0f, -9f, -9f, -9f, -2f, -3f, -1f))
                .entry("tokenizer.ggml.token_type", List.of(2, 3, 3, 6, 1, 1, 1, 1, 1, 1));
    }

    @Test
    void sentencePieceMergesTheHighestScoreFirst() throws IOException {
        try (var tokenizer = open(sentencePiece())) {
            assertTrue(tokenizer.addsBos());
            assertEquals(OptionalInt.of(1), tokenizer.bos());
            assertEquals(OptionalInt.of(2), tokenizer.eos());
            assertArrayEquals(new int[] {1, 8}, tokenizer.encode("ab", true));
            // "ba" has the best score, so "▁aba" falls apart around it
            assertArrayEquals(new int[] {4, 5, 9}, tokenizer.encode("aba", false));
            assertEquals("aba", tokenizer.decode(new int[] {1, 4, 5, 9}, true));
        }
    }

    @Test
    void sentencePieceFallsBackToBytesThenToUnknown() throws IOException {
        try (var tokenizer = open(sentencePiece())) {
            assertArrayEquals(new int[] {8, 3, 0}, tokenizer.encode("ab!?", false));
            assertEquals("ab!", tokenizer.decode(new int[] {8, 3}, false));
        }
    }

    @Test
    void aBlankIsPutBeforeATextUnlessTheFileForbidsIt() throws IOException {
        var gguf =
                sentencePiece()
                        .entry("tokenizer.ggml.add_space_prefix", false)
                        .entry("tokenizer.ggml.add_bos_token", false);
        try (var tokenizer = open(gguf)) {
            assertArrayEquals(new int[] {7, 8}, tokenizer.encode("ab ab", true));
            assertEquals(" ab", tokenizer.decode(new int[] {8}, false));
        }
    }

    @Test
    void writesATokenizerThatReadsBackTheSame() throws IOException {
        try (var tokenizer = open(sentencePiece().entry("tokenizer.chat_template", "{{x}}"))) {
            Path out = Files.createDirectory(folder.resolve("out"));
            tokenizer.saveTo(out);
            String config = Files.readString(out.resolve("tokenizer_config.json"));
            assertTrue(config.contains("\"chat_template\":\"{{x}}\""), config);
            assertTrue(config.contains("\"unk_token\":\"<unk>\""), config);
            try (var again = Tokenizer.fromHuggingFaceFolder(out)) {
                assertEquals(tokenizer.toJson(), again.toJson());
                assertEquals(tokenizer.bos(), again.bos());
                assertEquals(tokenizer.eos(), again.eos());
                assertEquals(tokenizer.addsBos(), again.addsBos());
                assertArrayEquals(tokenizer.encode("ab aba!", true), again.encode("ab aba!", true));
            }
        }
    }

    private void vocabularyAndMerges() throws IOException {
        Files.writeString(
                folder.resolve("vocab.json"),
                """
                {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "b": 5, "ab": 6}""");
        Files.writeString(folder.resolve("merges.txt"), "#version: 0.2\na b\n");
    }

    @Test
    void optBeginsWithEndOfText() throws IOException {
        vocabularyAndMerges();
        Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"opt\"}");
        try (var tokenizer = Tokenizer.fromHuggingFaceFolder(folder)) {
            assertTrue(tokenizer.addsBos());
            assertArrayEquals(new int[] {2, 6, 4}, tokenizer.encode("aba", true));
            assertEquals(tokenizer.bos(), tokenizer.eos());
        }
    }

    @Test
    void tokenizerConfigDecidesAboutBos() throws IOException {
        vocabularyAndMerges();
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                """
                {"add_bos_token": true, "bos_token": {"content": "<s>"}, "eos_token": "</s>"}""");
        try (var tokenizer = Tokenizer.fromHuggingFaceFolder(folder)) {
            assertArrayEquals(new int[] {0, 6}, tokenizer.encode("ab", true));
            assertEquals(OptionalInt.of(2), tokenizer.eos());
        }
    }

    @Test
    void aBrokenMergesFileIsNamedWithItsOffset() throws IOException {
        vocabularyAndMerges();
        Files.writeString(folder.resolve("merges.txt"), "#version: 0.2\na b\na é\n");
        var failure =
                assertThrows(
                        MalformedFileException.class,
                        () -> Tokenizer.fromHuggingFaceFolder(folder));
        assertEquals(18, failure.offset());
        assertTrue(failure.getMessage().contains("merges.txt"), failure.getMessage());
    }

    @Test
    void aFolderWithoutTokenizerSaysSo() {
        var failure =
                assertThrows(
                        NoSuchFileException.class, () -> Tokenizer.fromHuggingFaceFolder(folder));
        assertTrue(failure.getMessage().contains("no tokenizer"), failure.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "{",
                "[]",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}}",
                "{\"model\": {\"type\": \"Nothing\", \"vocab\": {\"a\": 0}, \"merges\": []}}",
                "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\"]}}",
                "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 7, \"vocab\": [[\"a\", 0.0]]}}",
            })
    void aBrokenTokenizerJsonIsRefused(String json) throws IOException {
        Path file = Files.writeString(folder.resolve("tokenizer.json"), json);
        var failure = assertThrows(MalformedFileException.class, () -> Tokenizer.fromJson(file));
        assertEquals(file, failure.file());
    }

    @Test
    void halfASurrogatePairIsRefused() throws IOException {
        try (var tokenizer = open(byteLevel())) {
            assertThrows(IllegalArgumentException.class, () -> tokenizer.encode("ab\ud800", false));
            assertThrows(IllegalArgumentException.class, () -> tokenizer.encode("\udc00ab", false));
            assertThrows(
                    IllegalArgumentException.class, () -> tokenizer.decode(new int[] {10}, false));
        }
    }

    @Test
    void threadsMayShareATokenizer() throws IOException {
        try (var tokenizer = open(byteLevel())) {
            List<int[]> alone =
                    IntStream.range(0, 500)
                            .mapToObj(n -> tokenizer.encode("ab ab12 ".repeat(n), false))
                            .toList();
            assertTrue(
                    IntStream.range(0, 500)
                            .parallel()
                            .allMatch(
                                    n ->
                                            Arrays.equals(
                                                    alone.get(n),
                                                    tokenizer.encode(
                                                            "ab ab12 ".repeat(n), false))));
        }
    }
}
