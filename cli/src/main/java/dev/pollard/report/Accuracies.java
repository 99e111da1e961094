package dev.pollard.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;

/// The accuracies of a record taken together: one for each task, the first that the record has.
///
/// @param scores one for each task
record Accuracies(List<Score> scores) {
    /// Of several metrics of one task the first counts.
    static Accuracies of(List<Score> all) {
        SequencedMap<String, Score> first = new LinkedHashMap<>();
        for (var score : all) {
            if (score.isAccuracy()) {
                first.putIfAbsent(score.facts().task(), score);
            }
        }
        return new Accuracies(List.copyOf(first.values()));
    }

    boolean isEmpty() {
        return scores.isEmpty();
    }

    double dense() {
        return scores.stream().mapToDouble(s -> s.facts().dense()).average().orElse(Double.NaN);
    }

    double pruned() {
        return scores.stream().mapToDouble(s -> s.facts().pruned()).average().orElse(Double.NaN);
    }

    /// Mean of the control; empty if it did not do all of the tasks.
    Optional<Double> control() {
        double sum = 0;
        for (var score : scores) {
            if (score.facts().control() == null) {
                return Optional.empty();
            }
            sum += score.facts().control();
        }
        return scores.isEmpty() ? Optional.empty() : Optional.of(sum / scores.size());
    }

    /// `-2.10 points`; empty if that cannot be said.
    String difference() {
        double points = 100 * (pruned() - dense());
        return Double.isFinite(points) ? String.format(Locale.ROOT, "%+.2f points", points) : "";
    }

    /// How many tasks had which verdict: `worse on 3, noise on 4`.
    String verdicts() {
        var parts = new ArrayList<String>();
        for (var kind : Verdict.Kind.values()) {
            long count = scores.stream().filter(s -> s.verdict().kind() == kind).count();
            if (count > 0) {
                parts.add("%s on %d".formatted(kind.word(), count));
            }
        }
        return String.join(", ", parts);
    }
}
