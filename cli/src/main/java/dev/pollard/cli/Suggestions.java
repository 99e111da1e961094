package dev.pollard.cli;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;
import java.util.function.ToIntFunction;

/// "Did you mean": the known name nearest to what was typed.
final class Suggestions {
    private static final int SHORTEST_PREFIX = 3;

    private Suggestions() {}

    /// The only candidate that begins with what was typed; else the one with the fewest edits, if
    /// there are few enough: a third of the letters, and at least one.
    static Optional<String> nearest(String typed, Collection<String> candidates) {
        String word = typed.toLowerCase(Locale.ROOT);
        int letters = word.replaceFirst("^-+", "").length();
        var longer =
                candidates.stream()
                        .filter(name -> name.toLowerCase(Locale.ROOT).startsWith(word))
                        .toList();
        if (letters >= SHORTEST_PREFIX && longer.size() == 1) {
            return Optional.of(longer.getFirst());
        }
        int bound = Math.max(1, (letters + 1) / 3);
        ToIntFunction<String> distance = name -> edits(word, name.toLowerCase(Locale.ROOT));
        return candidates.stream()
                .filter(name -> distance.applyAsInt(name) <= bound)
                .min(Comparator.comparingInt(distance));
    }

    /// `unknown method 'wnada'; did you mean 'wanda'? Known: magnitude, sparsegpt, wanda`.
    static String unknown(String what, String typed, Collection<String> candidates) {
        String question =
                nearest(typed, candidates)
                        .map(name -> "; did you mean '%s'?".formatted(name))
                        .orElse(";");
        return "unknown %s '%s'%s known: %s"
                .formatted(what, typed, question, String.join(", ", candidates));
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
    private static int edits(String a, String b) {
        int[][] cost = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                if (i == 0 || j == 0) {
                    cost[i][j] = i + j;
                    continue;
                }
                boolean same = a.charAt(i - 1) == b.charAt(j - 1);
                int best = cost[i - 1][j - 1] + (same ? 0 : 1);
                best = Math.min(best, 1 + Math.min(cost[i - 1][j], cost[i][j - 1]));
                boolean swapped =
                        i > 1
                                && j > 1
                                && a.charAt(i - 1) == b.charAt(j - 2)
                                && a.charAt(i - 2) == b.charAt(j - 1);
                cost[i][j] = swapped ? Math.min(best, cost[i - 2][j - 2] + 1) : best;
            }
        }
        return cost[a.length()][b.length()];
    }
}
