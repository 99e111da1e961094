import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.recipe.RunRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Prints what several `report.json` measured, and what the runs took, as one Markdown table.
void main(String[] reports) throws IOException {
    String head = null;
    for (String report : reports) {
        var run = RunRecord.read(Path.of(report));
        var names = new StringBuilder("| run |");
        var dense = new StringBuilder("| dense |");
        var row = new StringBuilder("| %s |".formatted(Path.of(report).getParent().getParent().getFileName()));
        for (var e : run.evaluations()) {
            String task = e.task().replaceFirst(":.*[/\\\\]", " ");
            names.append(" %s %s |".formatted(task, e.metric()));
            String form = e.metric().startsWith("perplexity") ? " %.2f |" : " %.4f |";
            dense.append(form.formatted(e.dense()));
            row.append(form.formatted(e.pruned()));
        }
        var s = run.seconds();
        double total = s.load() + s.capture() + s.gradients() + s.prune() + s.propagate() + s.commit();
        row.append(" %.0f | %.0f | %d |".formatted(s.gradients(), total, run.peakRssBytes() >> 20));
        if (!names.toString().equals(head)) {
            head = names.toString();
            IO.println(head + " gradients s | all passes s | peak MiB |");
            IO.println("|---".repeat(run.evaluations().size() + 4) + "|");
            IO.println(dense + " | | |");
        }
        IO.println(row);
        recovered(Path.of(report).getParent().getParent());
    }
}

/// The same after adapters were trained, if they were.
void recovered(Path run) throws IOException {
    Path file = run.resolveSibling(run.getFileName() + "-lora").resolve("pollard/finetune.json");
    if (!Files.exists(file)) {
        return;
    }
    var record = new ObjectMapper().readTree(file.toFile());
    var row = new StringBuilder("| %s + LoRA |".formatted(run.getFileName()));
    for (var e : record.get("evaluations")) {
        String form = e.get("metric").asText().startsWith("perplexity") ? " %.2f |" : " %.4f |";
        row.append(form.formatted(e.get("after").asDouble()));
    }
    row.append(
            " | %.0f | %d |"
                    .formatted(
                            record.at("/seconds/train").asDouble(),
                            record.path("peak_rss_bytes").asLong() >> 20));
    IO.println(row);
}
