package dev.pollard.recipe;

import dev.pollard.prune.LayerReport;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/// What the passes of a method told of the layers, as a record keeps it.
///
/// @param reports of every step of every pass
/// @param pass the one whose weights are the result
record LayerStory(List<LayerReport> reports, int pass) {
    private static final int SINGLY = 3;

    /// What the result's last step left of every layer, in the order of the model.
    List<LayerReport> last() {
        var last = new LinkedHashMap<String, LayerReport>();
        reports.stream().filter(l -> l.pass() == pass).forEach(l -> last.put(l.name(), l));
        return List.copyOf(last.values());
    }

    /// What layers had to say; what many say is one line, for each has it in its own entry.
    List<String> notes() {
        var byNote = new LinkedHashMap<String, List<String>>();
        for (var ofLayer : byLayer()) {
            for (String note : notes(ofLayer)) {
                byNote.computeIfAbsent(note, _ -> new ArrayList<>()).add(ofLayer.getFirst().name());
            }
        }
        var lines = new ArrayList<String>();
        byNote.forEach(
                (note, names) -> {
                    if (names.size() <= SINGLY) {
                        names.forEach(name -> lines.add(name + ": " + note));
                    } else {
                        lines.add(
                                "%d layers, the first %s: %s"
                                        .formatted(names.size(), names.getFirst(), note));
                    }
                });
        return lines;
    }

    /// One entry for each layer, in the order of the model: what the last step of the pass that
    /// holds the result left of it, the time and the notes of all.
    List<RunRecord.LayerFacts> facts() {
        return byLayer().stream().map(this::facts).toList();
    }

    /// The reports of each layer, step by step.
    private Collection<List<LayerReport>> byLayer() {
        return reports.stream()
                .collect(
                        Collectors.groupingBy(
                                LayerReport::name, LinkedHashMap::new, Collectors.toList()))
                .values();
    }

    /// What the steps of a layer had to say, by name where there are several.
    private static List<String> notes(List<LayerReport> ofLayer) {
        var notes = new ArrayList<String>();
        for (int i = 0; i < ofLayer.size(); i++) {
            String step = ofLayer.size() == 1 ? "" : "step " + name(ofLayer, i) + ": ";
            ofLayer.get(i).notes().forEach(note -> notes.add(step + note));
        }
        return notes;
    }

    private static String name(List<LayerReport> ofLayer, int step) {
        return "%d %s".formatted(step + 1, ofLayer.get(step).label());
    }

    private RunRecord.LayerFacts facts(List<LayerReport> ofLayer) {
        var steps = new ArrayList<RunRecord.StepFacts>();
        var counts = new LinkedHashMap<String, long[]>();
        counts.put("dense", ofLayer.getFirst().before().counts());
        for (var report : ofLayer) {
            String name = name(ofLayer, steps.size());
            steps.add(
                    new RunRecord.StepFacts(
                            name,
                            report.relativeError(),
                            report.heldOutError(),
                            report.sparsity(),
                            report.seconds(),
                            report.maskMoved()));
            counts.put(name, report.after().counts());
        }
        var last = ofLayer.stream().filter(r -> r.pass() == pass).toList().getLast();
        return new RunRecord.LayerFacts(
                last.name(),
                last.rows(),
                last.columns(),
                last.sparsity(),
                last.relativeError(),
                last.error().name().toLowerCase(Locale.ROOT),
                ofLayer.stream().mapToDouble(LayerReport::seconds).sum(),
                notes(ofLayer),
                List.copyOf(steps),
                new RunRecord.Histogram(ofLayer.getFirst().before().bound(), counts));
    }
}
