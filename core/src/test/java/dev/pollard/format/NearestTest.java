package dev.pollard.format;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class NearestTest {
    private static final List<String> OPTIONS = List.of("--sparsity", "--seed", "--set", "--save");
    private static final List<String> METHODS = List.of("wanda", "sparsegpt", "magnitude");

    private static void assertNearest(String expected, String typed, List<String> known) {
        assertEquals(Optional.of(expected), Nearest.to(typed, known), typed);
    }

    @Test
    void findsSwappedMissingAndSurplusLetters() {
        assertNearest("--sparsity", "--sparsty", OPTIONS);
        assertNearest("--sparsity", "--sparistyy", OPTIONS);
        assertNearest("--seed", "--sede", OPTIONS);
        assertNearest("wanda", "wnada", METHODS);
        assertNearest("text", "txt", List.of("id", "text"));
    }

    @Test
    void letterCaseDoesNotCount() {
        assertNearest("sparsegpt", "SparseGPT", METHODS);
        assertNearest("Text", "text", List.of("id", "Text"));
    }

    @Test
    void completesTheOnlyNameThatBeginsSo() {
        assertNearest("--sparsity", "--spa", OPTIONS);
        assertNearest("magnitude", "mag", METHODS);
    }

    @Test
    void keepsQuietRatherThanGuess() {
        assertEquals(Optional.empty(), Nearest.to("--frobnicate", OPTIONS));
        assertEquals(Optional.empty(), Nearest.to("xyz", METHODS));
        assertEquals(Optional.empty(), Nearest.to("x", List.of("id")));
        assertEquals(Optional.empty(), Nearest.to("", METHODS));
    }

    @Test
    void theSentenceListsWhatThereIs() {
        assertEquals(
                "unknown method 'wnada'; did you mean 'wanda'? known: magnitude, sparsegpt, wanda",
                Nearest.unknown("method", "wnada", METHODS));
        assertEquals(
                "unknown method 'quantum'; known: magnitude, sparsegpt, wanda",
                Nearest.unknown("method", "quantum", METHODS));
        assertEquals(
                "unknown setting of wanda 'alpha'; there is none",
                Nearest.unknown("setting of wanda", "alpha", List.of()));
    }
}
