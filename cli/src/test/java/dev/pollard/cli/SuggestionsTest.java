package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SuggestionsTest {
    private static final List<String> NAMES = List.of("--sparsity", "--seed", "--set", "--save");

    @Test
    void findsSwappedMissingAndSurplusLetters() {
        assertEquals(Optional.of("--sparsity"), Suggestions.nearest("--sparsty", NAMES));
        assertEquals(Optional.of("--sparsity"), Suggestions.nearest("--sparistyy", NAMES));
        assertEquals(Optional.of("--seed"), Suggestions.nearest("--sede", NAMES));
    }

    @Test
    void completesTheOnlyNameThatBeginsSo() {
        assertEquals(Optional.of("--sparsity"), Suggestions.nearest("--spa", NAMES));
    }

    @Test
    void keepsQuietRatherThanGuess() {
        assertEquals(Optional.empty(), Suggestions.nearest("--frobnicate", NAMES));
    }
}
