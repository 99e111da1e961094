package dev.pollard.prune;

import dev.pollard.format.Nearest;
import dev.pollard.stats.Statistic;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Who decides how much every layer gives, when a fraction is asked of all together. All sweeps of
/// a method are held to one decision.
public sealed interface Allocation {
    /// Every layer gives what was asked.
    record Uniform() implements Allocation {
        @Override
        public String summary() {
            return "uniform";
        }

        @Override
        public String toString() {
            return "uniform";
        }
    }

    /// Blocks with many outliers give less, see [OutlierSurvey] and [Allotment#byOutliers]. Lu Yin,
    /// You Wu, Zhenyu Zhang, Cheng-Yu Hsieh, Yaqing Wang, Yiling Jia, Gen Li, Ajay Jaiswal, Mykola
    /// Pechenizkiy, Yi Liang, Michael Bendersky, Zhangyang Wang, Shiwei Liu, "Outlier Weighed
    /// Layerwise Sparsity (OWL): A Missing Secret Sauce for Pruning LLMs to High Sparsity", arXiv
    /// 2310.05175.
    ///
    /// @param lambda half the distance between the highest and the lowest ratio, in `[0, 0.5]`
    /// @param m how many times the mean of its block a score must exceed to be an outlier, in `[1,
    ///     1000]`
    record Owl(double lambda, double m) implements Allocation {
        /// The values of the paper.
        public static final Owl DEFAULT = new Owl(0.08, 5);

        /// @throws IllegalArgumentException if a value is outside its range
        public Owl {
            requireRange("lambda", lambda, 0, 0.5);
            requireRange("m", m, 1, 1000);
        }

        private static void requireRange(String name, double value, double least, double most) {
            if (!(value >= least && value <= most)) {
                throw new IllegalArgumentException(
                        "%s of owl must be in [%s, %s]: %s"
                                .formatted(name, text(least), text(most), text(value)));
            }
        }

        private static Owl of(Map<String, String> given) {
            double lambda = DEFAULT.lambda;
            double m = DEFAULT.m;
            for (var setting : given.entrySet()) {
                switch (setting.getKey()) {
                    case "lambda" -> lambda = number(setting);
                    case "m" -> m = number(setting);
                    default ->
                            throw new IllegalArgumentException(
                                    Nearest.unknown(
                                            "setting of owl",
                                            setting.getKey(),
                                            List.of("lambda", "m")));
                }
            }
            return new Owl(lambda, m);
        }

        private static double number(Map.Entry<String, String> setting) {
            try {
                return Double.parseDouble(setting.getValue());
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException(
                        "%s of owl must be a number: '%s'"
                                .formatted(setting.getKey(), setting.getValue()),
                        e);
            }
        }

        /// `5` instead of `5.0`.
        private static String text(double number) {
            return number == Math.rint(number) && Math.abs(number) < 1e9
                    ? String.valueOf((long) number)
                    : String.valueOf(number);
        }

        @Override
        public String summary() {
            return "owl, lambda %s, m %s".formatted(text(lambda), text(m));
        }

        @Override
        public String toString() {
            return "owl:lambda=%s,m=%s".formatted(text(lambda), text(m));
        }
    }

    /// With its settings, for people.
    String summary();

    /// What is gathered of the dense model before anything is pruned; a run needs calibration
    /// sequences if this is not empty.
    default Set<Statistic> needs() {
        return switch (this) {
            case Uniform _ -> Set.of();
            case Owl _ -> Set.of(Statistic.INPUT_MEAN_SQUARE);
        };
    }

    /// @throws IllegalArgumentException if what was asked cannot be shared out: a pattern N:M takes
    ///     the same of every layer, and no block may give more than [Allotment#MOST]
    default void check(Sparsity asked) {
        if (this instanceof Uniform) {
            return;
        }
        switch (asked) {
            case Sparsity.Unstructured(double ratio) -> {
                if (ratio > Allotment.MOST) {
                    throw new IllegalArgumentException(
                            "--allocation owl takes at most %s of a block, --sparsity asks for %s"
                                    .formatted(Allotment.MOST, ratio));
                }
            }
            case Sparsity.SemiStructured pattern ->
                    throw new IllegalArgumentException(
                            "--allocation owl needs a ratio (--sparsity 0.7): the pattern %s takes the same of every layer"
                                    .formatted(pattern));
        }
    }

    /// Reads `uniform`, `owl`, or `owl:lambda=0.15,m=5` with one or both of its settings; what
    /// [Object#toString] of an allocation gives, too.
    ///
    /// @throws IllegalArgumentException if a name is unknown or a value not allowed
    static Allocation parse(String text) {
        int colon = text.indexOf(':');
        String name = colon < 0 ? text : text.substring(0, colon);
        var settings = new LinkedHashMap<String, String>();
        if (colon >= 0) {
            for (String setting : text.substring(colon + 1).split(",", -1)) {
                int equals = setting.indexOf('=');
                if (equals < 1) {
                    throw new IllegalArgumentException(
                            "'%s' is not a setting KEY=VALUE of %s".formatted(setting, name));
                }
                String key = setting.substring(0, equals);
                if (settings.put(key, setting.substring(equals + 1)) != null) {
                    throw new IllegalArgumentException("%s of %s twice".formatted(key, name));
                }
            }
        }
        return switch (name) {
            case "uniform" -> {
                if (colon >= 0) {
                    throw new IllegalArgumentException(
                            "uniform has no settings: '%s'".formatted(text));
                }
                yield new Uniform();
            }
            case "owl" -> Owl.of(settings);
            default ->
                    throw new IllegalArgumentException(
                            Nearest.unknown("allocation", name, List.of("uniform", "owl")));
        };
    }
}
