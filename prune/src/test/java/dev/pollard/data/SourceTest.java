package dev.pollard.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SourceTest {
    @Test
    void tellsTheKindByTheName() {
        assertEquals(new Source.Document(Path.of("a.txt")), Source.parse("a.txt"));
        assertEquals(new Source.Document(Path.of("wiki.raw.gz")), Source.parse("wiki.raw.gz"));
        assertEquals(new Source.Ids(Path.of("a.npy")), Source.parse("a.npy"));
        assertEquals(new Source.Ids(Path.of("a.npy.gz")), Source.parse("a.npy.gz"));
        assertEquals(new Source.Rows(Path.of("a.raw")), Source.parse("rows:a.raw"));
        assertEquals(
                new Source.Records(
                        Path.of("a.jsonl.gz"), Source.Layout.JSON_LINES, Optional.of("text")),
                Source.parse("a.jsonl.gz:text"));
        assertEquals(
                new Source.Records(Path.of("a.json"), Source.Layout.JSON, Optional.empty()),
                Source.parse("a.json"));
        assertEquals(
                new Source.Records(Path.of("A.CSV"), Source.Layout.CSV, Optional.of("b")),
                Source.parse("A.CSV:b"));
    }

    @Test
    void leavesColonsInNamesAlone(@TempDir Path folder) throws Exception {
        assertEquals("C:\\texts\\a.txt", Source.parse("C:\\texts\\a.txt").toString());
        assertEquals(
                new Source.Records(
                        Path.of("C:/a.jsonl"), Source.Layout.JSON_LINES, Optional.of("text")),
                Source.parse("C:/a.jsonl:text"));
        Path odd = Files.writeString(folder.resolve("a.jsonl:text"), "x");
        assertEquals(new Source.Document(odd), Source.parse(odd.toString()));
    }

    @Test
    void writesItselfAsItWasWritten() {
        for (String text :
                new String[] {
                    "a.jsonl:text", "rows:a.gz", "a.npy", "a.csv", "a.csv:Q: {q}\\nA: {a}"
                }) {
            assertEquals(text, Source.parse(text).toString());
        }
    }

    @Test
    void aTemplateBeginsAtTheFirstColonAfterAFile() {
        for (String template : new String[] {"{a}", "Q: {a}\\nA: {b}", "{a}:{b}", "x.json: {a}"}) {
            assertEquals(
                    new Source.Records(
                            Path.of("C:/a.json.gz"), Source.Layout.JSON, Optional.of(template)),
                    Source.parse("C:/a.json.gz:" + template));
        }
        assertEquals(new Source.Document(Path.of("a{1}")), Source.parse("a{1}"));
    }

    @Test
    void refusesFieldsWhereThereAreNone() {
        assertMessage("a.txt has no fields", "a.txt:text");
        assertMessage("a.npy has no fields", "a.npy:text");
        assertMessage("no field after the colon", "a.csv:");
        assertMessage("rows: takes the lines of a plain text file", "rows:a.jsonl");
        assertMessage("names no file", "");
    }

    private static void assertMessage(String part, String specification) {
        var e = assertThrows(IllegalArgumentException.class, () -> Source.parse(specification));
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }
}
