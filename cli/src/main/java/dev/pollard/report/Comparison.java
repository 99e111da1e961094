package dev.pollard.report;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.EvaluationFacts;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/// Runs that are held against each other. Only runs of one base model can be: each model is a group
/// of its own.
record Comparison(List<Group> groups) {
    /// Runs of one base model.
    ///
    /// @param model its file or folder
    /// @param sha256 of its tensors; empty if the records do not say
    /// @param measures all that some run measured, in the order they were met
    record Group(String model, String sha256, List<Entry> runs, List<Measure> measures) {}

    /// One run.
    ///
    /// @param name what the user calls it
    /// @param line what it is a point of: the method, with whatever differs between the runs of it
    record Entry(String name, RunRecord run, String line) {
        /// The run's value of a measure; empty if it did not take it.
        Optional<Score> score(Measure measure) {
            return run.evaluations().stream()
                    .filter(facts -> Measure.of(facts).equals(measure))
                    .map(Score::new)
                    .findFirst();
        }
    }

    /// A metric of a task, by one protocol on the same tokens or questions: only such values
    /// compare.
    record Measure(
            String task, String metric, int length, long windows, Integer shots, String sha256) {
        static Measure of(EvaluationFacts facts) {
            return new Measure(
                    facts.task(),
                    facts.metric(),
                    facts.length(),
                    facts.windows(),
                    facts.shots(),
                    facts.sha256());
        }
    }

    /// @param runs by name, as read
    static Comparison of(SequencedMap<String, RunRecord> runs) {
        var groups = new LinkedHashMap<String, SequencedMap<String, RunRecord>>();
        runs.forEach(
                (name, run) -> {
                    var filled = Missing.filled(run);
                    String model = filled.model().sha256();
                    String key = model.isEmpty() ? filled.model().path() : model;
                    groups.computeIfAbsent(key, _ -> new LinkedHashMap<>()).put(name, filled);
                });
        return new Comparison(groups.values().stream().map(Comparison::group).toList());
    }

    private static Group group(SequencedMap<String, RunRecord> runs) {
        var measures = new LinkedHashSet<Measure>();
        var entries = new ArrayList<Entry>();
        runs.forEach(
                (name, run) -> {
                    run.evaluations().forEach(facts -> measures.add(Measure.of(facts)));
                    entries.add(new Entry(name, run, line(run, List.copyOf(runs.values()))));
                });
        var model = runs.firstEntry().getValue().model();
        return new Group(
                Figures.fileName(model.path()), model.sha256(), entries, List.copyOf(measures));
    }

    /// The method; N:M, which is another problem than a ratio; and the settings in which the runs
    /// of that method differ.
    private static String line(RunRecord run, List<RunRecord> all) {
        var differing = new StringBuilder();
        settings(run)
                .forEach(
                        (name, value) -> {
                            boolean differs =
                                    all.stream()
                                            .filter(other -> isOfOneMethod(run, other))
                                            .anyMatch(o -> !value.equals(settings(o).get(name)));
                            if (differs) {
                                differing.append(", ").append(name).append(' ').append(value);
                            }
                        });
        String pattern = run.pattern().contains(":") ? " " + run.pattern() : "";
        return run.method().name() + pattern + differing;
    }

    private static boolean isOfOneMethod(RunRecord one, RunRecord other) {
        return one.method().name().equals(other.method().name());
    }

    private static SequencedMap<String, String> settings(RunRecord run) {
        var settings = new LinkedHashMap<String, String>();
        run.method().settings().forEach((name, value) -> settings.put(name, String.valueOf(value)));
        settings.put("allocation", run.method().allocation());
        settings.put("inputs", run.method().inputs());
        settings.put("compute", run.method().compute());
        settings.put("seed", Long.toString(run.seed()));
        var calibration = run.calibration();
        settings.put(
                "calibration",
                "%d × %d tokens of %s"
                        .formatted(
                                calibration.sequences(),
                                calibration.length(),
                                calibration.source().stream()
                                        .map(Figures::sourceName)
                                        .collect(Collectors.joining(", "))));
        for (var domain : run.domains()) {
            settings.put(
                    "domain " + domain.name(),
                    "%d × %d tokens of %s, weight %s"
                            .formatted(
                                    domain.sequences(),
                                    domain.length(),
                                    Figures.sourceName(domain.source()),
                                    Figures.brief(domain.weight())));
        }
        return settings;
    }
}
