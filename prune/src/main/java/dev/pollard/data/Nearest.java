package dev.pollard.data;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/// The name somebody probably meant.
final class Nearest {
    private Nearest() {}

    /// The name at the smallest edit distance, if it is at most two edits (or a third of the word)
    /// away; letter case does not count.
    static Optional<String> to(String word, Collection<String> names) {
        int limit = Math.max(2, word.length() / 3);
        return names.stream()
                .filter(name -> distance(word, name) <= Math.min(limit, name.length() - 1))
                .min(Comparator.comparingInt(name -> distance(word, name)));
    }

    /// Levenshtein distance.
    private static int distance(String a, String b) {
        String x = a.toLowerCase(Locale.ROOT);
        String y = b.toLowerCase(Locale.ROOT);
        int[] previous = new int[y.length() + 1];
        for (int j = 0; j <= y.length(); j++) {
            previous[j] = j;
        }
        for (int i = 1; i <= x.length(); i++) {
            int[] row = new int[y.length() + 1];
            row[0] = i;
            for (int j = 1; j <= y.length(); j++) {
                int change = x.charAt(i - 1) == y.charAt(j - 1) ? 0 : 1;
                row[j] = Math.min(previous[j - 1] + change, 1 + Math.min(previous[j], row[j - 1]));
            }
            previous = row;
        }
        return previous[y.length()];
    }
}
