import dev.pollard.recipe.RunRecord;
import java.nio.file.Path;

/// Prints the figures of several `report.json` files as one Markdown table.
void main(String[] reports) throws Exception {
    IO.println("| method | pattern | compute | dense | pruned | sparsity | capture s | prune s | propagate s | sum s | peak MiB |");
    IO.println("|---|---|---|---|---|---|---|---|---|---|---|");
    for (String report : reports) {
        var run = RunRecord.read(Path.of(report));
        var perplexity = run.evaluations().getFirst();
        var seconds = run.seconds();
        IO.println(
                "| %s | %s | %s | %.4f | %.4f | %.5f | %.1f | %.1f | %.1f | %.1f | %d |"
                        .formatted(
                                run.method().name(),
                                run.pattern(),
                                run.method().compute(),
                                perplexity.dense(),
                                perplexity.pruned(),
                                run.sparsity(),
                                seconds.capture(),
                                seconds.prune(),
                                seconds.propagate(),
                                seconds.load() + seconds.capture() + seconds.prune() + seconds.propagate() + seconds.commit(),
                                run.peakRssBytes() >> 20));
    }
}
