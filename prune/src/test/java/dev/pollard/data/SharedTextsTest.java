package dev.pollard.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.gguf.GgufFile;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Against the ids that the reference implementations were run on.
@Tag("shared")
class SharedTextsTest {
    private static final Path SHARED = Path.of(System.getProperty("pollard.shared"));
    private static final Path PEERS = SHARED.resolve("peers");
    private static final int VOCABULARY = 49_152;

    @Test
    void cutsTheCalibrationWindowsOfTheReference() throws Exception {
        var calibration =
                new Calibration(
                        List.of(Source.parse(SHARED + "/data/c4-sample/c4-en-part1.jsonl.gz:text")),
                        32,
                        512,
                        Sampling.CONSECUTIVE,
                        0);
        try (var tokenizer = smolLm2();
                var expected = NpyFile.open(PEERS.resolve("calib_32x512.npy"))) {
            var windows = calibration.read(Optional.of(tokenizer), VOCABULARY);
            for (int i = 0; i < 32; i++) {
                assertArrayEquals(expected.read(512L * i, 512, VOCABULARY), windows.get(i));
            }
            assertEquals(BosPolicy.NONE, windows.origins().getFirst().bos());
            assertTrue(windows.origins().getFirst().tokens() < 40_000, "tokenised too much");
            var asIds =
                    new Calibration(
                                    List.of(Source.parse(PEERS + "/calib_32x512.npy")),
                                    32,
                                    512,
                                    Sampling.CONSECUTIVE,
                                    0)
                            .read(Optional.empty(), VOCABULARY);
            assertEquals(asIds.sha256(), windows.sha256());
        }
    }

    @Test
    void tokenisesWikiTextAsTheReferenceDid() throws Exception {
        try (var tokenizer = smolLm2();
                var expected = NpyFile.open(PEERS.resolve("wikitext2_test_ids.npy"))) {
            var windows = wikiText(512).read(Optional.of(tokenizer), VOCABULARY);
            var origin = windows.origins().getFirst();
            assertEquals(304_978, origin.tokens());
            assertEquals(595, windows.count());
            for (int i = 0; i < windows.count(); i++) {
                assertArrayEquals(expected.read(512L * i, 512, VOCABULARY), windows.get(i));
            }
        }
    }

    @Test
    void givesThePublishedNumberOfTokensForGpt2(@TempDir Path folder) throws Exception {
        Path tokenizers = SHARED.resolve("models/tokenizers");
        Files.copy(tokenizers.resolve("gpt2-vocab.json"), folder.resolve("vocab.json"));
        Files.copy(tokenizers.resolve("gpt2-merges.txt"), folder.resolve("merges.txt"));
        Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"gpt2\"}");
        try (var tokenizer = Tokenizer.fromHuggingFaceFolder(folder)) {
            var windows = wikiText(2048).read(Optional.of(tokenizer), 50_257);
            assertEquals(287_644, windows.origins().getFirst().tokens());
            assertEquals(140, windows.count());
        }
    }

    @Test
    void readsTheDomainTexts() throws Exception {
        assertEquals(1000, count("data/healthcare/pubmedqa-ori_pqal.json.gz:LONG_ANSWER"));
        assertEquals(2888, count("data/healthcare/medical-abstracts-test.csv.gz:medical_abstract"));
        assertEquals(1000, count("data/tinystories/tinystories-1000.json.gz"));
        assertEquals(16_407, count("data/healthcare/medquad-answered.jsonl.gz:answer"));
    }

    private static int count(String specification) throws IOException {
        int[] count = {0};
        TextReader.read(
                Source.parse(SHARED + "/" + specification),
                _ -> {
                    count[0]++;
                    return true;
                });
        return count[0];
    }

    private static Evaluation wikiText(int length) {
        return new Evaluation(
                Source.parse("rows:" + SHARED + "/data/wikitext2/wiki.test.raw.gz"),
                length,
                OptionalInt.empty());
    }

    private static Tokenizer smolLm2() throws IOException {
        Path file = SHARED.resolve("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
        try (var gguf = GgufFile.open(file)) {
            return Tokenizer.fromGguf(gguf);
        }
    }
}
