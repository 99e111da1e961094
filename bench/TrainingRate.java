import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.sun.management.OperatingSystemMXBean;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.Parameters;
import dev.pollard.model.Rows;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tape;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.AdamW;
import dev.pollard.train.GradientPass;
import dev.pollard.train.Initialization;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.ToDoubleFunction;

/// Times whole training steps (forward, backward, sums, clipping, AdamW) against libtorch: against
/// the same model in its own operations under its own autograd, and against the products of the
/// linear layers and the head alone, forward and backward, each as large as in the step. All on as
/// many threads and in turns, so that whatever else the machine does meets all; medians. Only those
/// products are counted as arithmetic, 6 · weights · tokens.
void main(String[] args) throws Exception {
    var recipe = new YAMLMapper().readTree(Path.of(args[0]).toFile());
    var compute = args[1].equals("bf16") ? Compute.BFLOAT16 : Compute.FLOAT32;
    int threads = Integer.parseInt(args[2]);
    double seconds = Double.parseDouble(args[3]);
    int context = recipe.get("context").asInt();
    int together = recipe.get("together").asInt();
    int samples = recipe.get("batch").asInt() / together;
    int vocabulary = recipe.get("tokenizer").get("vocabulary").asInt();
    ObjectNode config = recipe.get("model").deepCopy();
    config.put("vocab_size", vocabulary);

    Path folder = Files.createTempDirectory("pollard-bench");
    Initialization.write(folder, config, 1);
    Engine.recycleMemory();
    try (var model = Model.open(folder);
            var parameters = Parameters.of(model, _ -> true);
            var workers = new Workers(threads);
            var scope = Scope.open()) {
        var matrices = new ArrayList<long[]>();
        for (var entry : parameters.entries()) {
            if (entry.weight().prunable()) {
                matrices.add(sizes(entry));
            }
        }
        matrices.add(new long[] {vocabulary, model.checkpoint().config().hiddenSize()});
        long rows = (long) together * context;
        double flop = 0;
        for (long[] size : matrices) {
            flop += 6.0 * size[0] * size[1] * rows * samples;
        }
        var step = new Step(parameters, compute, workers, samples, together, context, vocabulary);
        var products = new Products(matrices, rows, samples, compute, workers);
        var torchStep = new TorchStep(step, compute, workers);
        var ours = new ArrayList<Time>();
        var torchs = new ArrayList<Time>();
        var alone = new ArrayList<Time>();
        long end = System.nanoTime() + (long) (seconds * 1e9);
        while (ours.size() < 6 || System.nanoTime() < end) {
            alone.add(Time.of(products));
            torchs.add(Time.of(torchStep));
            ours.add(Time.of(step));
        }
        var our = median(ours);
        var torch = median(torchs);
        var product = median(alone);
        IO.println(
                "%s, %s, %d threads: %,d parameters, %d tokens a step, %d steps"
                        .formatted(
                                Path.of(args[0]).getFileName(),
                                compute,
                                threads,
                                model.checkpoint().parameters(),
                                rows * samples,
                                ours.size()));
        print("a training step", our, rows * samples, flop);
        print("libtorch's", torch, rows * samples, flop);
        print("products alone", product, rows * samples, flop);
        share("of libtorch's rate on the same model", our, torch);
        share("of its rate on the linear layers alone", our, product);
    } finally {
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}

long[] sizes(Entry entry) {
    return entry.weight().shape().sizes().stream().mapToLong(Long::longValue).toArray();
}

void share(String what, Time our, Time other) {
    IO.println(
            "share %s: %.0f %% by the clock, %.0f %% by CPU time"
                    .formatted(
                            what,
                            100 * other.seconds / our.seconds,
                            100 * other.cpuSeconds / our.cpuSeconds));
}

void print(String what, Time time, long tokens, double flop) {
    IO.println(
            "%-16s %.3f s, %,.0f tokens/s, %.1f GFLOP/s; %.3f CPU s"
                    .formatted(
                            what,
                            time.seconds,
                            tokens / time.seconds,
                            flop / time.seconds / 1e9,
                            time.cpuSeconds));
}

/// @param cpuSeconds of all threads; what other programs do hardly changes them
record Time(double seconds, double cpuSeconds) {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    static Time of(Runnable work) {
        long start = System.nanoTime();
        long cpu = SYSTEM.getProcessCpuTime();
        work.run();
        return new Time(
                (System.nanoTime() - start) / 1e9, (SYSTEM.getProcessCpuTime() - cpu) / 1e9);
    }
}

/// Of each by itself, without the first third: the JVM still compiles then.
Time median(List<Time> times) {
    var kept = times.subList(times.size() / 3, times.size());
    return new Time(median(kept, t -> t.seconds), median(kept, t -> t.cpuSeconds));
}

double median(List<Time> times, ToDoubleFunction<Time> of) {
    return times.stream().mapToDouble(of).sorted().skip(times.size() / 2).findFirst().orElseThrow();
}

/// What `Training` does in a step.
static final class Step implements Runnable {
    private final Parameters parameters;
    private final Workers workers;
    private final GradientPass pass;
    private final AdamW optimizer;
    private final List<int[][]> batch = new ArrayList<>();
    private final Map<String, Tensor> sums = new ConcurrentHashMap<>();
    private final List<Tensor> inOrder = new ArrayList<>();
    private long step;

    Step(
            Parameters parameters,
            Compute compute,
            Workers workers,
            int samples,
            int together,
            int context,
            int vocabulary) {
        this.parameters = parameters;
        this.workers = workers;
        pass = new GradientPass(parameters, GradientPass.Activations.KEPT, compute, workers);
        optimizer =
                new AdamW(
                        new AdamW.Setting(0.9, 0.95, 1e-8, 0.1),
                        parameters.trained().stream().map(parameters::leaf).toList());
        for (var entry : parameters.trained()) {
            var sum = Tensor.zeros(parameters.values(entry).shape());
            sums.put(entry.name(), sum);
            inOrder.add(sum);
        }
        var random = new Random(1);
        for (int i = 0; i < samples; i++) {
            int[][] sample = new int[together][];
            Arrays.setAll(sample, _ -> random.ints(context, 0, vocabulary).toArray());
            batch.add(sample);
        }
    }

    @Override
    public void run() {
        pass.run(batch, this::add);
        double[] squares = new double[inOrder.size()];
        workers.forEach(
                squares.length, (_, i) -> squares[i] = inOrder.get(i).square().sum().item());
        double norm = Math.sqrt(Arrays.stream(squares).sum());
        optimizer.step(inOrder, 1 / (1 + norm), 1e-4, ++step, workers);
    }

    private void add(Entry weight, int first, List<Tensor> gradients) {
        Tensor sum = sums.get(weight.name());
        for (int i = 0; i < gradients.size(); i++) {
            if (first + i == 0) {
                sum.copy_(gradients.get(i));
            } else {
                sum.add_(gradients.get(i));
            }
        }
    }
}

/// The same model in libtorch's own operations (its norms, its fused attention, its loss) under its
/// own autograd: forward and backward, without clipping and optimiser.
static final class TorchStep implements Runnable {
    private final Step step;
    private final Compute compute;
    private final Workers workers;

    TorchStep(Step step, Compute compute, Workers workers) {
        this.step = step;
        this.compute = compute;
        this.workers = workers;
    }

    @Override
    public void run() {
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16)) {
            workers.forEach(step.batch.size(), (_, i) -> gradients(step.batch.get(i)));
        }
    }

    private void gradients(int[][] sample) {
        var parameters = step.parameters;
        var decoder = parameters.decoder();
        var rows = new Rows.Builder();
        int[] ids = new int[sample.length * sample[0].length];
        int[] next = new int[ids.length];
        for (int s = 0; s < sample.length; s++) {
            int length = sample[s].length;
            rows.begin(length);
            System.arraycopy(sample[s], 0, ids, s * length, length);
            System.arraycopy(sample[s], 1, next, s * length, length - 1);
            next[(s + 1) * length - 1] = Tensor.NO_ID;
        }
        try (var _ = Scope.open();
                var empty = new Tape()) {
            var all = rows.build();
            Tensor x = decoder.embed(ids, all);
            for (int b = 0; b < decoder.config().blocks(); b++) {
                x = decoder.block(b, Compute.FLOAT32).forward(x, all, Tap.NONE);
            }
            Tensor loss = decoder.logits(x).crossEntropy(Tensor.ofIds(next));
            var leaves = parameters.trained().stream().map(parameters::leaf).toList();
            empty.gradients(loss, Tensor.full(1), leaves);
        }
    }
}

/// `y = x Wᵀ`, and the gradients of `x` and `W`, for every matrix and sample.
static final class Products implements Runnable {
    private record Product(Tensor x, Tensor weight, Tensor arriving) {}

    private final List<List<Product>> ofWorkers = new ArrayList<>();
    private final int samples;
    private final Compute compute;
    private final Workers workers;

    Products(List<long[]> matrices, long rows, int samples, Compute compute, Workers workers) {
        this.samples = samples;
        this.compute = compute;
        this.workers = workers;
        var random = new Random(2);
        for (int w = 0; w < workers.count(); w++) {
            var products = new ArrayList<Product>();
            for (long[] size : matrices) {
                products.add(
                        new Product(
                                drawn(random, rows, size[1]).requireGradient(),
                                drawn(random, size[0], size[1]).requireGradient(),
                                drawn(random, rows, size[0])));
            }
            ofWorkers.add(products);
        }
    }

    private static Tensor drawn(Random random, long rows, long columns) {
        float[] values = new float[Math.toIntExact(rows * columns)];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat() - 0.5f;
        }
        return Tensor.of(values, rows, columns);
    }

    @Override
    public void run() {
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16)) {
            workers.forEach(
                    samples,
                    (worker, _) -> {
                        for (var product : ofWorkers.get(worker)) {
                            try (var _ = Scope.open();
                                    var tape = new Tape()) {
                                Tensor y;
                                try (var _ = tape.record()) {
                                    y = product.x.linear(product.weight);
                                }
                                tape.gradients(
                                        y, product.arriving, List.of(product.x, product.weight));
                            }
                        }
                    });
        }
    }
}
