package dev.pollard.recipe;

import dev.pollard.config.Checkpoint;
import dev.pollard.eval.Decoding;
import dev.pollard.model.Compute;
import dev.pollard.prune.Allocation;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.Method;
import dev.pollard.prune.Sparsity;
import dev.pollard.stats.Statistic;
import dev.pollard.train.GradientPass.Activations;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;

/// Everything a run was asked to do. What is left open is decided when the model is known.
///
/// @param model folder or file of the dense model
/// @param pruning what is done to which layers
/// @param calibration what the statistics are gathered from
/// @param domains text of what the model shall serve
/// @param evaluation what is measured, dense against pruned
/// @param resources what the run may use
/// @param output what is written, and where
public record Recipe(
        Path model,
        Pruning pruning,
        Calibration calibration,
        Domains domains,
        Evaluation evaluation,
        Resources resources,
        Output output) {
    /// Without domains.
    public Recipe(
            Path model,
            Pruning pruning,
            Calibration calibration,
            Evaluation evaluation,
            Resources resources,
            Output output) {
        this(model, pruning, calibration, Domains.NONE, evaluation, resources, output);
    }

    /// The same, where the sparsity is meant of the whole model, as a fraction of the weights that
    /// are pruned: embeddings, norms and head give nothing, so the layers give more.
    ///
    /// @throws IllegalArgumentException if the pattern is N:M, or the layers have not that much
    Recipe ofModel(Checkpoint checkpoint) {
        if (!(pruning.sparsity instanceof Sparsity.Unstructured(double asked))) {
            throw new IllegalArgumentException(
                    "a pattern %s leaves nothing to convert: --target-sparsity-of model goes with --sparsity"
                            .formatted(pruning.sparsity));
        }
        double pruned =
                checkpoint.prunable().stream()
                        .filter(entry -> pruning.covers(entry.module()))
                        .mapToDouble(entry -> entry.weight().shape().elements())
                        .sum();
        double ratio = asked * checkpoint.parameters() / pruned;
        if (!(ratio < 1)) {
            throw new IllegalArgumentException(
                    "%s of all %,d weights are more than the %,.0f of the layers to prune"
                            .formatted(asked, checkpoint.parameters(), pruned));
        }
        return new Recipe(
                model,
                pruning.with(new Sparsity.Unstructured(ratio)),
                calibration,
                domains,
                evaluation,
                resources,
                output);
    }

    /// @param method key in the catalogue
    /// @param settings the method's own settings, by name
    /// @param sparsity asked of all layers together
    /// @param ofModel whether it is meant of all weights of the model
    /// @param allocation how much of it each layer gives
    /// @param include only modules whose name contains a match
    /// @param exclude no module whose name contains a match
    /// @param seed of everything that draws: calibration windows and methods
    /// @param control whether a method that has a control is held against it
    public record Pruning(
            String method,
            Map<String, String> settings,
            Sparsity sparsity,
            boolean ofModel,
            Allocation allocation,
            Inputs inputs,
            Optional<Pattern> include,
            Optional<Pattern> exclude,
            long seed,
            boolean control) {
        /// Of a sparsity of the layers to prune.
        public Pruning(
                String method,
                Map<String, String> settings,
                Sparsity sparsity,
                Allocation allocation,
                Inputs inputs,
                Optional<Pattern> include,
                Optional<Pattern> exclude,
                long seed,
                boolean control) {
            this(
                    method,
                    settings,
                    sparsity,
                    false,
                    allocation,
                    inputs,
                    include,
                    exclude,
                    seed,
                    control);
        }

        /// The same with another sparsity, of the layers to prune.
        Pruning with(Sparsity other) {
            return new Pruning(
                    method, settings, other, allocation, inputs, include, exclude, seed, control);
        }

        /// @throws IllegalArgumentException if the sparsity cannot be shared out so
        public Pruning {
            settings = Map.copyOf(settings);
            allocation.check(sparsity);
        }

        /// All that is gathered in a run of `method`, which this names; it needs calibration
        /// sequences if that is not empty.
        Set<Statistic> needs(Method method) {
            var needs = EnumSet.noneOf(Statistic.class);
            needs.addAll(Driver.needs(method, inputs));
            needs.addAll(allocation.needs());
            return needs;
        }

        /// What the method is held against in this run.
        Optional<Method.Control> control(Method method) {
            return control ? method.control() : Optional.empty();
        }

        /// Whether the module of this name is to be pruned.
        boolean covers(String layer) {
            return include.map(p -> p.matcher(layer).find()).orElse(true)
                    && !exclude.map(p -> p.matcher(layer).find()).orElse(false);
        }
    }

    /// @param sources as the user wrote them: `FILE[:field]`
    /// @param samples number of sequences
    /// @param length tokens of each; `min(2048, context)` if empty
    /// @param random whether windows are drawn, or taken in order
    public record Calibration(
            List<String> sources, int samples, OptionalInt length, boolean random) {
        public Calibration {
            sources = List.copyOf(sources);
            if (samples < 1) {
                throw new IllegalArgumentException(
                        "calibration samples must be positive: " + samples);
            }
            if (length.isPresent() && length.getAsInt() < 2) {
                throw new IllegalArgumentException(
                        "calibration length must be at least 2: " + length.getAsInt());
            }
        }
    }

    /// @param sources as the user wrote them: `NAME=FILE[:field][@WEIGHT]`
    /// @param samples number of sequences of each domain
    /// @param length tokens of each; that of the calibration if empty
    public record Domains(List<String> sources, int samples, OptionalInt length) {
        /// None.
        public static final Domains NONE = new Domains(List.of(), 1, OptionalInt.empty());

        public Domains {
            sources = List.copyOf(sources);
            if (samples < 1) {
                throw new IllegalArgumentException("domain samples must be positive: " + samples);
            }
            if (length.isPresent() && length.getAsInt() < 2) {
                throw new IllegalArgumentException(
                        "domain length must be at least 2: " + length.getAsInt());
            }
        }
    }

    /// @param tasks as the user wrote them: `piqa`, `perplexity:[rows:]FILE`
    /// @param length tokens of a window; `min(2048, context)` if empty
    /// @param limit number of windows of a text, or of questions of a task, which are drawn; all if
    ///     empty
    /// @param data folder in which tasks find their questions
    /// @param seed of the questions drawn
    /// @param shots solved examples in front of every question
    /// @param decoding of the texts that tasks ask for
    /// @param most tokens of such a text; what the task says if empty
    /// @param samples whether a pruning run lets both models write after the same prompts; nobody
    ///     else asks
    public record Evaluation(
            List<String> tasks,
            OptionalInt length,
            OptionalInt limit,
            Path data,
            long seed,
            int shots,
            Decoding decoding,
            OptionalInt most,
            boolean samples) {
        /// Texts are written greedily, as long as the tasks say, and samples too.
        public Evaluation(
                List<String> tasks,
                OptionalInt length,
                OptionalInt limit,
                Path data,
                long seed,
                int shots) {
            this(
                    tasks,
                    length,
                    limit,
                    data,
                    seed,
                    shots,
                    Decoding.GREEDY,
                    OptionalInt.empty(),
                    true);
        }

        /// Texts only.
        public Evaluation(List<String> tasks, OptionalInt length, OptionalInt limit) {
            this(tasks, length, limit, Path.of(""), 0, 0);
        }

        public Evaluation {
            tasks = List.copyOf(tasks);
            if (length.isPresent() && length.getAsInt() < 2) {
                throw new IllegalArgumentException(
                        "evaluation length must be at least 2: " + length.getAsInt());
            }
            if (limit.isPresent() && limit.getAsInt() < 1) {
                throw new IllegalArgumentException(
                        "evaluation limit must be positive: " + limit.getAsInt());
            }
            if (shots < 0) {
                throw new IllegalArgumentException("shots must not be negative: " + shots);
            }
            if (most.isPresent() && most.getAsInt() < 1) {
                throw new IllegalArgumentException(
                        "tokens to be written must be positive: " + most.getAsInt());
            }
        }
    }

    /// @param threads workers, each with one thread
    /// @param memoryBytes what the process may take; a limit that is planned for, not enforced
    /// @param recompute whether activations are computed again on the way back, however much memory
    ///     there is
    /// @param work folder for unfinished runs; beside the output if empty
    /// @param gradients folder in which runs leave the gradients of domains for each other
    public record Resources(
            Compute compute,
            int threads,
            long memoryBytes,
            boolean recompute,
            Optional<Path> work,
            Optional<Path> gradients,
            boolean resume) {
        public Resources {
            if (threads < 1) {
                throw new IllegalArgumentException("threads must be positive: " + threads);
            }
        }

        /// What may become of activations, what is fastest first.
        List<Activations> activations() {
            return recompute
                    ? List.of(Activations.RECOMPUTED)
                    : List.of(Activations.KEPT, Activations.RECOMPUTED);
        }
    }

    /// @param folder a Hugging Face folder that does not exist yet
    /// @param dtype `keep`, or `float32`, `float16`, `bfloat16`
    /// @param overwrite whether a folder that exists is replaced
    public record Output(Path folder, String dtype, boolean overwrite) {}
}
