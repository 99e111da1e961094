package dev.pollard.prune.method;

import dev.pollard.format.Nearest;
import dev.pollard.prune.DomainPass;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.stats.Statistic;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/// The catalogue: every method by the name that `--method` takes.
public final class Methods {
    private static final String PRESET = "preset";

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
                            Map.of(),
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
                            Map.of(),
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
                            Map.of(),
                            settings ->
                                    new SparseGpt(
                                            settings.get(SparseGpt.DAMPING),
                                            settings.get(SparseGpt.BLOCK))),
                    new Entry(
                            "sds",
                            "prunes, rebuilds a dense model near the sparse one, prunes again and"
                                    + " adjusts",
                            new Paper(
                                    "Guanchen Li, Xiandong Zhao, Lian Liu, Zeping Li, Dong Li, Lu"
                                            + " Tian, Jie He, Ashish Sirasao, Emad Barsoum",
                                    "Enhancing One-shot Pruned Pre-trained Language Models through"
                                            + " Sparse-Dense-Sparse Mechanism",
                                    "2408.10473"),
                            Sds.SETTINGS,
                            Sds.PRESETS,
                            Sds::of),
                    new Entry(
                            "taylor",
                            "removes the weights whose removal changes the loss least, by its"
                                    + " gradients",
                            new Paper(
                                    "Xinyin Ma, Gongfan Fang, Xinchao Wang",
                                    "LLM-Pruner: On the Structural Pruning of Large Language Models",
                                    "2305.11627"),
                            Taylor.SETTINGS,
                            Map.of(),
                            Taylor::of),
                    new Entry(
                            "dpruner",
                            "keeps what a domain needs and what the model needs in general, by a"
                                    + " dual score",
                            new Paper(
                                    "Nan Zhang, Yanchi Liu, Xujiang Zhao, Wei Cheng, Runxue Bao,"
                                            + " Rui Zhang, Prasenjit Mitra, Haifeng Chen",
                                    "Pruning as a Domain-specific LLM Extractor",
                                    "2405.06275"),
                            DPruner.SETTINGS,
                            DPruner.PRESETS,
                            DPruner::of));

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
    /// @param presets defaults of settings by the value of the setting `preset`
    public record Entry(
            String key,
            String summary,
            Paper paper,
            List<Setting> settings,
            Map<String, Map<String, String>> presets,
            Function<Settings, Method> factory) {
        /// The values a run would use, with `given` in place of the defaults.
        ///
        /// @throws IllegalArgumentException if a name is unknown or a value not allowed
        public Settings settings(Map<String, String> given) {
            var merged =
                    new HashMap<>(presets.getOrDefault(given.getOrDefault(PRESET, ""), Map.of()));
            merged.putAll(given);
            return Settings.of(key, settings, merged);
        }

        /// The method with these settings.
        public Method create(Settings settings) {
            return factory.apply(settings);
        }

        /// Those of `given` that decide nothing beside the others: without all of them the method
        /// would do the same, by its own defaults. A preset never is: a recipe that spells all its
        /// values out names it, too.
        ///
        /// @throws IllegalArgumentException if a name is unknown or a value not allowed
        public List<String> idle(Map<String, String> given) {
            var passes = create(settings(given)).passes();
            var rest = new HashMap<>(given);
            var idle = new ArrayList<String>();
            for (String name : given.keySet().stream().sorted().toList()) {
                var others = new HashMap<>(rest);
                others.remove(name);
                var without = settings(others);
                boolean same =
                        without.asText().equals(settings(rest).asText()); // the default itself
                if (!name.equals(PRESET) && !same && doesAs(passes, without)) {
                    idle.add(name);
                    rest = others;
                }
            }
            return idle;
        }

        private boolean doesAs(List<Pass> passes, Settings other) {
            try {
                return create(other).passes().equals(passes);
            } catch (IllegalArgumentException e) {
                return false; // what is left does not go together: it took one to make it go
            }
        }

        /// The pass of the method, as set by default, that takes gradients.
        public Optional<DomainPass> domainPass() {
            return Driver.domainPass(byDefault(key));
        }

        /// What the method, as set by default, gathers of the layers' inputs.
        public Set<Statistic> needs() {
            return Driver.needs(byDefault(key), Inputs.PRUNED);
        }
    }

    /// The method named `key`, as set by default.
    static Method byDefault(String key) {
        return create(key, Map.of());
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
