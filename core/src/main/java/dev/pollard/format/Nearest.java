package dev.pollard.format;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/// "Did you mean": the known name nearest to one that was mistyped, letter case aside.
public final class Nearest {
    private static final int SHORTEST_PREFIX = 3;

    private Nearest() {}

    /// The only name that begins with what was typed; else the one with the fewest edits, if there
    /// are few enough: two, or a third of the letters typed, and fewer than the name has letters.
    /// The dashes of an option are no letters.
    public static Optional<String> to(String typed, Collection<String> known) {
        String word = typed.toLowerCase(Locale.ROOT);
        int letters = letters(word);
        var longer =
                known.stream()
                        .filter(name -> name.toLowerCase(Locale.ROOT).startsWith(word))
                        .toList();
        if (letters >= SHORTEST_PREFIX && longer.size() == 1) {
            return Optional.of(longer.getFirst());
        }
        int most = Math.max(2, letters / 3);
        return known.stream()
                .filter(name -> edits(word, name) <= Math.min(most, letters(name) - 1))
                .min(
                        Comparator.comparingInt((String name) -> edits(word, name))
                                .thenComparing(Comparator.naturalOrder()));
    }

    /// A sentence about an unknown name: `unknown method 'wnada'; did you mean 'wanda'? known:
    /// magnitude, sparsegpt, wanda`.
    ///
    /// @param kind what the name should have named: `method`
    public static String unknown(String kind, String typed, Collection<String> known) {
        String question =
                to(typed, known).map(name -> "; did you mean '%s'?".formatted(name)).orElse(";");
        String names =
                known.isEmpty()
                        ? "there is none"
                        : "known: " + String.join(", ", known.stream().sorted().toList());
        return "unknown %s '%s'%s %s".formatted(kind, typed, question, names);
    }

    private static int letters(String name) {
        return name.replaceFirst("^-+", "").length();
    }

    /// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal
    /// string alignment).
    private static int edits(String a, String name) {
        String b = name.toLowerCase(Locale.ROOT);
        int[][] cost = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                if (i == 0 || j == 0) {
                    cost[i][j] = i + j;
                    continue;
                }
                int substitution = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
                int best = cost[i - 1][j - 1] + substitution;
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
