package dev.pollard.cli;

import dev.pollard.recipe.Recipe;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/// Where a run's result goes, what the run may take, and where it lies until it is finished; mixed
/// into the commands that make a model from a model.
final class DestinationOptions {
    @Option(
            names = {"-o", "--output"},
            order = 1,
            paramLabel = "OUT",
            required = true,
            description = "Folder to be made.")
    Path out;

    @Option(
            names = "--dtype",
            order = 40,
            paramLabel = "keep|float32|float16|bfloat16",
            defaultValue = "keep",
            description =
                    "Numbers of the output. keep: as in the model; float16 for a quantised one."
                            + " Default: ${DEFAULT-VALUE}")
    String dtype;

    @Option(
            names = "--overwrite",
            order = 41,
            description = "Replace OUT if it is an output of Pollard.")
    private boolean overwrite;

    private long memory = Memory.physicalBytes() * 3 / 4;

    @Option(
            names = "--memory",
            order = 83,
            paramLabel = "SIZE",
            description =
                    "What the run may take: 8g, 800m, 75%%. Beyond it activations go to a file, or"
                            + " are computed again on the way back, and Grams are formed in turns."
                            + " Default: 75%% of this machine")
    private void setMemory(String size) {
        memory = Memory.parse(size);
    }

    @Option(
            names = "--recompute-activations",
            order = 84,
            description =
                    "Compute a block's activations again on the way back in any case (gradient"
                            + " checkpointing): a third more work, the same bytes, much less"
                            + " memory. Default: only if --memory is short")
    private boolean recompute;

    @Option(
            names = "--work",
            order = 85,
            paramLabel = "DIR",
            description = "Folder of the unfinished run. Default: OUT.work")
    private Path work;

    @Option(
            names = "--resume",
            order = 86,
            description = "Go on with the run that was interrupted.")
    private boolean resume;

    Recipe.Output output() {
        return new Recipe.Output(out, dtype, overwrite);
    }

    Recipe.Resources resources(ComputeOptions computing, Optional<Path> gradients) {
        return new Recipe.Resources(
                computing.compute,
                computing.threads(),
                memory,
                recompute,
                Optional.ofNullable(work),
                gradients,
                resume);
    }
}
