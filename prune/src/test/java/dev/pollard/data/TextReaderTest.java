package dev.pollard.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextReaderTest {
    @TempDir Path folder;

    @Test
    void readsAPlainFileAsOneText() throws Exception {
        assertEquals(List.of("one\n\ntwo\n"), read("a.txt", "one\n\ntwo\n"));
        assertEquals(List.of("späte 戦 𝄞"), read("b.txt.gz", "späte 戦 𝄞"));
        assertEquals(List.of("marked"), read("c.txt", "\uFEFFmarked"));
    }

    @Test
    void readsCharactersThatSpanBuffers() throws Exception {
        String text = "x" + "𝄞戦ä".repeat(50_000);
        assertEquals(List.of(text), read("long.txt", text));
        assertEquals(List.of(text), read("long.jsonl", "{\"text\": \"" + text + "\"}\n"));
    }

    @Test
    void takesEveryLineAsARow() throws Exception {
        write("w.raw", " \n = Title = \n\n \n  \nend");
        assertEquals(
                List.of("", " = Title = \n", "", "", "  \n", "end"), texts("rows:" + in("w.raw")));
    }

    @Test
    void readsJsonLinesByField() throws Exception {
        write("a.jsonl", "{\"text\": \"a\\nb\", \"n\": 1}\r\n\n{\"n\": 2, \"text\": \"c\"}");
        assertEquals(List.of("a\nb", "c"), texts(in("a.jsonl") + ":text"));
        assertEquals(List.of("a\nb", "c"), texts(in("a.jsonl")));
    }

    @Test
    void readsJsonArraysAndObjectsOfRecords() throws Exception {
        assertEquals(List.of("a", "b"), read("a.json", "[{\"text\":\"a\"}, {\"text\":\"b\"}]"));
        assertEquals(List.of("a", "b"), read("b.json", "[\"a\", \"b\"]"));
        assertEquals(
                List.of("a", "b"),
                read("c.json.gz", "{\"17\": {\"text\":\"a\"}, \"4\": {\"text\":\"b\"}}"));
    }

    @Test
    void readsCsvAsRfc4180SaysIt() throws Exception {
        write("a.csv", "label,abstract\r\n3,\"said \"\"no\"\",\r\nthen left\"\r\n4,plain\r\n");
        assertEquals(
                List.of("said \"no\",\r\nthen left", "plain"), texts(in("a.csv") + ":abstract"));
    }

    /// As PubMedQA has it: records by number, the abstract a list of its parts.
    @Test
    void joinsTheTextsOfAList() throws Exception {
        write("a.json", "{\"17\": {\"q\": \"why\", \"c\": [\"a\", \"b\"]}, \"4\": {\"c\": []}}");
        assertEquals(List.of("a\nb", ""), texts(in("a.json") + ":c"));
        write("b.jsonl", "{\"c\": [\"a\"]}\n{\"c\": [\"a\", 3]}\n");
        assertEquals(
                "line 2 has a number in the list 'c', where texts belong",
                reason(malformed(in("b.jsonl") + ":c")));
    }

    @Test
    void fillsATemplate() throws Exception {
        write(
                "a.jsonl",
                "{\"q\": \"why\", \"c\": [\"a\", \"b\"]}\n{\"q\": \"who\", \"c\": [\"d\"]}\n");
        assertEquals(
                List.of("a\nb\nQuestion: why?", "d\nQuestion: who?"),
                texts(in("a.jsonl") + ":{c|lines}\\nQuestion: {q}?"));
        write("b.csv", "q,a\nwhy,so\n");
        assertEquals(List.of("So: why"), texts(in("b.csv") + ":{a|capitalize}: {q}"));
        String message = refused(IllegalArgumentException.class, in("b.csv") + ":{a} {q1}");
        assertTrue(message.contains("no field 'q1'"), message);
        message = refused(IllegalArgumentException.class, in("b.csv") + ":{a|shout}");
        assertTrue(message.contains("shout"), message);
        write("c.jsonl", "{\"q\": \"why\"}\n{\"q\": null}\n");
        assertEquals("line 2 has no 'q'", reason(malformed(in("c.jsonl") + ":{q}!")));
        assertEquals("line 2 has no 'q'", reason(malformed(in("c.jsonl") + ":q")));
    }

    @Test
    void namesTheFieldsWhenTheOneAskedForIsNotThere() throws Exception {
        write("a.jsonl", "{\"url\": \"u\", \"text\": \"t\"}\n");
        String message = refused(IllegalArgumentException.class, in("a.jsonl") + ":txt");
        assertTrue(message.contains("no field 'txt', did you mean 'text'?"), message);
        assertTrue(message.contains("fields: url, text"), message);
        write("b.csv", "question,answer\nq,a\n");
        message = refused(IllegalArgumentException.class, in("b.csv"));
        assertTrue(message.contains("name one as FILE:field; fields: question, answer"), message);
        message = refused(IllegalArgumentException.class, in("b.csv") + ":nothing");
        assertTrue(message.contains("no field 'nothing'; fields"), message);
    }

    @Test
    void namesLineAndByteOfAJsonLineThatIsBroken() throws Exception {
        write("a.jsonl", "{\"text\": \"ä\"}\n{\"text\": oops}\n");
        var e = malformed(in("a.jsonl"));
        assertTrue(e.getMessage().contains("line 2 is not JSON"), e.getMessage());
        // Line 1 is 15 bytes with its newline; the word stands 9 characters into line 2. Jackson
        // points behind what it could not read.
        assertTrue(e.offset() >= 15 + 9 && e.offset() <= 15 + 14, e.getMessage());
        write("b.jsonl", "{\"text\": \"a\"}\n{\"other\": \"b\"}\n");
        assertEquals("line 2 has no 'text'", reason(malformed(in("b.jsonl"))));
        assertEquals(14, malformed(in("b.jsonl")).offset());
        write("c.jsonl", "{\"text\": 3}\n");
        assertEquals("line 1 has no text in 'text' but a number", reason(malformed(in("c.jsonl"))));
        write("d.jsonl", "{\"text\": \"\\ud800\"}\n");
        assertTrue(malformed(in("d.jsonl")).getMessage().contains("surrogate"));
        write("e.jsonl", "[1]\n");
        assertEquals("line 1 is no record but an array", reason(malformed(in("e.jsonl"))));
        write("f.jsonl", "{\"text\": \"a\"} {}\n");
        assertTrue(malformed(in("f.jsonl")).getMessage().contains("line 1 is not JSON"));
    }

    @Test
    void refusesBrokenJsonAndCsvFiles() throws Exception {
        write("a.json", "[{\"text\": \"a\"},\n {\"text\": ");
        assertTrue(malformed(in("a.json")).getMessage().contains("not JSON: line 2"));
        write("b.json", "\"text\"");
        assertTrue(malformed(in("b.json")).getMessage().contains("neither an array nor"));
        write("c.json", "[{\"text\": \"a\"}] tail");
        assertTrue(malformed(in("c.json")).getMessage().contains("not JSON: line 1"));
        write("d.csv", "text\n\"never closed\n");
        assertTrue(malformed(in("d.csv")).getMessage().contains("not CSV"));
        write("e.csv", "text,more\na,b\nc,d,e\n");
        assertTrue(malformed(in("e.csv")).getMessage().contains("not CSV: line 3"));
        write("f.csv", "id,text\n1,a\n2\n");
        assertTrue(malformed(in("f.csv")).getMessage().contains("has no 'text'"));
        write("g.json", "[".repeat(100_000));
        assertTrue(malformed(in("g.json")).getMessage().contains("not JSON"));
    }

    @Test
    void refusesBytesThatAreNotUtf8() throws Exception {
        byte[] bytes = "grün\n".repeat(20_000).getBytes(StandardCharsets.UTF_8);
        bytes[70_001] = (byte) 0xFC;
        // "grün\n" has six bytes, 70,001 falls on the n: ü of Latin-1 there is no UTF-8.
        Files.write(folder.resolve("a.txt"), bytes);
        var e = malformed(in("a.txt"));
        assertEquals("not UTF-8 text", reason(e));
        assertEquals(70_001, e.offset());
        Files.write(folder.resolve("cut.txt"), Arrays.copyOf(bytes, 3));
        assertEquals(2, malformed(in("cut.txt")).offset());
    }

    @Test
    void refusesEmptyFiles() throws Exception {
        for (String name : List.of("a.txt", "a.jsonl", "a.json", "a.csv", "a.txt.gz")) {
            write(name, "");
            assertEquals("empty: there is no text in it", reason(malformed(in(name))), name);
        }
        write("blank.txt", " \n\n");
        assertEquals("empty: there is no text in it", reason(malformed(in("blank.txt"))));
        assertEquals("empty: there is no text in it", reason(malformed("rows:" + in("blank.txt"))));
        write("none.json", "[]");
        assertEquals("empty: there is no text in it", reason(malformed(in("none.json"))));
        write("head.csv", "text\n");
        assertEquals("empty: there is no text in it", reason(malformed(in("head.csv"))));
    }

    @Test
    void refusesBrokenGzipFilesAndMissingOnes() throws Exception {
        Files.writeString(folder.resolve("a.txt.gz"), "plain");
        assertEquals("not a gzip file", reason(malformed(in("a.txt.gz"))));
        byte[] packed = gzip("words ".repeat(1000));
        Files.write(folder.resolve("b.txt.gz"), Arrays.copyOf(packed, packed.length - 12));
        assertEquals("gzip data ends too early", reason(malformed(in("b.txt.gz"))));
        packed[packed.length - 6] ^= 1; // the checksum
        Files.write(folder.resolve("c.txt.gz"), packed);
        assertEquals("broken gzip data", reason(malformed(in("c.txt.gz"))));
        assertTrue(refused(NoSuchFileException.class, in("none.txt")).contains("none.txt"));
        assertTrue(refused(IOException.class, folder.toString()).contains("is a folder"));
    }

    @Test
    void stopsWhenThereIsEnough() throws Exception {
        write("a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\nbroken\n");
        var seen = new ArrayList<String>();
        TextReader.read(
                Source.parse(in("a.jsonl")),
                text -> {
                    seen.add(text);
                    return seen.size() < 2;
                });
        assertEquals(List.of("a", "b"), seen);
    }

    private List<String> read(String name, String content) throws IOException {
        write(name, content);
        return texts(in(name));
    }

    private List<String> texts(String specification) throws IOException {
        var texts = new ArrayList<String>();
        TextReader.read(Source.parse(specification), texts::add);
        return texts;
    }

    private String refused(Class<? extends Exception> type, String specification) {
        return assertThrows(type, () -> texts(specification)).getMessage();
    }

    private MalformedFileException malformed(String specification) {
        return assertThrows(MalformedFileException.class, () -> texts(specification));
    }

    private static String reason(MalformedFileException e) {
        String message = e.getMessage();
        return message.substring(
                e.file().toString().length() + 2, message.lastIndexOf(" (at byte "));
    }

    private String in(String name) {
        return folder.resolve(name).toString();
    }

    private void write(String name, String content) throws IOException {
        Files.write(
                folder.resolve(name),
                name.endsWith(".gz") ? gzip(content) : content.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] gzip(String content) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(bytes)) {
            out.write(content.getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }
}
