package dev.pollard.eval;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/// How much a text has in common with a reference (Lin, ROUGE: a package for automatic evaluation
/// of summaries, 2004), each from 0 to 1. Numbers are those of the package `rouge-score` 0.1.2.
///
/// @param unigrams ROUGE-1
/// @param bigrams ROUGE-2
/// @param subsequence ROUGE-L of whole texts: the longest common subsequence of words
record Rouge(Overlap unigrams, Overlap bigrams, Overlap subsequence) {
    private static final Pattern SEPARATOR = Pattern.compile("[^a-z0-9]+");

    /// Words of no more characters are not stemmed.
    private static final int SHORT = 3;

    /// @param precision share of the text that is in the reference
    /// @param recall share of the reference that is in the text
    record Overlap(double precision, double recall) {
        /// @param common words (or pairs of words) of both
        private static Overlap of(int common, int text, int reference) {
            return new Overlap(
                    (double) common / Math.max(text, 1), (double) common / Math.max(reference, 1));
        }

        /// F1: the harmonic mean of both; 0 if nothing is in common.
        double f() {
            double sum = precision + recall;
            return sum > 0 ? 2 * precision * recall / sum : 0;
        }
    }

    /// Scores `text` against `reference`.
    ///
    /// @param stemmed whether words are compared by their stems
    static Rouge of(String reference, String text, boolean stemmed) {
        var expected = words(reference, stemmed);
        var written = words(text, stemmed);
        return new Rouge(
                grams(expected, written, 1),
                grams(expected, written, 2),
                Overlap.of(
                        longestCommonSubsequence(expected, written),
                        written.size(),
                        expected.size()));
    }

    /// Stretches of a to z and digits, in small letters.
    static List<String> words(String text, boolean stemmed) {
        var words = new ArrayList<String>();
        for (String word : SEPARATOR.split(text.toLowerCase(Locale.ROOT))) {
            String stem = stemmed && word.length() > SHORT ? PorterStemmer.stem(word) : word;
            if (!stem.isEmpty()) {
                words.add(stem);
            }
        }
        return words;
    }

    private static Overlap grams(List<String> reference, List<String> text, int n) {
        var expected = counts(reference, n);
        int common = 0;
        for (var gram : counts(text, n).entrySet()) {
            common += Math.min(gram.getValue(), expected.getOrDefault(gram.getKey(), 0));
        }
        return Overlap.of(
                common, Math.max(text.size() - n + 1, 0), Math.max(reference.size() - n + 1, 0));
    }

    private static Map<List<String>, Integer> counts(List<String> words, int n) {
        var counts = new HashMap<List<String>, Integer>();
        for (int i = 0; i + n <= words.size(); i++) {
            counts.merge(words.subList(i, i + n), 1, Integer::sum);
        }
        return counts;
    }

    private static int longestCommonSubsequence(List<String> a, List<String> b) {
        int[] lengths = new int[b.size() + 1]; // of what was seen of a, by what was seen of b
        for (String word : a) {
            int diagonal = 0;
            for (int j = 1; j < lengths.length; j++) {
                int above = lengths[j];
                lengths[j] =
                        word.equals(b.get(j - 1)) ? diagonal + 1 : Math.max(above, lengths[j - 1]);
                diagonal = above;
            }
        }
        return lengths[b.size()];
    }
}
