package dev.pollard.recipe;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.ModelConfig;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.Method;
import dev.pollard.prune.Sweep;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What a run will need, worked out before it begins: memory by what holds it, disk, and time.
///
/// @param layers what will be pruned, in order
/// @param memory what holds memory at the peak of pruning and of evaluation
/// @param outputBytes of the output folder
/// @param workBytes of the work folder
/// @param spill whether the activations go to a file, because memory is short
/// @param gramBytes how much the Grams of one turn, and inputs that are kept, may take
public record Plan(
        List<Layer> layers,
        Memory memory,
        long outputBytes,
        long workBytes,
        boolean spill,
        long gramBytes) {
    /// @param gramBytes of its inputs, while they are gathered, and of the inputs themselves if
    ///     they are kept; 0 if none are needed, or a layer
    ///     before it reads the same inputs
    public record Layer(String name, int block, long rows, long columns, long gramBytes) {}

    /// Bytes.
    ///
    /// @param base Java, libtorch, and the mapped pages of the model
    /// @param activations of all calibration sequences between two blocks
    /// @param block weights of one block: dense, what every step left, and in bfloat16 if that is
    ///     asked for
    /// @param grams of one block, or of one turn, with the inputs that are kept beside them
    /// @param solver what pruning a layer needs besides
    /// @param forward what is alive inside a block while a sequence goes through it
    /// @param evaluation residual streams of a group of windows, and the head
    public record Memory(
            long base,
            long activations,
            long block,
            long grams,
            long solver,
            long forward,
            long evaluation) {
        /// The larger of pruning and evaluating.
        public long peak() {
            return base + block + forward + Math.max(activations + grams + solver, evaluation);
        }
    }

    private static final long BASE = 400L << 20;
    private static final long EVALUATION_STREAMS = 64L << 20;

    /// Works out what pruning `checkpoint` by `recipe` takes.
    ///
    /// @param length tokens of a calibration sequence
    /// @throws IllegalArgumentException if nothing is to be pruned, or the pattern does not fit a
    ///     layer
    /// @throws WillNotFitException if it takes more memory than the recipe allows, whatever is done
    static Plan of(Checkpoint checkpoint, Recipe recipe, Method method, int length) {
        var needs = recipe.pruning().needs(method);
        boolean both = Driver.needsDenseStream(needs);
        boolean grams = needs.contains(Statistic.GRAM);
        boolean stream = !needs.isEmpty();
        int workers = recipe.resources().threads();
        long tokens = (long) recipe.calibration().samples() * length;
        var layers = layers(checkpoint, recipe, needs, tokens);
        check(layers, checkpoint, recipe);

        var config = checkpoint.config();
        long widest = layers.stream().mapToLong(Layer::columns).max().orElseThrow();
        long tallest = layers.stream().mapToLong(Layer::rows).max().orElseThrow();
        long activations = stream ? 4L * tokens * config.hiddenSize() : 0;
        activations *= both ? 2 : 1;
        long weights = 4 * largestBlock(layers);
        var methods = methods(recipe.pruning(), method);
        int kept = methods.stream().mapToInt(Plan::keptAtOnce).max().orElseThrow();
        long solver =
                methods.stream()
                        .flatMap(Plan::steps)
                        .mapToLong(step -> step.cost(tallest, widest).bytes())
                        .max()
                        .orElseThrow();
        var memory =
                new Memory(
                        BASE + checkpoint.bytes() / 2,
                        activations,
                        ((both ? 3 : 2) + kept) * weights,
                        largestBlockGrams(layers),
                        grams ? workers * (solver + (both ? reaimBytes(widest, tallest) : 0)) : 0,
                        workers * 4L * length * (6L * config.hiddenSize() + 4 * tallest),
                        EVALUATION_STREAMS
                                + 4L * config.vocabularySize() * config.hiddenSize()
                                + workers * (60L << 20));
        long limit = recipe.resources().memoryBytes();
        boolean spill = false;
        if (memory.peak() > limit) {
            spill = stream;
            memory = with(memory, spill ? 0 : memory.activations(), memory.grams());
        }
        if (memory.peak() > limit && grams) {
            long one = layers.stream().mapToLong(Layer::gramBytes).max().orElseThrow();
            long room = limit - (memory.peak() - memory.grams());
            memory = with(memory, 0, Math.max(one, room));
        }
        if (memory.peak() > limit) {
            throw new WillNotFitException(
                    "needs about %,d MB of memory, --memory allows %,d MB: use fewer --threads or a shorter --calib-length"
                            .formatted(memory.peak() >> 20, limit >> 20));
        }
        long outputBytes = checkpoint.parameters() * bytesPerWeight(recipe, checkpoint);
        long workBytes =
                methods.stream().mapToLong(m -> m.passes().size()).sum()
                        * 4
                        * layers.stream().mapToLong(l -> l.rows() * l.columns()).sum();
        return new Plan(
                layers,
                memory,
                outputBytes,
                workBytes + (spill ? activations : 0),
                spill,
                memory.grams());
    }

    /// Bytes on disk in all.
    public long diskBytes() {
        return outputBytes + workBytes;
    }

    private static Memory with(Memory memory, long activations, long grams) {
        return new Memory(
                memory.base(),
                activations,
                memory.block(),
                grams,
                memory.solver(),
                memory.forward(),
                memory.evaluation());
    }

    private static void check(List<Layer> layers, Checkpoint checkpoint, Recipe recipe) {
        if (layers.isEmpty()) {
            throw new IllegalArgumentException(
                    "--include/--exclude leave no layer to prune; the first of the model is "
                            + checkpoint.prunable().getFirst().module());
        }
        var sparsity = recipe.pruning().sparsity();
        for (var layer : layers) {
            if (!sparsity.fits(layer.columns())) {
                throw new IllegalArgumentException(
                        "%s has %d inputs, which %s does not divide into whole groups; leave it out with --exclude"
                                .formatted(layer.name(), layer.columns(), sparsity));
            }
        }
    }

    private static List<Layer> layers(
            Checkpoint checkpoint, Recipe recipe, Set<Statistic> needs, long tokens) {
        int workers = recipe.resources().threads();
        var inputs = new HashSet<String>();
        var layers = new ArrayList<Layer>();
        for (var entry : checkpoint.prunable()) {
            if (recipe.pruning().covers(entry.module())) {
                long columns = entry.weight().shape().size(1);
                boolean first = inputs.add(entry.block() + " " + entry.weight().input());
                layers.add(
                        new Layer(
                                entry.module(),
                                entry.block(),
                                entry.weight().shape().size(0),
                                columns,
                                first ? Driver.gramBytes(columns, workers, needs, tokens) : 0));
            }
        }
        return List.copyOf(layers);
    }

    /// What re-aiming a layer takes: both Grams, a factor and its inverse in float64, and five
    /// products.
    private static long reaimBytes(long columns, long rows) {
        return 32 * columns * columns + 44 * columns * rows;
    }

    /// The method, and its control if that is run.
    private static List<Method> methods(Recipe.Pruning pruning, Method method) {
        return Stream.concat(
                        Stream.of(method),
                        pruning.control(method).map(Method.Control::method).stream())
                .toList();
    }

    private static Stream<LayerPruner> steps(Method method) {
        return method.passes().stream()
                .flatMap(
                        pass ->
                                switch (pass) {
                                    case Sweep sweep -> sweep.steps().stream();
                                });
    }

    /// How many versions of a block its last step knows besides the dense one, its own included:
    /// what every pass before left, and every step of this.
    private static int keptAtOnce(Method method) {
        int most = 0;
        for (int p = 0; p < method.passes().size(); p++) {
            switch (method.passes().get(p)) {
                case Sweep sweep -> most = Math.max(most, p + sweep.steps().size());
            }
        }
        return most;
    }

    private static long largestBlock(List<Layer> layers) {
        return byBlock(layers, layer -> layer.rows() * layer.columns());
    }

    private static long largestBlockGrams(List<Layer> layers) {
        return byBlock(layers, Layer::gramBytes);
    }

    private static long byBlock(List<Layer> layers, ToLongFunction<Layer> size) {
        return layers.stream()
                .collect(Collectors.groupingBy(Layer::block, Collectors.summingLong(size)))
                .values()
                .stream()
                .max(Comparator.naturalOrder())
                .orElse(0L);
    }

    private static int bytesPerWeight(Recipe recipe, Checkpoint checkpoint) {
        return switch (recipe.output().dtype()) {
            case "float32" -> 4;
            case "keep" -> checkpoint.storage().equals("F32") ? 4 : 2;
            default -> 2;
        };
    }

    /// Floating-point operations of a run over `tokens` tokens, the control included: forward
    /// passes, Grams, and what the methods themselves say that they need.
    double operations(
            ModelConfig config, long tokens, int length, Recipe.Pruning pruning, Method method) {
        double weights = layers.stream().mapToDouble(l -> (double) l.rows() * l.columns()).sum();
        double attention = 2.0 * length * config.hiddenSize() * config.blocks();
        double forward = 2 * tokens * (weights + attention);
        double gram =
                layers.stream()
                        .filter(l -> l.gramBytes() > 0)
                        .mapToDouble(l -> (double) tokens * l.columns() * l.columns())
                        .sum();
        double operations = pruning.allocation().needs().isEmpty() ? 0 : forward;
        for (var each : methods(pruning, method)) {
            for (int p = 0; p < each.passes().size(); p++) {
                switch (each.passes().get(p)) {
                    case Sweep sweep ->
                            operations += operations(sweep, p, pruning.inputs(), forward, gram);
                }
            }
            if (each.candidates().size() > 1) {
                operations += each.candidates().size() * forward / 8; // of the sequences held out
            }
        }
        return operations;
    }

    /// @param forward operations of all tokens going through all blocks
    /// @param gram operations of one Gram of every input
    private double operations(Sweep sweep, int pass, Inputs inputs, double forward, double gram) {
        double operations = 0;
        var all = EnumSet.noneOf(Statistic.class);
        for (var stage : sweep.stages()) {
            var needs = Driver.needs(sweep, stage, pass, inputs);
            all.addAll(needs);
            if (!needs.isEmpty()) {
                operations += (Driver.needsDenseStream(needs) ? 2 : 1) * forward;
            }
            operations += needs.contains(Statistic.GRAM) ? gram : 0;
            operations += needs.contains(Statistic.DENSE_GRAM) ? gram : 0;
            operations += needs.contains(Statistic.CROSS_GRAM) ? 2 * gram : 0; // not symmetric
            for (int s : stage) {
                operations += operations(sweep.steps().get(s), needs);
            }
        }
        if (!all.isEmpty()) {
            operations += (Driver.needsDenseStream(all) ? 2 : 1) * forward; // to the next block
        }
        return operations;
    }

    /// Of a step on all layers, its error measured on all that is gathered.
    private double operations(LayerPruner step, Set<Statistic> needs) {
        int errors =
                needs.contains(Statistic.GRAM) ? needs.contains(Statistic.HELD_OUT) ? 2 : 1 : 0;
        return layers.stream()
                .mapToDouble(
                        l ->
                                step.cost(l.rows(), l.columns()).operations()
                                        + 4.0 * errors * l.rows() * l.columns() * l.columns())
                .sum();
    }

    /// Floating-point operations per second of a linear layer of this model on this machine,
    /// measured for about `seconds`.
    public static double probe(ModelConfig config, int length, Workers workers, double seconds) {
        long width = config.hiddenSize();
        Tensor weight = Tensor.full(0.01, width, width);
        Tensor x = Tensor.full(0.5, length, width);
        double each = 2.0 * length * width * width;
        long start = System.nanoTime();
        double done = 0;
        while ((System.nanoTime() - start) / 1e9 < seconds) {
            workers.forEach(8 * workers.count(), (_, _) -> x.linear(weight));
            done += 8 * workers.count() * each;
        }
        weight.close();
        x.close();
        return done / ((System.nanoTime() - start) / 1e9);
    }
}
