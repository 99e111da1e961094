package dev.pollard.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Sha256;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.format.safetensors.ShardedSafetensors;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Parameters;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Trains a model from nothing: vocabulary, first weights, steps, checkpoints, and at the end a
/// Hugging Face folder in bfloat16.
///
/// All that is unfinished lies in a folder beside the output, `OUT.training`: tokenizer, first
/// weights, the last checkpoint, the log. A run that was killed is resumed from there and gives the
/// same weights. The output appears when it is complete, and the folder beside it goes.
public final class Training {
    private static final String CHECKPOINT = "checkpoint.safetensors";
    private static final String TOKENS = "tokens.safetensors";
    private static final String LOG = "training.jsonl";
    private static final String FINISHED = "finished";
    private static final String LOCK = "lock";

    /// Steps per line of the log.
    private static final int LINE = 10;

    /// Hears how a training goes on.
    public interface Listener {
        /// Something that takes a while begins.
        void begin(String what);

        /// The steps begin.
        ///
        /// @param done by the run that is resumed
        /// @param steps in all
        void steps(long done, long steps);

        /// A step is done.
        ///
        /// @param loss mean of the last ten steps, in nats a token
        /// @param tokensPerSecond of the last ten steps
        void step(long done, double loss, double tokensPerSecond);

        /// Held-out documents were measured.
        ///
        /// @param loss mean negative log-likelihood of a token, in nats
        void heldOut(long step, double loss);
    }

    /// Adds to a folder that is otherwise complete what people read.
    @FunctionalInterface
    public interface Publisher {
        void publish(TrainingResult result, Path folder) throws IOException;
    }

    private final TrainingRecipe recipe;
    private final Path output;
    private final Path folder;
    private final Compute compute;
    private final Workers workers;
    private final Listener listener;
    private final CountDownLatch over = new CountDownLatch(1);
    private volatile boolean stepping;
    private volatile boolean stopping;

    /// @param output the folder to be made
    public Training(
            TrainingRecipe recipe,
            Path output,
            Compute compute,
            Workers workers,
            Listener listener) {
        this.recipe = recipe;
        this.output = output.toAbsolutePath().normalize();
        this.folder = this.output.resolveSibling(this.output.getFileName() + ".training");
        this.compute = compute;
        this.workers = workers;
        this.listener = listener;
    }

    /// Trains from the beginning, or from the last checkpoint. Once for every object.
    ///
    /// @param resume whether to go on with what lies beside the output
    /// @return false if it was stopped before the last step
    /// @throws FileAlreadyExistsException if the output is there
    /// @throws NoSuchFileException if there is no run to resume, or no such text
    /// @throws IllegalArgumentException if an unfinished run is there that is not to be resumed, or
    ///     was another recipe's, or its end cannot be moved, or another process is at it
    /// @throws MalformedFileException if a file is broken
    /// @throws NonFiniteLossException if the training diverges: names the step
    public boolean run(boolean resume, Publisher publisher) throws IOException {
        if (Files.exists(output)) {
            throw new FileAlreadyExistsException(output.toString());
        }
        boolean begun = Files.exists(folder.resolve(CHECKPOINT));
        if (resume && !begun) {
            throw new NoSuchFileException(
                    folder.toString(), null, "there is no checkpoint to resume from");
        }
        boolean made = !Files.exists(folder);
        Files.createDirectories(folder);
        try (var _ = lock()) {
            if (!resume && begun) {
                throw new IllegalArgumentException(
                        "an unfinished run lies in %s: --resume continues it; or remove it"
                                .formatted(folder));
            }
            if (!resume) {
                prepare(made);
            }
            return trained(resume, publisher);
        } finally {
            over.countDown();
        }
    }

    /// Asks the run to end after the step at hand with a checkpoint, and waits until it has; for
    /// another thread than that of the run.
    ///
    /// @param patience how long to wait; a step that takes longer is lost
    /// @return whether there is a checkpoint to resume from
    public boolean stop(Duration patience) throws InterruptedException {
        stopping = true;
        if (stepping) {
            over.await(patience.toMillis(), TimeUnit.MILLISECONDS);
        }
        return Files.exists(folder.resolve(CHECKPOINT));
    }

    private FileChannel lock() throws IOException {
        var channel =
                FileChannel.open(
                        folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (channel.tryLock() != null) {
                return channel;
            }
        } catch (OverlappingFileLockException _) {
            // Held by this process: the same answer as for another one.
        }
        channel.close();
        throw new IllegalArgumentException("another run is using " + folder);
    }

    /// What fails before the first step leaves nothing.
    ///
    /// @param made whether the folder is new
    private void prepare(boolean made) throws IOException {
        try {
            new Preparation(recipe, folder, workers, listener).run(folder.resolve(TOKENS));
        } catch (IOException | RuntimeException e) {
            if (made) {
                delete(folder);
            }
            throw e;
        }
    }

    private static void delete(Path folder) throws IOException {
        try (var files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    private boolean trained(boolean resume, Publisher publisher) throws IOException {
        var tokens = TokenStore.open(folder.resolve(TOKENS));
        try (var model = Model.open(folder);
                var parameters = Parameters.of(model, _ -> true);
                var optimizer = optimizer(parameters)) {
            var run = new Steps(parameters, optimizer, tokens);
            if (resume) {
                run.resume();
            } else {
                run.save(); // so that a run that is stopped early can be resumed
            }
            if (!run.toTheEnd()) {
                return false;
            }
            write(model, parameters, run.result(model), publisher);
        }
        delete(folder);
        return true;
    }

    private AdamW optimizer(Parameters parameters) {
        return new AdamW(
                recipe.optimizer(), parameters.trained().stream().map(parameters::leaf).toList());
    }

    /// Of all that a run may not change when it is resumed.
    private String identity() {
        return Sha256.of(recipe.identity() + compute);
    }

    // ---- steps ----

    /// How far a training is.
    ///
    /// @param step steps done
    /// @param steps at which it was to end
    /// @param windows of the mixture that were used
    /// @param seconds spent on training
    /// @param identity of recipe and texts, in hexadecimal
    /// @param workers the number of workers, on which the order of sums depends
    record Progress(
            long step, long steps, long windows, double seconds, String identity, int workers) {
        /// @throws IllegalArgumentException if no training can be there
        Progress {
            if (step < 0 || steps < step || !(seconds >= 0) || identity == null) {
                throw new IllegalArgumentException(
                        "step %,d of %,d after %s seconds".formatted(step, steps, seconds));
            }
        }
    }

    private static SequencedMap<String, Tensor> named(Parameters parameters) {
        var named = new LinkedHashMap<String, Tensor>();
        parameters.trained().forEach(entry -> named.put(entry.name(), parameters.values(entry)));
        return named;
    }

    /// The steps of a run, and where it stands.
    private final class Steps {
        private final Parameters parameters;
        private final AdamW optimizer;
        private final Mixture mixture;
        private final HeldOutLoss heldOut;
        private final Recent recent = new Recent();
        private final Path checkpoint = folder.resolve(CHECKPOINT);
        private final long steps = recipe.schedule().steps();
        private long step; // done
        private double before; // seconds of the run that is resumed
        private long start = System.nanoTime();
        private long saved = start;
        private HeldOutLoss.Measured last; // after the last step

        Steps(Parameters parameters, AdamW optimizer, TokenStore tokens) {
            this.parameters = parameters;
            this.optimizer = optimizer;
            this.mixture =
                    new Mixture(
                            tokens.training(),
                            recipe.data().stream().map(TextSource::weight).toList(),
                            recipe.context(),
                            recipe.seed());
            this.heldOut = new HeldOutLoss(recipe, tokens.heldOut());
        }

        void resume() throws IOException {
            Progress progress;
            try (var _ = Scope.open()) {
                progress =
                        TrainingState.read(
                                checkpoint, named(parameters), optimizer, Progress.class);
            }
            requireSame(progress);
            step = progress.step();
            before = progress.seconds();
            mixture.skip(progress.windows());
        }

        private void requireSame(Progress progress) throws IOException {
            if (!progress.identity().equals(identity())) {
                throw new IllegalArgumentException(
                        "%s was made by another recipe, or with another --compute"
                                .formatted(folder));
            }
            if (progress.workers() != workers.count()) {
                throw new IllegalArgumentException(
                        "the run to resume has %d workers: --threads %d"
                                .formatted(progress.workers(), progress.workers()));
            }
            if (progress.windows() != progress.step() * recipe.batch()) {
                throw new MalformedFileException(
                        checkpoint,
                        0,
                        "%,d windows in %,d steps".formatted(progress.windows(), progress.step()));
            }
            if (!recipe.schedule().endingAt(progress.steps()).mayEndAt(steps, progress.step())) {
                throw new IllegalArgumentException(
                        "the run cannot end at step %,d: it was to end at %,d, and after %,d steps its"
                                        .formatted(steps, progress.steps(), progress.step())
                                + " learning rate is not what it would have been");
            }
        }

        /// @return false if it was asked to stop before
        boolean toTheEnd() throws IOException {
            var log = new TrainingLog(folder.resolve(LOG), step);
            var pass =
                    new GradientPass(parameters, GradientPass.Activations.KEPT, compute, workers);
            listener.steps(step, steps);
            stepping = true;
            start = System.nanoTime();
            saved = start;
            try (var gradients = new GradientSums(parameters.trained())) {
                while (step < steps && !stopping) {
                    var line = advance(pass, gradients);
                    listener.step(step, recent.loss(), recent.tokensPerSecond());
                    if (step % LINE == 0 || step == steps) {
                        log.add(line);
                    }
                    if (isMeasured()) {
                        last = measure();
                        log.add(line(last));
                    }
                    if (step == steps || sinceSaved() >= recipe.checkpointSeconds()) {
                        save();
                    }
                }
                if (step < steps) {
                    save();
                }
            } finally {
                stepping = false;
            }
            return step == steps;
        }

        /// One step.
        ///
        /// @return its line of the log
        private Map<String, Object> advance(GradientPass pass, GradientSums gradients) {
            long begin = System.nanoTime();
            double rate = recipe.schedule().rate(step);
            double loss = loss(pass, gradients);
            double norm = gradients.norm(workers) * recipe.together() / recipe.batch();
            double clip = recipe.clip() == 0 || norm <= recipe.clip() ? 1 : recipe.clip() / norm;
            double scale = clip * recipe.together() / recipe.batch();
            step++;
            optimizer.step(gradients.sums(), scale, rate, step, workers);
            recent.add(loss, (System.nanoTime() - begin) / 1e9);
            var line = new LinkedHashMap<String, Object>();
            line.put("step", step);
            line.put("tokens", step * recipe.tokensPerStep());
            line.put("loss", recent.loss());
            line.put("rate", rate);
            line.put("gradient_norm", norm);
            line.put("tokens_per_second", Math.round(recent.tokensPerSecond()));
            line.put("seconds", seconds());
            return line;
        }

        private double loss(GradientPass pass, GradientSums gradients) {
            try {
                return Arrays.stream(pass.run(batch(), gradients)).average().orElseThrow();
            } catch (NonFiniteLossException e) {
                throw new NonFiniteLossException("step %,d".formatted(step + 1), e);
            }
        }

        private List<int[][]> batch() {
            var samples = new ArrayList<int[][]>();
            for (int i = 0; i < recipe.batch(); i += recipe.together()) {
                int[][] sample = new int[recipe.together()][];
                Arrays.setAll(sample, _ -> mixture.next());
                samples.add(sample);
            }
            return samples;
        }

        private double seconds() {
            return before + (System.nanoTime() - start) / 1e9;
        }

        private double sinceSaved() {
            return (System.nanoTime() - saved) / 1e9;
        }

        void save() throws IOException {
            var progress =
                    new Progress(
                            step,
                            steps,
                            mixture.position(),
                            seconds(),
                            identity(),
                            workers.count());
            try (var _ = Scope.open()) {
                TrainingState.write(checkpoint, named(parameters), optimizer, progress);
            }
            saved = System.nanoTime();
        }

        private boolean isMeasured() {
            return step == steps
                    || recipe.evaluateEvery() > 0 && step % recipe.evaluateEvery() == 0;
        }

        private HeldOutLoss.Measured measure() {
            var measured = heldOut.measure(parameters, workers);
            measured.mean().ifPresent(loss -> listener.heldOut(step, loss));
            return measured;
        }

        private Map<String, Object> line(HeldOutLoss.Measured measured) {
            var line = new LinkedHashMap<String, Object>();
            line.put("step", step);
            measured.mean().ifPresent(loss -> line.put("held_out_loss", loss));
            line.put("held_out_windows", measured.windows());
            line.put("held_out_by_source", measured.bySource());
            return line;
        }

        TrainingResult result(Model model) {
            if (last == null) { // the run that is resumed had done all steps
                last = measure();
            }
            var config = model.checkpoint().config();
            return new TrainingResult(
                    recipe,
                    config.architecture(),
                    model.checkpoint().parameters(),
                    config.vocabularySize(),
                    recent.isEmpty() ? OptionalDouble.empty() : OptionalDouble.of(recent.loss()),
                    last.mean(),
                    last.bySource(),
                    seconds(),
                    compute,
                    workers.count());
        }
    }

    /// The last steps, as many as a line of the log is about.
    private final class Recent {
        private record Step(double loss, double seconds) {}

        private final Deque<Step> steps = new ArrayDeque<>();

        void add(double loss, double seconds) {
            steps.add(new Step(loss, seconds));
            if (steps.size() > LINE) {
                steps.remove();
            }
        }

        boolean isEmpty() {
            return steps.isEmpty();
        }

        double loss() {
            return steps.stream().mapToDouble(Step::loss).average().orElseThrow();
        }

        double tokensPerSecond() {
            return recipe.tokensPerStep()
                    / steps.stream().mapToDouble(Step::seconds).average().orElseThrow();
        }
    }

    // ---- the result ----

    private void write(
            Model model, Parameters parameters, TrainingResult result, Publisher publisher)
            throws IOException {
        Path part = folder.resolve(FINISHED);
        if (Files.exists(part)) { // a run was killed while it wrote
            delete(part);
        }
        Files.createDirectory(part);
        model.tokenizer().orElseThrow().saveTo(part);
        ObjectNode config = model.checkpoint().configJson();
        config.put("torch_dtype", "bfloat16");
        Files.writeString(part.resolve("config.json"), config.toPrettyString() + "\n");
        List<Declaration> declarations =
                parameters.entries().stream()
                        .map(
                                entry ->
                                        new Declaration(
                                                entry.name(),
                                                DType.BF16,
                                                Initialization.fileShape(entry.weight())))
                        .toList();
        Path file = part.resolve(ShardedSafetensors.SINGLE_FILE_NAME);
        try (var writer = SafetensorsWriter.create(file, declarations, Map.of());
                var _ = Scope.open()) {
            for (Entry entry : parameters.entries()) {
                Tensor values = parameters.values(entry);
                Tensor stored =
                        Initialization.isTransposed(entry.weight())
                                ? values.transpose(0, 1).contiguous()
                                : values;
                writer.writeFloats(entry.name(), stored.segment());
            }
            writer.commit();
        }
        Files.copy(folder.resolve(LOG), part.resolve(LOG));
        publisher.publish(result, part);
        Files.move(part, output, StandardCopyOption.ATOMIC_MOVE);
    }
}
