package dev.pollard.cli;

import dev.pollard.eval.Comparison;
import dev.pollard.eval.Decoding;
import dev.pollard.eval.Measure;
import dev.pollard.model.Model;
import dev.pollard.recipe.EvaluationRun;
import dev.pollard.recipe.Recipe;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "eval",
        header = "Measures a model, or one against another, on texts and tasks.",
        description = {
            "Measures a model, dense or pruned: perplexity by the protocol of the papers, every",
            "window alone, and tasks as lm-evaluation-harness asks them. With OTHER both answer the",
            "same questions, and the difference is called noise when it is noise."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard eval model.gguf --tasks perplexity:rows:wiki.test.raw.gz",
            "  pollard eval dense out --tasks piqa,arc_easy --limit 500 --task-data benchmarks",
            "  pollard eval out --tasks mmlu_anatomy --shots 5 --json result.json",
            "  pollard eval dense out --tasks choice:mine.jsonl,perplexity:c4.jsonl:text",
            "  pollard eval dense out --tasks pubmedqa,hqs,perplexity-strided:contracts.jsonl:text",
            "",
            "'pollard tasks' lists the tasks. The text of a perplexity is joined (rows and records by",
            "two newlines), tokenised once and cut into windows without overlap; the tail is dropped.",
            "'rows:' takes every line as a row of a dataset, its newline kept: WikiText-2 raw as the",
            "papers' code sees it. Of perplexity-strided the windows overlap, and each token is",
            "predicted once, from all the window has before it; 2048/512: in front of the file sets",
            "window and stride.",
            "",
            "Tasks with summaries let the model write up to the end of a line, the most probable token",
            "each time unless there is a --temperature, and hold it against the reference by ROUGE.",
            "",
            "± is the standard error. Of a difference it is paired: of the differences question by",
            "question. p is how probable a difference as large is by chance alone: McNemar's test for",
            "accuracies. The JSON has the keys of lm-evaluation-harness: results, acc,none, …"
        })
final class EvalCommand implements Callable<Integer> {
    private final Console console;
    private final Environment environment;

    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            description = "A Hugging Face folder, a .gguf file, or a name ('pollard models').")
    private Path model;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "OTHER",
            description = "A model to hold against it, such as its pruned one.")
    private Path other;

    @Option(
            names = "--tasks",
            required = true,
            split = ",",
            order = 1,
            paramLabel = "TASK[,TASK…]",
            description =
                    "What to measure: names of tasks ('pollard tasks'),"
                            + " perplexity:[rows:]FILE[:field],"
                            + " perplexity-strided:[W/S:][rows:]FILE[:field], choice:FILE.jsonl,"
                            + " task:FILE.json. Repeatable.")
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
            description =
                    "Only N questions of every task, drawn by the seed; of a text the first N"
                            + " windows, as the papers do. The result says so. Default: all")
    private void setLimit(int count) {
        limit = OptionalInt.of(count);
    }

    @Option(
            names = "--seed",
            order = 4,
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "Of the questions drawn, and of texts written with a --temperature. Default:"
                            + " ${DEFAULT-VALUE}")
    private long seed;

    @Option(
            names = "--shots",
            order = 5,
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "Solved examples in front of every question: the first of the task's file of"
                            + " examples. Default: ${DEFAULT-VALUE}")
    private int shots;

    @Option(
            names = "--temperature",
            order = 6,
            paramLabel = "T",
            defaultValue = "0",
            description =
                    "Of texts to be written. 0: always the most probable token. Default:"
                            + " ${DEFAULT-VALUE}")
    private double temperature;

    @Option(
            names = "--top-p",
            order = 7,
            paramLabel = "P",
            defaultValue = "1",
            description =
                    "Of texts to be written: draw only among the most probable tokens that reach"
                            + " this probability together. Default: ${DEFAULT-VALUE}")
    private double topP;

    private OptionalInt most = OptionalInt.empty();

    @Option(
            names = "--max-tokens",
            order = 8,
            paramLabel = "N",
            description = "Tokens of texts to be written. Default: what the task says")
    private void setMost(int tokens) {
        most = OptionalInt.of(tokens);
    }

    @Mixin private TaskDataOptions data;

    @Option(
            names = "--json",
            order = 37,
            paramLabel = "FILE",
            description = "Write the results to a file as well.")
    private Path json;

    @Option(
            names = "--log-samples",
            order = 38,
            description = "Put the answer to every question into the JSON, too.")
    private boolean logSamples;

    @Mixin private ComputeOptions computing;
    @Mixin private OfflineOption offline;
    @Mixin private ProgressOptions progress;
    @Mixin private OutputOptions output;

    EvalCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        if (logSamples && json == null) {
            throw new IllegalArgumentException("--log-samples goes with --json FILE");
        }
        var names = environment.names(offline);
        Path first = names.resolve(model);
        Path second = other == null ? null : names.resolve(other);
        computing.prepare(environment.cacheFolder());
        var decoding = new Decoding(temperature, topP, seed);
        var asked =
                new Recipe.Evaluation(
                        tasks, length, limit, data.folder(), seed, shots, decoding, most, false);
        List<EvaluationRun.Outcome> outcomes;
        try (var screen = new RunScreen(console, output, progress, "")) {
            outcomes = measure(EvaluationRun.prepare(asked), first, second, screen);
        }
        if (other == null) {
            printOne(outcomes);
        } else {
            printTwo(outcomes);
        }
        if (json != null) {
            var models = other == null ? List.of(model) : List.of(model, other);
            Files.writeString(json, EvaluationJson.of(asked, models, outcomes, logSamples));
        }
        return ExitCode.DONE.code();
    }

    private List<EvaluationRun.Outcome> measure(
            EvaluationRun run, Path firstPath, Path secondPath, RunScreen screen)
            throws IOException {
        screen.step("reading " + model);
        try (var first = Model.open(firstPath);
                var second = secondPath == null ? null : Model.open(secondPath);
                var workers = new Workers(computing.threads())) {
            run.read(first, screen);
            var candidates = new ArrayList<EvaluationRun.Candidate>();
            candidates.add(candidate(first, second == null ? "" : "first"));
            if (second != null) {
                run.requireSameTokens(second, screen);
                candidates.add(candidate(second, "second"));
            }
            return run.measure(
                    candidates,
                    computing.compute,
                    workers,
                    environment.results(),
                    screen,
                    screen::warn);
        }
    }

    private static EvaluationRun.Candidate candidate(Model model, String name) throws IOException {
        return EvaluationRun.Candidate.of(name, model, Optional.empty());
    }

    private void printOne(List<EvaluationRun.Outcome> outcomes) {
        var table = new Table("TASK", "METRIC", ">VALUE", ">±", "OF");
        for (var outcome : outcomes) {
            for (var measure : outcome.results().getFirst().measures()) {
                table.row(
                        outcome.task(),
                        measure.metric().key(),
                        number(measure.value()),
                        number(measure.standardError()),
                        extent(outcome) + rate(outcome));
            }
        }
        table.print(console);
    }

    private static String rate(EvaluationRun.Outcome outcome) {
        double seconds = outcome.results().getFirst().seconds();
        return outcome.questions()
                .map(questions -> ", %.1f a second".formatted(questions.items().size() / seconds))
                .orElse("");
    }

    private void printTwo(List<EvaluationRun.Outcome> outcomes) {
        var table =
                new Table(
                        "TASK",
                        "METRIC",
                        ">FIRST",
                        ">SECOND",
                        ">DIFFERENCE",
                        ">±",
                        ">P",
                        "VERDICT");
        for (var outcome : outcomes) {
            for (int m = 0; m < outcome.results().getFirst().measures().size(); m++) {
                Measure first = outcome.results().getFirst().measures().get(m);
                Measure second = outcome.results().get(1).measures().get(m);
                Comparison comparison = outcome.comparison(1, m);
                table.row(
                        outcome.task(),
                        first.metric().key(),
                        number(first.value()),
                        number(second.value()),
                        (comparison.difference() > 0 ? "+" : "") + number(comparison.difference()),
                        number(comparison.standardError()),
                        comparison.pValue().isPresent()
                                ? p(comparison.pValue().getAsDouble())
                                : "-",
                        comparison.verdict());
            }
        }
        table.print(console);
        if (!output.quiet) {
            console.raw("");
            outcomes.forEach(outcome -> console.raw(outcome.task() + ": " + extent(outcome)));
        }
    }

    /// What the numbers were measured on.
    private static String extent(EvaluationRun.Outcome outcome) {
        return outcome.questions()
                .map(
                        questions ->
                                "%,d of %,d questions, %d shots, version %d"
                                        .formatted(
                                                questions.items().size(),
                                                questions.available(),
                                                questions.shots(),
                                                questions.task().version()))
                .orElseGet(
                        () -> {
                            var windows = outcome.windows().orElseThrow();
                            var origin = windows.origins().getFirst();
                            return "%,d of %,d windows of %d%s of %,d tokens, BOS %s"
                                    .formatted(
                                            windows.count(),
                                            origin.available(),
                                            windows.length(),
                                            windows.stride() < windows.length()
                                                    ? ", %d apart,".formatted(windows.stride())
                                                    : "",
                                            origin.tokens(),
                                            origin.bos());
                        });
    }

    private static String number(OptionalDouble value) {
        return value.isPresent() ? number(value.getAsDouble()) : "-";
    }

    private static String number(double value) {
        return Math.abs(value) >= 10_000 ? "%.4g".formatted(value) : "%.4f".formatted(value);
    }

    private static String p(double value) {
        return value < 0.0001 ? "<0.0001" : "%.4f".formatted(value);
    }
}
