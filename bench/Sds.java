import dev.pollard.recipe.RunRecord;
import java.nio.file.Path;
import java.util.stream.Collectors;

/// Prints the runs of `bench/sds.sh` as one Markdown table: a column of perplexities for every
/// text, each as dense → control → this run.
void main(String[] reports) throws Exception {
    IO.println("| run | base | pattern | perplexity, control → run | mean layer error, control → run | mask moved | prune s | control s | total s | peak MiB |");
    IO.println("|---|---|---|---|---|---|---|---|---|---|");
    for (String report : reports) {
        var run = RunRecord.read(Path.of(report));
        var settings = run.method().settings();
        boolean sds = run.method().name().equals("sds");
        String perplexities =
                run.evaluations().stream()
                        .map(
                                e ->
                                        e.control() == null
                                                ? "%.2f".formatted(e.pruned())
                                                : "%.2f → %.2f".formatted(e.control(), e.pruned()))
                        .collect(Collectors.joining("; "));
        double error = run.layers().stream().mapToDouble(l -> l.relativeError()).average().orElse(0);
        double kept = run.layers().stream().mapToDouble(l -> (1 - l.sparsity()) * l.rows() * l.columns()).sum();
        double moved = // of the last step that has a mask, against the first
                run.layers().stream()
                        .flatMap(
                                l ->
                                        l.steps().reversed().stream()
                                                .filter(s -> s.maskMoved() != null)
                                                .limit(1))
                        .mapToDouble(s -> s.maskMoved())
                        .sum();
        var seconds = run.seconds();
        IO.println(
                "| %s | %s | %s | %s | %s | %.1f %% | %.0f | %s | %.0f | %d |"
                        .formatted(
                                Path.of(report).getParent().getParent().getFileName(),
                                sds ? settings.get("base") : run.method().name(),
                                run.pattern(),
                                perplexities,
                                run.control() == null
                                        ? "%.5f".formatted(error)
                                        : "%.5f → %.5f".formatted(run.control().relativeError(), error),
                                100 * moved / kept,
                                seconds.load() + seconds.capture() + seconds.gradients() + seconds.prune() + seconds.propagate() + seconds.commit(),
                                run.control() == null ? "" : "%.0f".formatted(run.control().seconds()),
                                seconds.total(),
                                run.peakRssBytes() >> 20));
    }
}
