package dev.pollard.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import dev.pollard.eval.PerplexityResult;
import dev.pollard.recipe.EvaluationRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "eval",
        header = "Measures a model, dense or pruned.",
        description = {
            "Measures a model, dense or pruned: perplexity by the protocol of the papers, every",
            "window alone."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard eval model.gguf --tasks perplexity:rows:wiki.test.raw.gz",
            "  pollard eval out --tasks perplexity:c4.jsonl:text --length 512 --limit 40",
            "  pollard eval out --tasks perplexity:ids.npy --json result.json",
            "",
            "The text is joined (rows and records by two newlines), tokenised once and cut into",
            "windows without overlap; the tail is dropped. 'rows:' takes every line as a row of a",
            "dataset, its newline kept: WikiText-2 raw as the papers' code sees it."
        })
final class EvalCommand implements Callable<Integer> {
    private static final ObjectMapper JSON =
            JsonMapper.builder()
                    .addModule(new Jdk8Module())
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .enable(SerializationFeature.INDENT_OUTPUT)
                    .build();

    private final Console console;

    @Parameters(paramLabel = "MODEL", description = "A Hugging Face folder or a .gguf file.")
    private Path model;

    @Option(
            names = "--tasks",
            required = true,
            split = ",",
            order = 1,
            paramLabel = "TASK[,TASK…]",
            description = "What to measure: perplexity:[rows:]FILE[:field]. Repeatable.")
    private List<String> tasks;

    private OptionalInt length = OptionalInt.empty();
    private OptionalInt limit = OptionalInt.empty();

    @Option(
            names = "--length",
            order = 2,
            paramLabel = "TOKENS",
            description = "Tokens of a window. Default: 2048, or the model's context if shorter")
    private void setLength(int tokens) {
        length = OptionalInt.of(tokens);
    }

    @Option(
            names = "--limit",
            order = 3,
            paramLabel = "N",
            description = "Only the first N windows; the result says so. Default: all")
    private void setLimit(int windows) {
        limit = OptionalInt.of(windows);
    }

    @Option(
            names = "--json",
            order = 4,
            paramLabel = "FILE",
            description = "Write the results to a file as well.")
    private Path json;

    @Mixin private ComputeOptions computing;
    @Mixin private ProgressOptions progress;
    @Mixin private OutputOptions output;

    EvalCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        computing.prepare(console);
        Map<String, EvaluationRun.Measured> results;
        try (var screen = new RunScreen(console, output, progress, "")) {
            results =
                    EvaluationRun.measure(
                            model,
                            tasks,
                            length,
                            limit,
                            computing.compute,
                            computing.threads(),
                            screen);
        }
        var table = new Table("TASK", ">PERPLEXITY", ">±", "WINDOWS", "");
        results.forEach((task, measured) -> row(table, task, measured));
        table.print(console);
        if (json != null) {
            var all = new LinkedHashMap<String, Object>();
            results.forEach((task, measured) -> all.put(task, measured.perplexity()));
            Files.writeString(
                    json,
                    JSON.writeValueAsString(Map.of("model", model.toString(), "results", all))
                            + "\n");
        }
        return ExitCode.DONE.code();
    }

    private static void row(Table table, String task, EvaluationRun.Measured measured) {
        PerplexityResult result = measured.perplexity();
        var error = result.standardError();
        table.row(
                task,
                "%.4f".formatted(result.perplexity()),
                error.isPresent() ? "%.4f".formatted(error.getAsDouble()) : "-",
                "%d of %d, %d tokens each"
                        .formatted(result.windows(), result.windowsAvailable(), result.length()),
                "%,d tokens in the text, BOS %s".formatted(measured.tokens(), measured.bos()));
    }
}
