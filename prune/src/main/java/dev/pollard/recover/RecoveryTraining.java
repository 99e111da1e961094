package dev.pollard.recover;

import dev.pollard.model.NonFiniteLossException;
import dev.pollard.tensor.Workers;
import dev.pollard.train.AdamW;
import dev.pollard.train.GradientPass;
import dev.pollard.train.Schedule;
import dev.pollard.train.TrainingLog;
import dev.pollard.train.TrainingState;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;

/// The steps of a recovery: AdamW on the next-token loss of all tokens, gradients clipped by their
/// norm, a checkpoint every now and then.
///
/// Sums run in the order of the samples and what is drawn depends on seed and step alone, so the
/// result is the same for any number of workers, resumed or not, with as many windows together.
public final class RecoveryTraining {
    /// The checkpoint in the folder of an unfinished recovery.
    public static final String STATE = "recovery.safetensors";

    /// The course of the recovery there: a JSON object for every step, one per line.
    public static final String LOG = "training.jsonl";

    /// All that decides what comes out, but for model and windows.
    ///
    /// @param batch windows per step
    /// @param together windows that a worker computes as one
    /// @param clip gradients are scaled down to this norm; 0: never
    /// @param seed of the order of the windows
    /// @param checkpointSeconds between checkpoints; decides nothing
    public record Setting(
            Schedule schedule,
            AdamW.Setting optimizer,
            int batch,
            int together,
            double clip,
            long seed,
            double checkpointSeconds) {
        /// @throws IllegalArgumentException if a number makes no sense
        public Setting {
            if (batch < 1 || together < 1 || batch % together != 0) {
                throw new IllegalArgumentException(
                        "a step of %d windows, %d of them computed together"
                                .formatted(batch, together));
            }
            if (!(clip >= 0)) {
                throw new IllegalArgumentException("norm to clip gradients at: " + clip);
            }
        }
    }

    /// Hears how a recovery goes on.
    @FunctionalInterface
    public interface Listener {
        /// @param step steps done of `steps`
        /// @param loss mean over the step's windows, before the step
        /// @param tokensPerSecond of this step
        void at(long step, long steps, double loss, double tokensPerSecond);
    }

    /// What the steps were like.
    ///
    /// @param seconds of all steps, those before an interruption included
    /// @param firstLoss of the first step that this process did; NaN if there was none
    /// @param lastLoss of the last
    public record Result(double seconds, double firstLoss, double lastLoss) {}

    /// How far a recovery is.
    ///
    /// @param step steps done
    /// @param seconds spent on them
    private record Progress(long step, double seconds) {}

    private final Setting setting;
    private final GradientPass pass;
    private final Trainable trainable;
    private final List<int[]> windows;
    private final Path folder;
    private final Workers workers;
    private final Listener listener;

    /// @param pass over the parameters that `trainable` trains
    /// @param windows of token ids, all of one length
    /// @param folder for checkpoint and log; it exists
    public RecoveryTraining(
            Setting setting,
            GradientPass pass,
            Trainable trainable,
            List<int[]> windows,
            Path folder,
            Workers workers,
            Listener listener) {
        this.setting = setting;
        this.pass = pass;
        this.trainable = trainable;
        this.windows = List.copyOf(windows);
        if (windows.stream().mapToInt(ids -> ids.length).distinct().count() != 1) {
            throw new IllegalArgumentException("windows to train on that are not of one length");
        }
        this.folder = folder;
        this.workers = workers;
        this.listener = listener;
    }

    /// Trains from the checkpoint in the folder, or from the beginning, and leaves the result in
    /// the parameters.
    ///
    /// @throws NonFiniteLossException if a loss or a gradient is not finite: names step and sample
    /// @throws dev.pollard.format.MalformedFileException if the checkpoint is not one of this
    ///     recovery
    public Result run() throws IOException {
        var weights = trainable.weights();
        try (var optimizer = new AdamW(setting.optimizer, List.copyOf(weights.values()))) {
            Path file = folder.resolve(STATE);
            var state =
                    Files.exists(file)
                            ? TrainingState.read(file, weights, optimizer, Progress.class)
                            : new Progress(0, 0);
            var log = new TrainingLog(folder.resolve(LOG), state.step());
            long steps = setting.schedule.steps();
            double first = Double.NaN;
            double loss = Double.NaN;
            double saved = state.seconds();
            for (long step = state.step(); step < steps; step++) {
                long start = System.nanoTime();
                loss = step(step, optimizer, log, state.seconds());
                first = Double.isNaN(first) ? loss : first;
                double seconds = (System.nanoTime() - start) / 1e9;
                state = new Progress(step + 1, state.seconds() + seconds);
                if (step + 1 == steps || state.seconds() - saved >= setting.checkpointSeconds) {
                    TrainingState.write(file, weights, optimizer, state);
                    saved = state.seconds();
                }
                listener.at(step + 1, steps, loss, tokensPerStep() / seconds);
            }
            trainable.settle(workers);
            return new Result(state.seconds(), first, loss);
        }
    }

    private double tokensPerStep() {
        return (double) setting.batch * windows.getFirst().length;
    }

    private double step(long step, AdamW optimizer, TrainingLog log, double before) {
        trainable.prepare(step, workers);
        double loss;
        try {
            loss = Arrays.stream(pass.run(batch(step), trainable)).average().orElseThrow();
        } catch (NonFiniteLossException e) {
            throw new NonFiniteLossException("step %,d".formatted(step + 1), e);
        }
        double rate = setting.schedule.rate(step);
        double norm = norm() * setting.together / setting.batch;
        if (!Double.isFinite(norm)) {
            throw new NonFiniteLossException(
                    "the gradients of step %,d are not finite".formatted(step + 1));
        }
        double clip = setting.clip == 0 || norm <= setting.clip ? 1 : setting.clip / norm;
        double scale = clip * setting.together / setting.batch;
        optimizer.step(trainable.gradients(), scale, rate, step + 1, workers);
        var line = new LinkedHashMap<String, Object>();
        line.put("step", step + 1);
        line.put("tokens", Math.round((step + 1) * tokensPerStep()));
        line.put("loss", loss);
        line.put("rate", rate);
        line.put("gradient_norm", norm);
        line.put("seconds_before", before);
        log.add(line);
        return loss;
    }

    /// The Euclidean norm of all gradients together.
    private double norm() {
        var gradients = trainable.gradients();
        double[] squares = new double[gradients.size()];
        workers.forEach(
                squares.length, (_, i) -> squares[i] = gradients.get(i).square().sum().item());
        return Math.sqrt(Arrays.stream(squares).sum());
    }

    /// The windows of a step: all windows once, in random order, before any comes again.
    private List<int[][]> batch(long step) {
        var batch = new ArrayList<int[][]>();
        for (int i = 0; i < setting.batch; i += setting.together) {
            long first = step * setting.batch + i;
            int[][] sample = new int[setting.together][];
            Arrays.setAll(sample, k -> window(first + k));
            batch.add(sample);
        }
        return batch;
    }

    private int[] window(long position) {
        int[] order = order(position / windows.size());
        return windows.get(order[(int) (position % windows.size())]);
    }

    private int[] order(long epoch) {
        var random = new Random(setting.seed * 1_000_003 + epoch);
        int[] order = new int[windows.size()];
        for (int i = 0; i < order.length; i++) {
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        return order;
    }
}
