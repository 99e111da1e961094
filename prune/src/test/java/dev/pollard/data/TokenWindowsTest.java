package dev.pollard.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenWindowsTest {
    @TempDir Path folder;
    private Tokenizer tokenizer;

    @BeforeEach
    void open() throws IOException {
        tokenizer = Words.tokenizer(folder, false);
    }

    @AfterEach
    void close() {
        tokenizer.close();
    }

    @Test
    void cutsConsecutiveWindowsAcrossTexts() throws Exception {
        var source = jsonLines("a.jsonl", Words.text(0, 5), Words.text(5, 12));
        var windows = read(consecutive(3, 4, source));
        assertArrayEquals(new int[] {0, 1, 2, 3}, windows.get(0));
        assertArrayEquals(new int[] {4, 5, 6, 7}, windows.get(1));
        assertArrayEquals(new int[] {8, 9, 10, 11}, windows.get(2));
        assertEquals(3, windows.count());
        assertEquals(12, windows.tokens());
        var origin = windows.origins().getFirst();
        assertEquals(12, origin.tokens());
        assertEquals(BosPolicy.NONE, origin.bos());
        assertTrue(origin.notes().getFirst().contains("joined by two newlines"));
    }

    @Test
    void stridesOverAllOfAText() throws Exception {
        var source = jsonLines("a.jsonl", Words.text(0, 13));
        var windows = strided(source, 6, 3, OptionalInt.empty());
        int[][] expected = {
            {0, 1, 2, 3, 4, 5}, {3, 4, 5, 6, 7, 8}, {6, 7, 8, 9, 10, 11}, {9, 10, 11, 12}
        };
        assertEquals(4, windows.count());
        assertEquals(22, windows.tokens());
        for (int i = 0; i < 4; i++) {
            assertArrayEquals(expected[i], windows.get(i));
            assertEquals(i == 0 ? 1 : 3, windows.predictedFrom(i));
        }
        assertEquals(
                List.of(5, 3, 3, 1), IntStream.range(0, 4).mapToObj(windows::predicted).toList());
        assertEquals(4, windows.available());
        assertEquals(3, strided(source, 7, 3, OptionalInt.empty()).count()); // ends with the text
        assertEquals(2, strided(source, 6, 3, OptionalInt.of(2)).count());
        assertNotEquals(windows.sha256(), strided(source, 6, 2, OptionalInt.empty()).sha256());
        assertThrows(
                IllegalArgumentException.class, () -> strided(source, 14, 3, OptionalInt.empty()));
        assertThrows(
                IllegalArgumentException.class, () -> strided(source, 6, 7, OptionalInt.empty()));
        var matrix = ids("rows.npy", "(2, 8)", 16);
        var refused =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> strided(matrix, 6, 3, OptionalInt.empty()));
        assertTrue(refused.getMessage().contains("none overlap"), refused.getMessage());
    }

    private TokenWindows strided(Source source, int length, int stride, OptionalInt limit)
            throws IOException {
        return new Evaluation(source, length, stride, limit)
                .read(Optional.of(tokenizer), Words.VOCABULARY);
    }

    @Test
    void tokenisesNoMoreThanConsecutiveWindowsNeed() throws Exception {
        String[] texts =
                IntStream.range(0, 500)
                        .mapToObj(i -> Words.text(100 * i, 100 * i + 97))
                        .toArray(String[]::new);
        var source = jsonLines("a.jsonl", texts);
        var windows = read(consecutive(4, 64, source));
        var all = evaluate(source, 64, OptionalInt.empty());
        for (int i = 0; i < 4; i++) {
            assertArrayEquals(all.get(i), windows.get(i));
        }
        assertEquals(500 * 97, all.origins().getFirst().tokens());
        assertTrue(windows.origins().getFirst().tokens() < 5000);
        assertTrue(
                windows.origins().getFirst().notes().stream()
                        .anyMatch(note -> note.startsWith("only the first ")));
    }

    @Test
    void readsOnWhenTheFirstTextsGiveTooFewTokens() throws Exception {
        String dull = "w" + "x".repeat(2_000); // one token of many characters
        var source =
                jsonLines("a.jsonl", Stream.generate(() -> dull).limit(600).toArray(String[]::new));
        assertEquals(4, read(consecutive(4, 128, source)).count());
    }

    @Test
    void drawsDistinctStartsBySeed() throws Exception {
        var source = document("a.txt", Words.text(0, 100));
        var windows = read(random(8, 40, 7, source));
        var starts = new HashSet<Integer>();
        for (int i = 0; i < 8; i++) {
            int first = windows.get(i)[0];
            starts.add(first);
            assertArrayEquals(IntStream.range(first, first + 40).toArray(), windows.get(i));
        }
        assertEquals(8, starts.size());
        assertEquals(windows.sha256(), read(random(8, 40, 7, source)).sha256());
        assertNotEquals(windows.sha256(), read(random(8, 40, 8, source)).sha256());
        assertEquals(61, windows.origins().getFirst().available());
        assertEquals(61, read(random(61, 40, 0, source)).count());
    }

    @Test
    void sharesTheSamplesEvenly() throws Exception {
        var a = document("a.txt", Words.text(0, 30));
        var b = document("b.txt", Words.text(50, 80));
        var windows = read(consecutive(5, 5, a, b));
        assertArrayEquals(
                new int[] {0, 5, 10, 50, 55},
                IntStream.range(0, 5).map(i -> windows.get(i)[0]).toArray());
        assertEquals(List.of(3, 2), windows.origins().stream().map(Origin::taken).toList());
        assertThrows(IllegalArgumentException.class, () -> consecutive(1, 5, a, b));
    }

    @Test
    void windowsGoBehindOthersOfTheirLength() {
        var four = new TokenWindows(new int[][] {{1}, {2}, {3}, {4}}, 1, List.of());
        var all = four.and(new TokenWindows(new int[][] {{5}, {6}, {7}, {8}, {9}}, 1, List.of()));
        assertEquals(9, all.count());
        assertArrayEquals(new int[] {5}, all.get(4));
        // What is held out is told of all of them: not the fourth, which is of four.
        assertArrayEquals(new int[][] {{8}}, all.heldOut().all());
        assertArrayEquals(new int[][] {{4}}, four.heldOut().all());
        var longer = new TokenWindows(new int[][] {{1, 2}}, 2, List.of());
        assertThrows(IllegalArgumentException.class, () -> four.and(longer));
    }

    @Test
    void takesRowsOfAMatrixAsSequences() throws Exception {
        var source = ids("a.npy", "(4, 6)", 24);
        var windows = read(consecutive(2, 5, source));
        assertArrayEquals(new int[] {0, 1, 2, 3, 4}, windows.get(0));
        assertArrayEquals(new int[] {6, 7, 8, 9, 10}, windows.get(1));
        var origin = windows.origins().getFirst();
        assertEquals(BosPolicy.AS_IN_FILE, origin.bos());
        assertEquals(List.of("the first 5 of 6 ids of each row"), origin.notes());
        var drawn = read(random(4, 6, 3, source));
        assertEquals(
                List.of(0, 6, 12, 18),
                IntStream.range(0, 4).mapToObj(i -> drawn.get(i)[0]).sorted().toList());
    }

    @Test
    void cutsALineOfIdsLikeAText() throws Exception {
        var source = ids("a.npy", "(23,)", 23);
        assertArrayEquals(new int[] {5, 6, 7, 8, 9}, read(consecutive(2, 5, source)).get(1));
        var all = evaluate(source, 5, OptionalInt.empty());
        assertEquals(4, all.count());
        assertEquals(4, all.available());
    }

    @Test
    void idsNeedNoTokenizerAndTextDoes() throws Exception {
        var source = ids("a.npy", "(23,)", 23);
        assertEquals(
                4,
                new Evaluation(source, 5, OptionalInt.empty()).read(Optional.empty(), 100).count());
        var text = document("a.txt", Words.text(0, 30));
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                new Evaluation(text, 5, OptionalInt.empty())
                                        .read(Optional.empty(), 100));
        assertTrue(e.getMessage().contains("without a tokenizer"), e.getMessage());
    }

    @Test
    void saysHowShortAShortSourceIs() throws Exception {
        var text = document("a.txt", Words.text(0, 30));
        refuse("holds 30 tokens, one window needs 31", consecutive(1, 31, text));
        refuse("holds 30 tokens, one window needs 31", random(1, 31, 0, text));
        refuse("gives 3 windows of 10 tokens, 4 are needed", consecutive(4, 10, text));
        refuse("gives 21 windows of 10 tokens, 22 are needed", random(22, 10, 0, text));
        var matrix = ids("a.npy", "(4, 6)", 24);
        refuse("holds 4 rows of 6 tokens, one window needs 7", consecutive(1, 7, matrix));
        refuse("gives 4 windows of 6 tokens, 5 are needed", consecutive(5, 6, matrix));
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> evaluate(text, 31, OptionalInt.empty()));
        assertTrue(e.getMessage().contains("one window needs 31"), e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> evaluate(text, 1, OptionalInt.empty()));
        assertThrows(IllegalArgumentException.class, () -> evaluate(text, 5, OptionalInt.of(0)));
    }

    @Test
    void beginsATextOnceWhereTheTokenizerDoes() throws Exception {
        try (var begins = Words.tokenizer(folder, true)) {
            var source = document("a.txt", Words.text(0, 30));
            var windows =
                    new Evaluation(source, 4, OptionalInt.of(2)).read(Optional.of(begins), 102);
            assertArrayEquals(new int[] {101, 0, 1, 2}, windows.get(0));
            assertArrayEquals(new int[] {3, 4, 5, 6}, windows.get(1));
            assertEquals(BosPolicy.AT_START, windows.origins().getFirst().bos());
            assertEquals(7, windows.available());
        }
    }

    @Test
    void refusesATokenizerThatIsNotTheModels() throws Exception {
        var source = document("a.txt", Words.text(0, 30));
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () ->
                                new Evaluation(source, 5, OptionalInt.empty())
                                        .read(Optional.of(tokenizer), 20));
        assertTrue(e.getMessage().contains("token 20 of "), e.getMessage());
        assertTrue(e.getMessage().contains("has the id 20"), e.getMessage());
    }

    private TokenWindows read(Calibration calibration) throws IOException {
        return calibration.read(Optional.of(tokenizer), Words.VOCABULARY);
    }

    private TokenWindows evaluate(Source source, int length, OptionalInt limit) throws IOException {
        return new Evaluation(source, length, limit).read(Optional.of(tokenizer), Words.VOCABULARY);
    }

    private void refuse(String part, Calibration calibration) {
        var e = assertThrows(IllegalArgumentException.class, () -> read(calibration));
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    private static Calibration consecutive(int samples, int length, Source... sources) {
        return new Calibration(List.of(sources), samples, length, Sampling.CONSECUTIVE, 0);
    }

    private static Calibration random(int samples, int length, long seed, Source... sources) {
        return new Calibration(List.of(sources), samples, length, Sampling.RANDOM, seed);
    }

    private Source document(String name, String text) throws IOException {
        return Source.parse(Files.writeString(folder.resolve(name), text).toString());
    }

    private Source jsonLines(String name, String... texts) throws IOException {
        return document(
                name,
                Arrays.stream(texts)
                        .map(text -> "{\"text\": \"%s\"}\n".formatted(text))
                        .collect(Collectors.joining()));
    }

    private Source ids(String name, String shape, int count) throws IOException {
        return Source.parse(
                Npy.write(folder.resolve(name), 1, Npy.header("<i4", shape), count, 4).toString());
    }

    @ParameterizedTest
    @CsvSource({"1, ''", "2, 1", "5, 4", "8, 7", "9, 7", "16, '7 15'"})
    void everyEighthSequenceIsHeldOutAndTheLastOfFewer(int count, String expected) {
        assertEquals(
                expected,
                IntStream.range(0, count)
                        .filter(i -> TokenWindows.isHeldOut(i, count))
                        .mapToObj(Integer::toString)
                        .collect(Collectors.joining(" ")));
        int[][] ids = IntStream.range(0, count).mapToObj(i -> new int[] {i}).toArray(int[][]::new);
        var heldOut = new TokenWindows(ids, 1, List.of()).heldOut();
        assertEquals(
                expected.isEmpty() ? "0" : expected,
                IntStream.range(0, heldOut.count())
                        .mapToObj(i -> Integer.toString(heldOut.get(i)[0]))
                        .collect(Collectors.joining(" ")));
    }
}
