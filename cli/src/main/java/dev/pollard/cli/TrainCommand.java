package dev.pollard.cli;

import dev.pollard.report.Figures;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Workers;
import dev.pollard.train.Training;
import dev.pollard.train.TrainingRecipe;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "train",
        header = "Trains a small model from nothing on texts of yours.",
        description = {
            "Makes a vocabulary of the texts, draws first weights and trains them: AdamW, warm-up,",
            "a cosine or a plateau and a descent (WSD), gradient clipping. What comes out is a",
            "Hugging Face folder in bfloat16. The recipe is a YAML file; docs/training.md has it."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard train saplings/recipes/sapling.yaml -o sapling",
            "  pollard train sapling.yaml -o sapling --compute bf16 --resume",
            "  pollard train sapling.yaml -o sapling --resume --steps 2400",
            "",
            "What is unfinished lies beside the output, in OUT.training, with the log",
            "training.jsonl. A run that was killed is resumed from its last checkpoint and gives",
            "the same bytes as one that was not. With the schedule wsd its end may be moved as long",
            "as the learning rate has not begun to fall."
        })
final class TrainCommand implements Callable<Integer> {
    private final Console console;

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

    TrainCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        TrainingRecipe recipe = TrainingFile.read(config);
        if (steps != null) {
            recipe = recipe.endingAt(steps);
        }
        computing.prepare(console);
        Engine.recycleMemory();
        try (var screen = new TrainScreen(console, output, progress);
                var workers = new Workers(computing.threads())) {
            new Training(
                            recipe,
                            out.toAbsolutePath().normalize(),
                            computing.compute,
                            workers,
                            screen)
                    .run(resume);
        }
        if (!output.quiet) {
            console.raw("trained " + out);
        }
        return ExitCode.DONE.code();
    }

    /// Shows how a training goes on: a line of figures every ten steps.
    private static final class TrainScreen implements Training.Listener, AutoCloseable {
        private final Console console;
        private final OutputOptions output;

        TrainScreen(Console console, OutputOptions output, ProgressOptions options) {
            this.console = console;
            this.output = output;
        }

        @Override
        public void begin(String what) {
            print(what + " …");
        }

        @Override
        public void progress(
                long step, long steps, double loss, double tokensPerSecond, double secondsLeft) {
            print(
                    "train: step %,d of %,d, loss %.3f, %,.0f tokens/s, %s left"
                            .formatted(
                                    step,
                                    steps,
                                    loss,
                                    tokensPerSecond,
                                    Figures.seconds(secondsLeft)));
        }

        @Override
        public void heldOut(long step, double loss) {
            print(
                    "held-out after %,d steps: loss %.3f, perplexity %.2f"
                            .formatted(step, loss, Math.exp(loss)));
        }

        private void print(String line) {
            if (!output.quiet) {
                console.err().println(Console.oneLine(line));
            }
        }

        @Override
        public void close() {}
    }
}
