package dev.pollard.prune.method;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/// Helps a user who mistyped a name.
public final class Suggestion {
    private Suggestion() {}

    /// One sentence about an unknown name: the nearest known one, if any is near, and the list.
    ///
    /// @param kind what the name should have named: `method`
    public static String message(String kind, String name, Collection<String> known) {
        String list =
                known.isEmpty()
                        ? "there is none"
                        : "known: " + String.join(", ", known.stream().sorted().toList());
        return nearest(name, known)
                .map(
                        near ->
                                "unknown %s '%s': did you mean '%s'? (%s)"
                                        .formatted(kind, name, near, list))
                .orElseGet(() -> "unknown %s '%s' (%s)".formatted(kind, name, list));
    }

    /// The known name with the fewest edits, if those are at most a third of its letters (two for a
    /// short one).
    public static Optional<String> nearest(String name, Collection<String> known) {
        String given = name.toLowerCase(java.util.Locale.ROOT);
        return known.stream()
                .filter(candidate -> edits(given, candidate) <= Math.max(2, candidate.length() / 3))
                .min(
                        Comparator.comparingInt((String candidate) -> edits(given, candidate))
                                .thenComparing(Comparator.naturalOrder()));
    }

    /// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal
    /// string alignment).
    static int edits(String a, String b) {
        int[][] d = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                if (i == 0 || j == 0) {
                    d[i][j] = i + j;
                    continue;
                }
                int substitution = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
                d[i][j] =
                        Math.min(
                                d[i - 1][j - 1] + substitution,
                                1 + Math.min(d[i - 1][j], d[i][j - 1]));
                if (i > 1
                        && j > 1
                        && a.charAt(i - 1) == b.charAt(j - 2)
                        && a.charAt(i - 2) == b.charAt(j - 1)) {
                    d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
                }
            }
        }
        return d[a.length()][b.length()];
    }
}
