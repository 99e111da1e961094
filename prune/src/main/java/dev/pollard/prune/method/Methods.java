package dev.pollard.prune.method;

import dev.pollard.format.Nearest;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.Method;
import dev.pollard.stats.Statistic;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/// The catalogue: every method by the name that `--method` takes.
public final class Methods {
    private static final List<Entry> ALL =
            List.of(
                    new Entry(
                            "magnitude",
                            "removes the smallest weights; needs no data",
                            new Paper(
                                    "Michael Zhu, Suyog Gupta",
                                    "To prune, or not to prune: exploring the efficacy of pruning"
                                            + " for model compression",
                                    "1710.01878"),
                            List.of(),
                            _ -> new Magnitude()),
                    new Entry(
                            "wanda",
                            "removes the smallest weights times input norm, row by row; no update",
                            new Paper(
                                    "Mingjie Sun, Zhuang Liu, Anna Bair, J. Zico Kolter",
                                    "A Simple and Effective Pruning Approach for Large Language"
                                            + " Models",
                                    "2306.11695"),
                            List.of(),
                            _ -> new Wanda()),
                    new Entry(
                            "sparsegpt",
                            "removes column by column and lets later columns make up for the error",
                            new Paper(
                                    "Elias Frantar, Dan Alistarh",
                                    "SparseGPT: Massive Language Models Can Be Accurately Pruned in"
                                            + " One-Shot",
                                    "2301.00774"),
                            List.of(SparseGpt.DAMPING, SparseGpt.BLOCK),
                            settings ->
                                    new SparseGpt(
                                            settings.get(SparseGpt.DAMPING),
                                            settings.get(SparseGpt.BLOCK))));

    private Methods() {}

    /// Where a method comes from.
    ///
    /// @param authors comma-separated
    /// @param arxiv identifier without prefix: `2301.00774`
    public record Paper(String authors, String title, String arxiv) {}

    /// One method of the catalogue.
    ///
    /// @param key its name
    /// @param summary one line
    public record Entry(
            String key,
            String summary,
            Paper paper,
            List<Setting> settings,
            Function<Settings, Method> factory) {
        /// The values a run would use, with `given` in place of the defaults.
        ///
        /// @throws IllegalArgumentException if a name is unknown or a value not allowed
        public Settings settings(Map<String, String> given) {
            return Settings.of(key, settings, given);
        }

        /// The method with these settings.
        public Method create(Settings settings) {
            return factory.apply(settings);
        }

        /// What the method, as set by default, gathers of the layers' inputs.
        public Set<Statistic> needs() {
            return Driver.needs(create(settings(Map.of())), Inputs.PRUNED);
        }
    }

    /// All methods, simplest first.
    public static List<Entry> all() {
        return ALL;
    }

    /// @throws IllegalArgumentException if there is no method of that name
    public static Entry named(String key) {
        return ALL.stream()
                .filter(entry -> entry.key.equals(key))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        Nearest.unknown(
                                                "method",
                                                key,
                                                ALL.stream().map(Entry::key).toList())));
    }

    /// The method named `key` with `given` in place of its defaults.
    ///
    /// @throws IllegalArgumentException if the method or a setting is unknown, or a value not
    ///     allowed
    public static Method create(String key, Map<String, String> given) {
        Entry entry = named(key);
        return entry.create(entry.settings(given));
    }
}
