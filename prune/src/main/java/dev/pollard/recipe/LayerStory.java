package dev.pollard.recipe;

import dev.pollard.prune.LayerReport;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;

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
        for (var layer : reports) {
            for (String note : layer.notes()) {
                byNote.computeIfAbsent(note, _ -> new ArrayList<>()).add(layer.name());
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
        var layers = new LinkedHashMap<String, List<LayerReport>>();
        for (var report : reports) {
            layers.computeIfAbsent(report.name(), _ -> new ArrayList<>()).add(report);
        }
        return layers.values().stream().map(this::facts).toList();
    }

    private RunRecord.LayerFacts facts(List<LayerReport> ofLayer) {
        var steps = new ArrayList<RunRecord.StepFacts>();
        var counts = new LinkedHashMap<String, long[]>();
        counts.put("dense", ofLayer.getFirst().before().counts());
        for (var report : ofLayer) {
            String name = "%d %s".formatted(steps.size() + 1, report.label());
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
                ofLayer.stream().flatMap(report -> report.notes().stream()).toList(),
                List.copyOf(steps),
                new RunRecord.Histogram(ofLayer.getFirst().before().bound(), counts));
    }
}
