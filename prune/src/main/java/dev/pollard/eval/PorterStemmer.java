package dev.pollard.eval;

import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/// Strips suffixes from English words: Porter, An algorithm for suffix stripping, Program 14(3),
/// 1980, with the deviations of NLTK's default mode (`NLTK_EXTENSIONS`), by which the reference
/// implementation of ROUGE stems. Comments name the steps as the paper does.
final class PorterStemmer {
    /// Words whose stem no rule finds.
    private static final Map<String, String> IRREGULAR =
            Map.ofEntries(
                    Map.entry("skies", "sky"),
                    Map.entry("sky", "sky"),
                    Map.entry("dying", "die"),
                    Map.entry("lying", "lie"),
                    Map.entry("tying", "tie"),
                    Map.entry("news", "news"),
                    Map.entry("innings", "inning"),
                    Map.entry("inning", "inning"),
                    Map.entry("outings", "outing"),
                    Map.entry("outing", "outing"),
                    Map.entry("cannings", "canning"),
                    Map.entry("canning", "canning"),
                    Map.entry("howe", "howe"),
                    Map.entry("proceed", "proceed"),
                    Map.entry("exceed", "exceed"),
                    Map.entry("succeed", "succeed"));

    /// A suffix, what takes its place, and the stem it must leave.
    private record Rule(String suffix, String by, Predicate<String> condition) {}

    private static final Predicate<String> LONG = stem -> measure(stem) > 0;
    private static final Predicate<String> LONGER = stem -> measure(stem) > 1;

    private static final List<Rule> PLURALS =
            List.of(rule("sses", "ss"), rule("ies", "i"), rule("ss", "ss"), rule("s", ""));

    /// What a participle without its ending lacks.
    private static final List<Rule> RESTORED =
            List.of(rule("at", "ate"), rule("bl", "ble"), rule("iz", "ize"));

    private static final List<Rule> DOUBLE_SUFFIXES =
            List.of(
                    new Rule("ational", "ate", LONG),
                    new Rule("tional", "tion", LONG),
                    new Rule("enci", "ence", LONG),
                    new Rule("anci", "ance", LONG),
                    new Rule("izer", "ize", LONG),
                    new Rule("bli", "ble", LONG),
                    new Rule("alli", "al", LONG),
                    new Rule("entli", "ent", LONG),
                    new Rule("eli", "e", LONG),
                    new Rule("ousli", "ous", LONG),
                    new Rule("ization", "ize", LONG),
                    new Rule("ation", "ate", LONG),
                    new Rule("ator", "ate", LONG),
                    new Rule("alism", "al", LONG),
                    new Rule("iveness", "ive", LONG),
                    new Rule("fulness", "ful", LONG),
                    new Rule("ousness", "ous", LONG),
                    new Rule("aliti", "al", LONG),
                    new Rule("iviti", "ive", LONG),
                    new Rule("biliti", "ble", LONG),
                    new Rule("fulli", "ful", LONG),
                    new Rule("logi", "log", stem -> measure(stem + "l") > 0));

    private static final List<Rule> SUFFIXES =
            List.of(
                    new Rule("icate", "ic", LONG),
                    new Rule("ative", "", LONG),
                    new Rule("alize", "al", LONG),
                    new Rule("iciti", "ic", LONG),
                    new Rule("ical", "ic", LONG),
                    new Rule("ful", "", LONG),
                    new Rule("ness", "", LONG));

    private static final List<Rule> LAST_SUFFIXES =
            List.of(
                    new Rule("al", "", LONGER),
                    new Rule("ance", "", LONGER),
                    new Rule("ence", "", LONGER),
                    new Rule("er", "", LONGER),
                    new Rule("ic", "", LONGER),
                    new Rule("able", "", LONGER),
                    new Rule("ible", "", LONGER),
                    new Rule("ant", "", LONGER),
                    new Rule("ement", "", LONGER),
                    new Rule("ment", "", LONGER),
                    new Rule("ent", "", LONGER),
                    new Rule(
                            "ion",
                            "",
                            LONGER.and(stem -> stem.endsWith("s") || stem.endsWith("t"))),
                    new Rule("ou", "", LONGER),
                    new Rule("ism", "", LONGER),
                    new Rule("ate", "", LONGER),
                    new Rule("iti", "", LONGER),
                    new Rule("ous", "", LONGER),
                    new Rule("ive", "", LONGER),
                    new Rule("ize", "", LONGER));

    private PorterStemmer() {}

    private static Rule rule(String suffix, String by) {
        return new Rule(suffix, by, _ -> true);
    }

    /// The stem of `word`.
    ///
    /// @param word small letters and digits; what is no vowel counts as a consonant
    static String stem(String word) {
        if (IRREGULAR.containsKey(word)) {
            return IRREGULAR.get(word);
        }
        if (word.length() <= 2) {
            return word;
        }
        String stem = y(participle(plural(word)));
        stem = apply(SUFFIXES, doubleSuffix(stem));
        return finish(apply(LAST_SUFFIXES, stem));
    }

    /// Step 1a; words of four letters such as `dies` keep their `ie`.
    private static String plural(String word) {
        return word.length() == 4 && word.endsWith("ies")
                ? without(word, "s")
                : apply(PLURALS, word);
    }

    /// Step 1b; of `ied` an `i` is left, or `ie` in a word of four letters.
    private static String participle(String word) {
        if (word.endsWith("ied")) {
            return without(word, word.length() == 4 ? "d" : "ed");
        }
        if (word.endsWith("eed")) {
            return measure(without(word, "eed")) > 0 ? without(word, "d") : word;
        }
        for (String ending : List.of("ed", "ing")) {
            if (word.endsWith(ending) && hasVowel(without(word, ending))) {
                return restored(without(word, ending));
            }
        }
        return word;
    }

    private static String restored(String stem) {
        String whole = apply(RESTORED, stem);
        if (!whole.equals(stem)) {
            return whole;
        }
        if (endsInDoubleConsonant(stem)) {
            return "lsz".indexOf(stem.charAt(stem.length() - 1)) < 0
                    ? stem.substring(0, stem.length() - 1)
                    : stem;
        }
        return measure(stem) == 1 && endsShort(stem) ? stem + "e" : stem;
    }

    /// Step 1c; only after a consonant that is not all there is.
    private static String y(String word) {
        String stem = word.endsWith("y") ? without(word, "y") : "";
        return stem.length() > 1 && isConsonant(stem, stem.length() - 1) ? stem + "i" : word;
    }

    /// Step 2; `alli` goes first, and what it leaves is looked at once more.
    private static String doubleSuffix(String word) {
        return word.endsWith("alli") && measure(without(word, "alli")) > 0
                ? doubleSuffix(without(word, "li"))
                : apply(DOUBLE_SUFFIXES, word);
    }

    /// Steps 5a and 5b.
    private static String finish(String word) {
        String stem = word;
        if (word.endsWith("e")) {
            String shorter = without(word, "e");
            int measure = measure(shorter);
            if (measure > 1 || measure == 1 && !endsShort(shorter)) {
                stem = shorter;
            }
        }
        return stem.endsWith("ll") && measure(without(stem, "l")) > 1 ? without(stem, "l") : stem;
    }

    /// By the first rule whose suffix is there; none other is tried, even if its condition fails.
    private static String apply(List<Rule> rules, String word) {
        for (var rule : rules) {
            if (word.endsWith(rule.suffix)) {
                String stem = without(word, rule.suffix);
                return rule.condition.test(stem) ? stem + rule.by : word;
            }
        }
        return word;
    }

    private static String without(String word, String ending) {
        return word.substring(0, word.length() - ending.length());
    }

    /// Times that a consonant follows a vowel: m of the paper.
    private static int measure(String word) {
        boolean[] consonants = consonants(word);
        int changes = 0;
        for (int i = 1; i < consonants.length; i++) {
            changes += consonants[i] && !consonants[i - 1] ? 1 : 0;
        }
        return changes;
    }

    private static boolean hasVowel(String word) {
        for (boolean consonant : consonants(word)) {
            if (!consonant) {
                return true;
            }
        }
        return false;
    }

    private static boolean isConsonant(String word, int index) {
        return consonants(word)[index];
    }

    /// Which letters are consonants: no vowels, and no `y` after a consonant.
    private static boolean[] consonants(String word) {
        boolean[] consonants = new boolean[word.length()];
        for (int i = 0; i < consonants.length; i++) {
            char c = word.charAt(i);
            consonants[i] = c == 'y' ? i == 0 || !consonants[i - 1] : "aeiou".indexOf(c) < 0;
        }
        return consonants;
    }

    private static boolean endsInDoubleConsonant(String word) {
        int n = word.length();
        return n >= 2 && word.charAt(n - 1) == word.charAt(n - 2) && isConsonant(word, n - 1);
    }

    /// `*o` of the paper: consonant, vowel, consonant other than w, x, y at the end; also a word
    /// that is a vowel and a consonant.
    private static boolean endsShort(String word) {
        int n = word.length();
        if (n == 2) {
            return !isConsonant(word, 0) && isConsonant(word, 1);
        }
        return n > 2
                && isConsonant(word, n - 3)
                && !isConsonant(word, n - 2)
                && isConsonant(word, n - 1)
                && "wxy".indexOf(word.charAt(n - 1)) < 0;
    }
}
