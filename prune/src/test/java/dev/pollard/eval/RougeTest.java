package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// Against numbers of the package `rouge-score` 0.1.2 and stems of NLTK 3.10.4, its stemmer, for
/// made-up texts and words: `rouge.jsonl`, `stems.csv`.
class RougeTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static List<String> lines(String resource) throws IOException {
        try (var stream = RougeTest.class.getResourceAsStream(resource)) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        }
    }

    @Test
    void equalsTheReferenceImplementation() throws IOException {
        int numbers = 0;
        int movedByStems = 0;
        for (String line : lines("rouge.jsonl")) {
            var test = JSON.readTree(line);
            for (var expected : List.of(test.get("plain"), test.get("stemmed"))) {
                var rouge =
                        Rouge.of(
                                test.get("reference").textValue(),
                                test.get("text").textValue(),
                                expected == test.get("stemmed"));
                numbers += check(expected.get(0), rouge.unigrams(), line);
                numbers += check(expected.get(1), rouge.bigrams(), line);
                numbers += check(expected.get(2), rouge.subsequence(), line);
            }
            movedByStems += test.get("plain").equals(test.get("stemmed")) ? 0 : 1;
        }
        assertEquals(80 * 2 * 9, numbers);
        assertTrue(movedByStems > 40, "the stemmer matters in " + movedByStems);
    }

    private static int check(JsonNode expected, Rouge.Overlap overlap, String where) {
        assertEquals(expected.get(0).doubleValue(), overlap.precision(), 0, where);
        assertEquals(expected.get(1).doubleValue(), overlap.recall(), 0, where);
        assertEquals(expected.get(2).doubleValue(), overlap.f(), 1e-15, where);
        return 3;
    }

    @Test
    void stemsAsTheReferenceImplementation() throws IOException {
        var wrong =
                lines("stems.csv").stream()
                        .map(line -> line.split(","))
                        .filter(pair -> !PorterStemmer.stem(pair[0]).equals(pair[1]))
                        .map(pair -> pair[0] + " -> " + PorterStemmer.stem(pair[0]))
                        .collect(Collectors.toList());
        assertEquals(List.of(), wrong);
        assertTrue(lines("stems.csv").size() > 1_000);
    }
}
