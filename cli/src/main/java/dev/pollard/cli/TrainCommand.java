package dev.pollard.cli;

import dev.pollard.report.TrainingCard;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Workers;
import dev.pollard.train.Training;
import dev.pollard.train.TrainingRecipe;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "train",
        header = "Trains a small model from nothing on texts of yours.",
        description = {
            "Makes a vocabulary of the texts, draws first weights and trains them: AdamW, warm-up,",
            "a cosine or a plateau and a descent (WSD), gradient clipping. What comes out is a",
            "Hugging Face folder in bfloat16, with a card, the log and the recipe beside the",
            "weights. The recipe is a YAML file; docs/training.md has its keys."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard train saplings/recipes/sapling.yaml -o sapling",
            "  pollard train sapling.yaml -o sapling --compute bf16 --resume",
            "  pollard train sapling.yaml -o sapling --resume --steps 2400",
            "",
            "What is unfinished lies beside the output, in OUT.training. Ctrl-C leaves a checkpoint",
            "there. A run that ended early goes on with --resume and the same --threads, and gives",
            "the same weights as one that did not. With the schedule wsd its end may be moved as",
            "long as the learning rate has not begun to fall."
        })
final class TrainCommand implements Callable<Integer> {
    /// How long Ctrl-C waits for the step at hand.
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Console console;
    private final Environment environment;

    @Spec private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "CONFIG", description = "The recipe, a YAML file.")
    private Path config;

    @Option(
            names = {"-o", "--output"},
            required = true,
            order = 1,
            paramLabel = "OUT",
            description = "The folder to make.")
    private Path out;

    @Option(
            names = "--resume",
            order = 2,
            description = "Go on from the last checkpoint of a run that did not end.")
    private boolean resume;

    @Option(
            names = "--steps",
            order = 3,
            paramLabel = "N",
            description = "Steps in all, instead of what the recipe says.")
    private Long steps;

    @Mixin private ComputeOptions computing;
    @Mixin private ProgressOptions progress;
    @Mixin private OutputOptions output;

    TrainCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        TrainingRecipe recipe = TrainingFile.read(config);
        if (steps != null) {
            recipe = recipe.endingAt(steps);
        }
        computing.prepare(environment.cacheFolder());
        Engine.recycleMemory();
        boolean finished;
        try (var screen = new TrainScreen(console, output, progress);
                var workers = new Workers(computing.threads())) {
            finished = execute(new Training(recipe, out, computing.compute, workers, screen));
        }
        if (finished && !output.quiet) {
            console.raw(
                    "%s is a Hugging Face folder; its card is %s"
                            .formatted(out, out.resolve("README.md")));
        }
        return (finished ? ExitCode.DONE : ExitCode.INTERRUPTED).code();
    }

    private boolean execute(Training training) throws IOException {
        String command = CommandLines.typed(spec);
        var interrupt =
                Interrupt.watch(
                        console,
                        () -> {
                            console.err().println();
                            console.error("stopping after the step at hand …");
                            return stop(training) ? CommandLines.resuming(command) : command;
                        });
        try {
            return training.run(
                    resume,
                    (result, folder) -> {
                        Files.copy(config, folder.resolve("training.yaml"));
                        TrainingCard.write(result, Build.read().version(), folder);
                    });
        } finally {
            interrupt.cancel();
        }
    }

    private static boolean stop(Training training) {
        try {
            return training.stop(PATIENCE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /// Shows how a training goes on.
    private static final class TrainScreen implements Training.Listener, AutoCloseable {
        private static final int STEPS_PER_LINE = 10;

        private final Console console;
        private final OutputOptions output;
        private final ProgressOptions options;
        private Progress progress; // of the steps, once they have begun

        TrainScreen(Console console, OutputOptions output, ProgressOptions options) {
            this.console = console;
            this.output = output;
            this.options = options;
        }

        @Override
        public synchronized void begin(String what) {
            if (!output.quiet && options.format == OutputOptions.LogFormat.TEXT) {
                console.err().println(Console.oneLine(what) + " …");
            }
        }

        @Override
        public synchronized void steps(long done, long steps) {
            progress =
                    new Progress(
                            console, output, options, "train", "step", steps, done, STEPS_PER_LINE);
        }

        @Override
        public synchronized void step(long done, double loss, double tokensPerSecond) {
            var facts = new LinkedHashMap<String, Object>();
            facts.put("loss", BigDecimal.valueOf(loss).setScale(3, RoundingMode.HALF_UP));
            facts.put("tokens/s", Math.round(tokensPerSecond));
            progress.advance(facts);
        }

        @Override
        public synchronized void heldOut(long step, double loss) {
            progress.note(
                    "held-out after %,d steps: loss %.3f, perplexity %.2f"
                            .formatted(step, loss, Math.exp(loss)));
        }

        @Override
        public synchronized void close() {
            if (progress != null) {
                progress.close();
            }
        }
    }
}
