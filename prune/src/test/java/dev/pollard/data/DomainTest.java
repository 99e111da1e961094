package dev.pollard.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DomainTest {
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

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "law=a.jsonl:text|law|a.jsonl:text|1",
                "law=a.jsonl:text@2.5|law|a.jsonl:text|2.5",
                "med.1=b.npy.gz@0.1|med.1|b.npy.gz|0.1",
                "med=b.txt|med|b.txt|1",
                "med=me@home.txt|med|me@home.txt|1",
                "med=me@home.txt@3|med|me@home.txt|3",
                "qa=a.json:{q}@{a}|qa|a.json:{q}@{a}|1",
                "qa=a.json:a={q}@2|qa|a.json:a={q}|2"
            })
    void readsWhatAUserWrites(String text, String name, String source, double weight) {
        var domain = Domain.parse(text);
        assertEquals(new Domain(name, Source.parse(source), weight), domain);
        assertEquals(domain, Domain.parse(domain.toString()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a.jsonl|NAME=FILE",
                "=a.jsonl|NAME=FILE",
                "a b=a.jsonl|no name of a domain",
                "../a=a.jsonl|no name of a domain",
                "law=|names no file",
                "law=a.jsonl@0|above 0",
                "law=a.jsonl@-1|above 0",
                "law=a.jsonl@NaN|above 0",
                "law=a.jsonl@Infinity|above 0"
            })
    void refusesWhatIsNoDomain(String text, String problem) {
        var refused = assertThrows(IllegalArgumentException.class, () -> Domain.parse(text));
        assertTrue(refused.getMessage().contains(problem), refused.getMessage());
    }

    private List<TokenWindows> sample(long seed, String... domains) throws IOException {
        return List.copyOf(
                Domain.sample(
                                Arrays.stream(domains).map(Domain::parse).toList(),
                                5,
                                8,
                                seed,
                                Optional.of(tokenizer),
                                Words.VOCABULARY)
                        .values());
    }

    @Test
    void drawsWindowsOfEachBySeed() throws Exception {
        Path law = Files.writeString(folder.resolve("law.txt"), Words.text(0, 60));
        Path med =
                Files.writeString(
                        folder.resolve("med.jsonl"),
                        "{\"t\": \"%s\"}".formatted(Words.text(9, 99)));
        String second = "med=" + med + ":t@3";
        var both = sample(1, "law=" + law, second);
        assertEquals(2, both.size());
        for (var drawn : both) {
            assertEquals(5, drawn.count());
            assertEquals(8, drawn.length());
            for (int i = 0; i < 5; i++) { // the words are numbers in order
                int[] window = drawn.get(i);
                assertEquals(window[0] + 7, window[7]);
            }
        }
        String ofMed = both.get(1).sha256();
        assertEquals(ofMed, sample(1, second).getFirst().sha256(), "whatever else");
        assertNotEquals(ofMed, sample(2, second).getFirst().sha256());
    }

    @Test
    void refusesDomainsThatGiveNothing() throws Exception {
        Path empty = Files.writeString(folder.resolve("empty.txt"), "");
        Path blank = Files.writeString(folder.resolve("blank.jsonl"), "{\"text\": \"\"}\n");
        Path few = Files.writeString(folder.resolve("few.txt"), Words.text(0, 10));
        assertThrows(MalformedFileException.class, () -> sample(1, "a=" + empty));
        assertThrows(NoSuchFileException.class, () -> sample(1, "a=" + folder.resolve("no.txt")));
        var refused = assertThrows(IllegalArgumentException.class, () -> sample(1, "a=" + blank));
        assertTrue(refused.getMessage().contains("blank.jsonl holds 0 tokens"));
        refused = assertThrows(IllegalArgumentException.class, () -> sample(1, "a=" + few));
        assertTrue(refused.getMessage().contains("gives 3 windows of 8 tokens, 5 are needed"));
        refused =
                assertThrows(
                        IllegalArgumentException.class, () -> sample(1, "a=" + few, "a=" + blank));
        assertEquals("two domains are named 'a'", refused.getMessage());
        assertThrows(IllegalArgumentException.class, () -> sample(1));
    }
}
