package dev.pollard.cli;

import dev.pollard.recipe.Recipe;
import dev.pollard.recipe.RecoveryRecipe;
import dev.pollard.recipe.RecoveryRecord;
import dev.pollard.recipe.RecoveryRun;
import dev.pollard.recover.LowRankAdapters;
import dev.pollard.report.Figures;
import dev.pollard.report.RecoveryCard;
import dev.pollard.report.Score;
import dev.pollard.train.Schedule;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "finetune",
        header = "Trains a pruned model on texts; its zeros stay zero.",
        description = {
            "Gives a pruned model back some of what pruning took: trains the linear layers of its",
            "blocks on texts, by low-rank adapters that are merged under the mask (lora) or the",
            "weights themselves (full). What is zero stays zero, N:M patterns too. The output is a",
            "Hugging Face folder, opened again and verified."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard finetune pruned -o recovered --data c4.jsonl.gz:text",
            "  pollard finetune pruned -o recovered --data c4.jsonl:text --rank 16 --epochs 2",
            "      --eval perplexity:rows:wiki.test.raw.gz --eval-length 512",
            "  pollard finetune pruned -o recovered --data laws.jsonl:text --method full",
            "",
            "Texts are named as for 'run --calib'. One window of eight is held out, and its loss",
            "before and after is reported. The loss is that of every next token.",
            "",
            "An interrupted run goes on from its last checkpoint with --resume and ends with the",
            "same bytes; with other --threads give the --together of the first.",
            "docs/finetuning.md has the formulas."
        })
final class FinetuneCommand implements Callable<Integer> {
    private static final double ADAPTER_RATE = 1e-3;
    private static final double MATRIX_RATE = 1e-4;

    /// What is trained.
    private enum Method {
        LORA,
        FULL
    }

    private final Console console;
    private final Environment environment;

    @Spec private CommandSpec spec;

    @Parameters(
            paramLabel = "MODEL",
            description = "The pruned model: a Hugging Face folder, a .gguf file, or a name.")
    private Path model;

    @Option(
            names = "--data",
            order = 2,
            paramLabel = "FILE[:field]",
            required = true,
            description = "Text or token ids to train on. Repeatable: sources share the samples.")
    private List<String> data = List.of();

    @Option(
            names = "--samples",
            order = 3,
            paramLabel = "N",
            defaultValue = "512",
            description =
                    "Windows drawn from them, without overlap; one of eight is held out. Default:"
                            + " ${DEFAULT-VALUE}")
    private int samples;

    private OptionalInt length = OptionalInt.empty();

    @Option(
            names = "--length",
            order = 4,
            paramLabel = "TOKENS",
            description = "Tokens of each. Default: 512, or the model's context if that is shorter")
    private void setLength(int tokens) {
        length = OptionalInt.of(tokens);
    }

    @Option(
            names = "--method",
            order = 10,
            paramLabel = "lora|full",
            defaultValue = "lora",
            description =
                    "lora: adapters of low rank (arXiv 2106.09685), merged under the mask. full: the"
                            + " weights themselves. Default: ${DEFAULT-VALUE}")
    private Method method;

    @Option(
            names = "--keep-mask",
            order = 11,
            negatable = true,
            defaultValue = "true",
            fallbackValue = "true",
            description =
                    "What is zero stays zero, checked in what was written. Default: --keep-mask")
    private boolean keepMask;

    @Option(
            names = "--rank",
            order = 12,
            paramLabel = "R",
            defaultValue = "8",
            description = "Rank of the adapters. Default: ${DEFAULT-VALUE}")
    private int rank;

    @Option(
            names = "--alpha",
            order = 13,
            paramLabel = "A",
            defaultValue = "16",
            description = "Their product counts A / rank. Default: ${DEFAULT-VALUE}")
    private double alpha;

    @Option(
            names = "--dropout",
            order = 14,
            paramLabel = "P",
            defaultValue = "0",
            description =
                    "Share of a step's input features that an adapter does not see. Default:"
                            + " ${DEFAULT-VALUE}")
    private double dropout;

    private OptionalLong steps = OptionalLong.empty();

    @Option(
            names = "--steps",
            order = 20,
            paramLabel = "N",
            description = "Steps of the optimiser, instead of --epochs.")
    private void setSteps(long count) {
        steps = OptionalLong.of(count);
    }

    @Option(
            names = "--epochs",
            order = 21,
            paramLabel = "N",
            defaultValue = "1",
            description = "How often every window is trained on. Default: ${DEFAULT-VALUE}")
    private double epochs;

    @Option(
            names = "--batch",
            order = 22,
            paramLabel = "N",
            defaultValue = "8",
            description = "Windows of a step. Default: ${DEFAULT-VALUE}")
    private int batch;

    private OptionalInt together = OptionalInt.empty();

    @Option(
            names = "--together",
            order = 22,
            paramLabel = "N",
            description =
                    "Windows that a worker computes as one; divides --batch. More are faster and"
                            + " take more memory, another number gives other last bits. Default: up"
                            + " to 1,024 tokens, as --threads and --memory allow")
    private void setTogether(int windows) {
        together = OptionalInt.of(windows);
    }

    private Double rate;

    @Option(
            names = "--lr",
            order = 23,
            paramLabel = "RATE",
            description = "Highest learning rate of AdamW. Default: 1e-3 for lora, 1e-4 for full")
    private void setRate(double rate) {
        this.rate = rate;
    }

    private OptionalLong warmUp = OptionalLong.empty();

    @Option(
            names = "--warmup",
            order = 24,
            paramLabel = "N",
            description = "Steps until it is reached. Default: a tenth of all, at most 100")
    private void setWarmUp(long count) {
        warmUp = OptionalLong.of(count);
    }

    /// How the rate falls after that.
    private enum Fall {
        LINEAR,
        COSINE
    }

    @Option(
            names = "--schedule",
            order = 25,
            paramLabel = "linear|cosine",
            defaultValue = "linear",
            description = "How it falls to 0 after that. Default: ${DEFAULT-VALUE}")
    private Fall schedule;

    @Option(
            names = "--clip",
            order = 26,
            paramLabel = "NORM",
            defaultValue = "1",
            description =
                    "Gradients of a step are scaled down to this norm; 0: never. Default:"
                            + " ${DEFAULT-VALUE}")
    private double clip;

    @Option(
            names = "--seed",
            order = 27,
            paramLabel = "N",
            defaultValue = "0",
            description = "Of all that is drawn. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(
            names = "--eval",
            order = 30,
            paramLabel = "TASK[,TASK…]",
            split = ",",
            description =
                    "What to measure, before against after: names of tasks ('pollard tasks'),"
                            + " perplexity:[rows:]FILE[:field],"
                            + " perplexity-strided:[W/S:][rows:]FILE[:field], choice:FILE.jsonl,"
                            + " task:FILE.json. Repeatable. Default: none")
    private List<String> evaluations = List.of();

    private OptionalInt evaluationLength = OptionalInt.empty();
    private OptionalInt evaluationLimit = OptionalInt.empty();

    @Option(
            names = "--eval-length",
            order = 31,
            paramLabel = "TOKENS",
            description = "Tokens of a window. Default: 2048, or the model's context if shorter")
    private void setEvaluationLength(int tokens) {
        evaluationLength = OptionalInt.of(tokens);
    }

    @Option(
            names = "--eval-limit",
            order = 32,
            paramLabel = "N",
            description =
                    "Only the first N windows of a text, and N questions of a task, drawn by the"
                            + " seed. Default: all")
    private void setEvaluationLimit(int count) {
        evaluationLimit = OptionalInt.of(count);
    }

    @Mixin private TaskDataOptions taskData;

    @Mixin private OfflineOption offline;
    @Mixin private LayerOptions layers;
    @Mixin private DestinationOptions destination;
    @Mixin private ComputeOptions computing;
    @Mixin private ProgressOptions progress;
    @Mixin private OutputOptions output;

    FinetuneCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        var recipe = recipe(environment.names(offline).resolve(model));
        computing.prepare(environment.cacheFolder());
        RecoveryRecord record;
        try (var screen = new RunScreen(console, output, progress, "");
                var run = RecoveryRun.prepare(recipe, environment.results(), screen)) {
            String command = CommandLines.typed(spec);
            var interrupt = Interrupt.watch(console, spec, run::discardPartial);
            try {
                record = run.execute(command, Build.read().version(), RecoveryCard::write);
            } finally {
                interrupt.cancel();
            }
        }
        print(record);
        return ExitCode.DONE.code();
    }

    /// @param model where it lies
    private RecoveryRecipe recipe(Path model) {
        boolean lora = method == Method.LORA;
        return new RecoveryRecipe(
                model,
                lora
                        ? Optional.of(new LowRankAdapters.Setting(rank, alpha, dropout))
                        : Optional.empty(),
                keepMask,
                layers.include(),
                layers.exclude(),
                new RecoveryRecipe.Data(data, samples, length),
                new RecoveryRecipe.Course(
                        steps,
                        epochs,
                        batch,
                        together,
                        switch (schedule) {
                            case LINEAR -> Schedule.Shape.LINEAR;
                            case COSINE -> Schedule.Shape.COSINE;
                        },
                        rate != null ? rate : lora ? ADAPTER_RATE : MATRIX_RATE,
                        warmUp,
                        clip),
                seed,
                new Recipe.Evaluation(
                        evaluations, evaluationLength, evaluationLimit, taskData.folder(), seed, 0),
                destination.resources(computing, Optional.empty()),
                destination.output());
    }

    private void print(RecoveryRecord record) {
        var table = new Table("MEASURED", ">BEFORE", ">AFTER", "");
        table.row(
                "loss on windows held out",
                number(record.loss().heldOutBefore()),
                number(record.loss().heldOutAfter()),
                "perplexity %s, %s; %,d windows of %,d tokens"
                        .formatted(
                                number(Math.exp(record.loss().heldOutBefore())),
                                number(Math.exp(record.loss().heldOutAfter())),
                                record.data().heldOut(),
                                record.data().length()));
        for (var measured : record.evaluations()) {
            table.row(
                    Console.oneLine(Score.task(measured.task()) + ", " + measured.metric()),
                    number(measured.before()),
                    number(measured.after()),
                    measured.differenceError() == null
                            ? ""
                            : "difference %s ± %s"
                                    .formatted(
                                            number(measured.after() - measured.before()),
                                            number(measured.differenceError())));
        }
        table.row(
                "zeros in trained layers",
                Figures.percent(record.sparsity().before()),
                Figures.percent(record.sparsity().after()),
                "%s, %,d numbers trained for %,d layers"
                        .formatted(
                                record.method(),
                                record.sparsity().trained(),
                                record.sparsity().layers()));
        table.row(
                "time",
                "",
                Figures.seconds(record.seconds().total()),
                "training %s, %,.0f tokens/s"
                        .formatted(
                                Figures.seconds(record.seconds().train()),
                                record.data().trainedTokens() / record.seconds().train()));
        if (record.peakRssBytes() != null) {
            table.row("peak memory", "", Figures.bytes(record.peakRssBytes()), "");
        }
        table.print(console);
        if (!output.quiet) {
            record.warnings().forEach(warning -> console.raw("note: " + Console.oneLine(warning)));
            console.raw("");
            console.raw(
                    "%s is a Hugging Face folder; the record is %s"
                            .formatted(
                                    destination.out,
                                    destination.out.resolve("pollard/finetune.json")));
        }
    }

    private static String number(double value) {
        return Math.abs(value) >= 10_000 ? "%.4g".formatted(value) : "%.4f".formatted(value);
    }
}
