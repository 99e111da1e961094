package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import dev.pollard.train.TextSource.Range;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextSourceTest {
    private static final Pattern WHOLE = Pattern.compile("\\z");

    @TempDir private Path folder;

    private Path file(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }

    private static TextSource source(Path file, String template) {
        return new TextSource(file, template, WHOLE, 1, 0, List.of());
    }

    /// `doc 0 … doc 9`, one per line.
    private Path ten() throws IOException {
        return file(
                "ten.jsonl",
                IntStream.range(0, 10)
                        .mapToObj("{\"text\": \"doc %d\"}\n"::formatted)
                        .collect(Collectors.joining()));
    }

    @Test
    void aTemplateMakesADocumentOfARecord() throws IOException {
        var csv = file("t.csv", "question,answer\nWhy?,\"Because $1, \\0.\"\nHow?,So.\n");
        var read = source(csv, "Question: {question}\nAnswer: {answer}").read();
        assertEquals(
                List.of("Question: Why?\nAnswer: Because $1, \\0.", "Question: How?\nAnswer: So."),
                read.training());
        assertEquals(List.of(), read.heldOut());
    }

    @Test
    void recordsMayBePlainStringsAndFieldsOtherThanText() throws IOException {
        var strings = file("s.json", "[\"one\", \" two \", \"\"]");
        assertEquals(List.of("one", "two"), source(strings, "{text}").read().training());
        var mixed = file("m.jsonl", "{\"n\": 7, \"b\": true, \"text\": null}\n");
        assertEquals(List.of("7 true"), source(mixed, "{n} {b} {text}").read().training());
    }

    @Test
    void aPlainTextIsCutAtItsSeparator() throws IOException {
        var text = file("t.txt", "<doc 1>\nfirst\nline\n</doc>\n<doc 2>\n\nsecond\n</doc>\n");
        var cut =
                new TextSource(text, "{text}", Pattern.compile("(?m)^</?doc.*$"), 1, 0, List.of());
        assertEquals(List.of("first\nline", "second"), cut.read().training());
        assertEquals(1, source(text, "{text}").read().training().size());
    }

    @Test
    void someDocumentsAreHeldOutAndSomeAreNeverRead() throws IOException {
        var source =
                new TextSource(
                        ten(), "{text}", WHOLE, 1, 3, List.of(new Range(4, 5), new Range(8, 8)));
        var read = source.read();
        // Every third is held out: 2, 5 and 8, of which 5 and 8 are skipped.
        assertEquals(List.of("doc 2"), read.heldOut());
        assertEquals(
                List.of("doc 0", "doc 1", "doc 3", "doc 6", "doc 7", "doc 9"), read.training());
    }

    @Test
    void aFieldThatIsNotThereIsNamedWithTheNearest() throws IOException {
        var file = file("t.jsonl", "{\"text\": \"a\"}\n{\"txet\": \"b\", \"id\": 1}\n");
        var e = assertThrows(IllegalArgumentException.class, () -> source(file, "{text}").read());
        assertTrue(
                e.getMessage()
                        .endsWith(
                                "t.jsonl, line 2: unknown field 'text'; did you mean 'txet'?"
                                        + " known: id, txet"),
                e.getMessage());
    }

    @Test
    void aFieldThatHoldsNoTextIsRefused() throws IOException {
        var file = file("t.jsonl", "{\"text\": [\"a\", \"b\"]}\n");
        var e = assertThrows(IllegalArgumentException.class, () -> source(file, "{text}").read());
        assertTrue(e.getMessage().endsWith("line 1: field 'text' is no text"), e.getMessage());
    }

    @Test
    void nothingToTrainOnIsRefused() throws IOException {
        var all = new TextSource(ten(), "{text}", WHOLE, 1, 0, List.of(new Range(0, 9)));
        var e = assertThrows(IllegalArgumentException.class, all::read);
        assertTrue(e.getMessage().endsWith("ten.jsonl has no text to train on"), e.getMessage());
        var broken = file("b.jsonl", "{\"text\": \"a\"}\n{\"text\n");
        assertThrows(MalformedFileException.class, () -> source(broken, "{text}").read());
        var missing = folder.resolve("none.jsonl");
        assertThrows(NoSuchFileException.class, () -> source(missing, "{text}").read());
    }

    @Test
    void rangesHaveBothEnds() {
        assertEquals(new Range(500, 619), Range.parse("500-619"));
        assertEquals(new Range(7, 7), Range.parse("7"));
        assertTrue(Range.parse("3-5").contains(3) && Range.parse("3-5").contains(5));
        assertFalse(Range.parse("3-5").contains(2) || Range.parse("3-5").contains(6));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "x", "-3", "3-", "5-3", "1-2-3", "12345678901"})
    void otherRangesAreRefused(String text) {
        var e = assertThrows(IllegalArgumentException.class, () -> Range.parse(text));
        assertEquals("no range of documents: '%s'".formatted(text), e.getMessage());
    }

    @Test
    void settingsThatMakeNoSenseAreRefused() {
        var file = Path.of("t.jsonl");
        for (double weight : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new TextSource(file, "{text}", WHOLE, weight, 0, List.of()));
        }
        for (int heldOut : new int[] {1, -2}) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new TextSource(file, "{text}", WHOLE, 1, heldOut, List.of()));
        }
        var e = assertThrows(IllegalArgumentException.class, () -> source(file, "text"));
        assertEquals("t.jsonl: no field in the template 'text'", e.getMessage());
    }
}
