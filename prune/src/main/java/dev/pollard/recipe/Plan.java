package dev.pollard.recipe;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.ModelConfig;
import dev.pollard.prune.Allocation;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.Method;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

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
    // they
    ///     are kept; 0 if none are needed, or a layer
    ///     before it reads the same inputs
    public record Layer(String name, int block, long rows, long columns, long gramBytes) {}

    /// Bytes.
    ///
    /// @param base Java, libtorch, and the mapped pages of the model
    /// @param activations of all calibration sequences between two blocks
    /// @param block weights of one block: dense, new, and in bfloat16 if that is asked for
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
        boolean kept = needs.contains(Statistic.INPUTS) || needs.contains(Statistic.DENSE_INPUTS);
        check(layers, checkpoint, recipe);

        var config = checkpoint.config();
        long widest = layers.stream().mapToLong(Layer::columns).max().orElseThrow();
        long tallest = layers.stream().mapToLong(Layer::rows).max().orElseThrow();
        long activations = stream ? 4L * tokens * config.hiddenSize() : 0;
        activations *= both ? 2 : 1;
        long weights = 4 * largestBlock(layers);
        var memory =
                new Memory(
                        BASE + checkpoint.bytes() / 2,
                        activations,
                        (both ? 4 : 3) * weights,
                        largestBlockGrams(layers),
                        grams ? workers * solverBytes(widest, tallest, both, kept) : 0,
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
                method.passes().size()
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

    /// What pruning one layer takes: factors of the Gram in float64 and copies of the weights; to
    /// re-aim it, both Grams, a factor and its inverse in float64, and five products; to rebuild it
    // on inputs that
    /// are kept, weights, moments and temporaries of Adam, a dozen in all.
    private static long solverBytes(long columns, long rows, boolean both, boolean kept) {
        long method = 32 * columns * columns + (kept ? 48 : 8) * columns * rows;
        return both ? method + 32 * columns * columns + 44 * columns * rows : method;
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

    /// Floating-point operations of the forward passes and Grams of a run over `tokens` tokens.
    public double operations(
            ModelConfig config, long tokens, int length, Inputs inputs, Allocation allocation) {
        double weights = layers.stream().mapToDouble(l -> (double) l.rows() * l.columns()).sum();
        double attention = 2.0 * length * config.hiddenSize() * config.blocks();
        double forward = 2 * tokens * (weights + attention);
        double grams =
                layers.stream()
                        .filter(l -> l.gramBytes() > 0)
                        .mapToDouble(l -> (double) tokens * l.columns() * l.columns())
                        .sum();
        double survey = allocation.needs().isEmpty() ? 0 : forward;
        return survey
                + switch (inputs) {
                    case DENSE -> forward + grams;
                    case PRUNED -> 2 * forward + grams;
                    case BOTH ->
                            4 * forward + 3 * grams; // a cross Gram is not symmetric: two halves
                };
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
