package dev.pollard.bench;

import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.method.Magnitude;
import dev.pollard.prune.method.SparseGpt;
import dev.pollard.prune.method.Wanda;
import dev.pollard.prune.solver.InverseFactor;
import dev.pollard.stats.Gram;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;

/// All seven linear layers of one block of SmolLM2-135M, factorisations included.
///
/// `java … dev.pollard.bench.SparseGptBenchmark` with the test class path and the options of JMH.
@State(org.openjdk.jmh.annotations.Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 3)
@Measurement(iterations = 5, time = 3)
@Fork(
        value = 2,
        jvmArgsAppend = {
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0"
        })
public class SparseGptBenchmark {
    private static final int HIDDEN = 576;
    private static final int INNER = 1536;

    @Param({"0.5", "2:4"})
    public String pattern;

    @Param({"1", "2"})
    public int threads;

    private Workers workers;
    private Scope scope;
    private Tensor attention; // Gram of the inputs of q, k and v
    private Tensor output; // of o
    private Tensor gated; // of gate and up
    private Tensor inner; // of down
    private final List<Tensor> weights = new ArrayList<>();

    @Setup
    public void draw() {
        workers = new Workers(threads);
        scope = Scope.open();
        var random = new Random(1);
        attention = gram(random, HIDDEN);
        output = gram(random, HIDDEN);
        gated = gram(random, HIDDEN);
        inner = gram(random, INNER);
        for (int rows : new int[] {HIDDEN, 192, 192, HIDDEN, INNER, INNER}) {
            weights.add(gaussian(random, rows, HIDDEN));
        }
        weights.add(gaussian(random, HIDDEN, INNER));
    }

    @TearDown
    public void free() {
        scope.close();
        workers.close();
    }

    @Benchmark
    public List<LayerResult> sparseGpt() {
        return block(new SparseGpt());
    }

    @Benchmark
    public List<LayerResult> wanda() {
        return block(new Wanda());
    }

    @Benchmark
    public List<LayerResult> magnitude() {
        return block(new Magnitude());
    }

    /// The four factorisations of a block alone.
    @Benchmark
    public void factors() {
        Callable<Void> task =
                () -> {
                    for (Tensor gram : List.of(attention, output, gated, inner)) {
                        InverseFactor.of(gram, 4096, 0.01).close();
                    }
                    return null;
                };
        workers.all(List.of(task));
    }

    /// One layer after the other, each on all threads.
    private List<LayerResult> block(LayerPruner pruner) {
        var sparsity = Sparsity.parse(pattern);
        Callable<List<LayerResult>> task =
                () -> {
                    try (var _ = Scope.open()) {
                        // Copies: closing a Gram frees its matrix.
                        try (var first = copy(attention);
                                var second = copy(output);
                                var third = copy(gated);
                                var fourth = copy(inner)) {
                            var grams = List.of(first, first, first, second, third, third, fourth);
                            var results = new ArrayList<LayerResult>();
                            for (int i = 0; i < grams.size(); i++) {
                                Tensor weight = weights.get(i);
                                results.add(
                                        pruner.prune(
                                                new LayerContext(
                                                        "layer",
                                                        weight,
                                                        weight,
                                                        LayerStats.of(grams.get(i)),
                                                        0),
                                                sparsity));
                            }
                            return results;
                        }
                    }
                };
        return workers.all(List.of(task)).getFirst();
    }

    private static Gram copy(Tensor matrix) {
        Tensor copy = Tensor.empty(matrix.shape()).copy_(matrix);
        try (var scope = Scope.open()) {
            return new Gram(scope.keep(copy), 4096);
        }
    }

    private static Tensor gram(Random random, int columns) {
        Tensor x = gaussian(random, 4096, columns);
        return x.transpose(0, 1).matmul(x).div(4096);
    }

    private static Tensor gaussian(Random random, int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, rows, columns);
    }

    public static void main(String[] arguments) throws RunnerException, CommandLineOptionException {
        var options =
                arguments.length > 0
                        ? arguments
                        : new String[] {SparseGptBenchmark.class.getSimpleName()};
        new Runner(new CommandLineOptions(options)).run();
    }
}
