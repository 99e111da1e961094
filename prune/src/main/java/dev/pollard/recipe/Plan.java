package dev.pollard.recipe;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.ModelConfig;
import dev.pollard.prune.DomainPass;
import dev.pollard.prune.DomainPass.Penalty.Form;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.Texts.Part;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass.Activations;
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
/// @param activations what becomes of them between the way there and the way back, if gradients
///     are taken
public record Plan(
        List<Layer> layers,
        Memory memory,
        long outputBytes,
        long workBytes,
        boolean spill,
        long gramBytes,
        Activations activations) {
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
    /// @param gradients all weights, what is added up for each, and the activations of a sample on
    ///     every worker; 0 if none are taken
    public record Memory(
            long base,
            long activations,
            long block,
            long grams,
            long solver,
            long forward,
            long evaluation,
            long gradients) {
        /// The largest of pruning, evaluating, and going backward.
        public long peak() {
            return base + Math.max(gradients, inBlocks());
        }

        private long inBlocks() {
            return block + forward + Math.max(activations + grams + solver, evaluation);
        }
    }

    /// The blocks that hold them, in order.
    List<Integer> blocks() {
        return layers.stream().map(Layer::block).distinct().toList();
    }

    /// Numbers that a block keeps of every row for its way back, in multiples of the model's width
    /// and of the widest layer's output.
    private static final int KEPT_WIDTHS = 16;

    private static final int KEPT_OUTPUTS = 5;

    /// Of most models' heads.
    private static final int HEAD_WIDTH = 64;

    /// Java, libtorch and what they need for themselves.
    static final long BASE = 400L << 20;
    private static final long EVALUATION_STREAMS = 64L << 20;

    /// Works out what pruning `checkpoint` by `recipe` takes.
    ///
    /// @param texts what the run learns from
    /// @throws IllegalArgumentException if nothing is to be pruned, or the pattern does not fit a
    ///     layer
    /// @throws WillNotFitException if it takes more memory than the recipe allows, whatever is done
    static Plan of(Checkpoint checkpoint, Recipe recipe, Method method, RunTexts texts) {
        int length = Math.max(texts.calibrationLength(), texts.domainLength());
        var needs = recipe.pruning().needs(method);
        boolean both = Driver.needsDenseStream(needs);
        boolean grams = needs.contains(Statistic.GRAM);
        boolean stream = !needs.isEmpty();
        int workers = recipe.resources().threads();
        long tokens = texts.tokens();
        var layers = layers(checkpoint, recipe, needs, tokens);
        check(layers, checkpoint, recipe);

        var config = checkpoint.config();
        long widest = layers.stream().mapToLong(Layer::columns).max().orElseThrow();
        long tallest = layers.stream().mapToLong(Layer::rows).max().orElseThrow();
        long activations = stream ? 4L * tokens * config.hiddenSize() : 0;
        activations *= both ? 2 : 1;
        long weights = 4 * largestBlock(layers);
        var methods = methods(recipe.pruning(), method);
        long versions = methods.stream().mapToLong(m -> keptAtOnce(m, texts)).max().orElseThrow();
        long solver =
                methods.stream()
                        .flatMap(Plan::steps)
                        .mapToLong(step -> step.cost(tallest, widest).bytes())
                        .max()
                        .orElseThrow();
        var kept = recipe.resources().activations().getFirst();
        var memory =
                new Memory(
                        BASE + checkpoint.bytes() / 2,
                        activations,
                        ((both ? 3 : 2) + versions) * weights,
                        largestBlockGrams(layers),
                        grams ? workers * (solver + (both ? reaimBytes(widest, tallest) : 0)) : 0,
                        workers * 4L * length * (6L * config.hiddenSize() + 4 * tallest),
                        evaluates(recipe, methods) ? evaluationBytes(config, workers) : 0,
                        gradientBytes(checkpoint, layers, method, texts, workers, kept));
        long limit = recipe.resources().memoryBytes();
        if (memory.base() + memory.gradients() > limit) {
            kept = recipe.resources().activations().getLast();
            long less = gradientBytes(checkpoint, layers, method, texts, workers, kept);
            memory = with(memory, memory.activations(), memory.grams(), less);
            if (memory.base() + less > limit) {
                throw new WillNotFitException(
                        "gradients need about %,d MB of memory, --memory allows %,d MB: use fewer --threads, a shorter --domain-length or fewer domains"
                                .formatted((memory.base() + less) >> 20, limit >> 20));
            }
        }
        boolean spill = false;
        if (memory.peak() > limit) {
            spill = stream;
            memory =
                    with(
                            memory,
                            spill ? 0 : memory.activations(),
                            memory.grams(),
                            memory.gradients());
        }
        if (memory.peak() > limit && grams) {
            long one = layers.stream().mapToLong(Layer::gramBytes).max().orElseThrow();
            long room = limit - (memory.peak() - memory.grams());
            memory = with(memory, 0, Math.max(one, room), memory.gradients());
        }
        if (memory.peak() > limit) {
            throw new WillNotFitException(
                    "needs about %,d MB of memory, --memory allows %,d MB: use fewer --threads or a shorter --calib-length"
                            .formatted(memory.peak() >> 20, limit >> 20));
        }
        long outputBytes = outputBytes(checkpoint, recipe.output());
        long workBytes =
                methods.stream()
                                .flatMap(m -> m.passes().stream().skip(taken(method, m)))
                                .mapToLong(pass -> numbersLeft(pass, texts))
                                .sum()
                        * 4
                        * layers.stream().mapToLong(l -> l.rows() * l.columns()).sum();
        return new Plan(
                layers,
                memory,
                outputBytes,
                workBytes + (spill ? activations : 0),
                spill,
                memory.grams(),
                kept);
    }

    /// How many passes of `each` are not made, but taken from `method`: those of the control that
    /// both begin with.
    private static int taken(Method method, Method each) {
        return each == method ? 0 : Driver.alike(method, each);
    }

    /// How many numbers a pass leaves of every weight.
    private static long numbersLeft(Pass pass, RunTexts texts) {
        return switch (pass) {
            case Sweep _ -> 1;
            // The importance that a sweep before may leave beside its weights, or tuned weights.
            case DomainPass _ -> 2L * texts.domains() + 1;
        };
    }

    /// Whether whole models go over texts: to be measured, to write samples, or to be chosen from.
    private static boolean evaluates(Recipe recipe, List<Method> methods) {
        return !recipe.evaluation().tasks().isEmpty()
                || recipe.evaluation().samples()
                || methods.stream().anyMatch(m -> m.candidates().size() > 1);
    }

    private static long evaluationBytes(ModelConfig config, long workers) {
        return EVALUATION_STREAMS
                + 4L * config.vocabularySize() * config.hiddenSize()
                + workers * (60L << 20);
    }

    private static long gradientBytes(
            Checkpoint checkpoint,
            List<Layer> layers,
            Method method,
            RunTexts texts,
            int workers,
            Activations activations) {
        var pass = Driver.domainPass(method);
        if (pass.isEmpty()) {
            return 0;
        }
        long pruned = layers.stream().mapToLong(l -> l.rows() * l.columns()).sum();
        long tallest = layers.stream().mapToLong(Layer::rows).max().orElseThrow();
        boolean copies = // of the weights before the first step down the loss
                pass.get().tuning().filter(t -> t.penalty().form() == Form.EWC).isPresent();
        long sums = 2L * texts.domains() + (copies ? 1 : 0);
        return gradientPassBytes(
                        checkpoint,
                        1,
                        texts.domainLength(),
                        tallest,
                        largestBlock(layers),
                        workers,
                        activations)
                + 4 * sums * pruned;
    }

    /// What a pass forward and backward holds: all weights, and for every worker the activations of
    /// a sample and the gradients of a block.
    ///
    /// @param together sequences of a sample
    /// @param length tokens of each
    /// @param tallest outputs of the widest layer
    /// @param block weights of the largest block to take gradients of
    static long gradientPassBytes(
            Checkpoint checkpoint,
            int together,
            long length,
            long tallest,
            long block,
            int workers,
            Activations activations) {
        var config = checkpoint.config();
        long rows = together * length;
        long heads = Math.ceilDiv(config.hiddenSize(), HEAD_WIDTH);
        long scores = length > Tensor.SHORT_SEQUENCE ? 0 : heads * length; // of a row, as recorded
        long ofBlock =
                rows * (KEPT_WIDTHS * (long) config.hiddenSize() + KEPT_OUTPUTS * tallest + scores);
        long kept =
                switch (activations) {
                    case KEPT -> config.blocks() * ofBlock;
                    case RECOMPUTED -> config.blocks() * rows * config.hiddenSize() + ofBlock;
                };
        long head = 3 * rows * config.vocabularySize();
        return 4 * (checkpoint.parameters() + workers * (kept + head + 2 * block));
    }

    /// Bytes on disk in all.
    public long diskBytes() {
        return outputBytes + workBytes;
    }

    private static Memory with(Memory memory, long activations, long grams, long gradients) {
        return new Memory(
                memory.base(),
                activations,
                memory.block(),
                grams,
                memory.solver(),
                memory.forward(),
                memory.evaluation(),
                gradients);
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
                                    case DomainPass _ -> Stream.empty();
                                });
    }

    /// How many numbers of every weight the last step of a block knows besides the dense one, its
    /// own included: what every pass before left, gradients among it, and every step of this.
    private static long keptAtOnce(Method method, RunTexts texts) {
        long most = 0;
        long before = 0;
        for (var pass : method.passes()) {
            if (pass instanceof Sweep sweep) {
                most = Math.max(most, before + sweep.steps().size());
            }
            before += numbersLeft(pass, texts);
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

    /// Bytes of a model as it will be written.
    static long outputBytes(Checkpoint checkpoint, Recipe.Output output) {
        int bytesPerWeight =
                switch (output.dtype()) {
                    case "float32" -> 4;
                    case "keep" -> checkpoint.storage().equals("F32") ? 4 : 2;
                    default -> 2;
                };
        return checkpoint.parameters() * bytesPerWeight;
    }

    /// Floating-point operations of a run, the control included: forward and backward
    /// passes, Grams, and what the methods themselves say that they need.
    double operations(ModelConfig config, RunTexts texts, Recipe recipe, Method method) {
        var pruning = recipe.pruning();
        int length = texts.calibrationLength();
        double weights = layers.stream().mapToDouble(l -> (double) l.rows() * l.columns()).sum();
        double attention = 2.0 * length * config.hiddenSize() * config.blocks();
        double forward = 2 * (weights + attention); // of a token
        double gram =
                layers.stream()
                        .filter(l -> l.gramBytes() > 0)
                        .mapToDouble(l -> (double) l.columns() * l.columns())
                        .sum();
        double general = texts.tokens(Part.CALIBRATION);
        double operations = pruning.allocation().needs().isEmpty() ? 0 : general * forward;
        for (var each : methods(pruning, method)) {
            for (int p = taken(method, each); p < each.passes().size(); p++) {
                switch (each.passes().get(p)) {
                    case Sweep sweep -> {
                        double tokens = texts.tokens(sweep.part());
                        operations +=
                                operations(
                                        sweep,
                                        p,
                                        pruning.inputs(),
                                        tokens * forward,
                                        tokens * gram);
                    }
                    case DomainPass pass -> operations += operations(config, weights, texts, pass);
                }
            }
            if (each.candidates().size() > 1) {
                operations +=
                        each.candidates().size()
                                * general
                                * forward
                                / 8; // of the sequences held out
            }
        }
        return operations;
    }

    /// Of a pass forward and backward: twice as much on the way back, and a forward pass again if
    /// activations are not kept.
    private double operations(ModelConfig config, double weights, RunTexts texts, DomainPass pass) {
        int tuned = pass.tuning().map(tuning -> tuning.steps() * tuning.batch()).orElse(0);
        double tokens = (double) (texts.gradientSamples() + tuned) * texts.domainLength();
        double head = (double) config.vocabularySize() * config.hiddenSize();
        int forwards = activations == Activations.KEPT ? 3 : 4;
        return 2 * tokens * (forwards * weights + 3 * head);
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
