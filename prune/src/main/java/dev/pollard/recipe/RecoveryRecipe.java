package dev.pollard.recipe;

import dev.pollard.recover.LowRankAdapters;
import dev.pollard.train.Schedule;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/// Everything a recovery was asked to do.
///
/// @param model folder or file of the pruned model
/// @param adapters what is trained beside the matrices; empty if they are trained themselves
/// @param keepZeros whether what is 0 in the matrices stays 0
/// @param include the layers to train, by their names; all linear layers of the blocks if empty
/// @param exclude layers that are not trained
/// @param seed of all that is drawn
/// @param evaluation what is measured, before against after
public record RecoveryRecipe(
        Path model,
        Optional<LowRankAdapters.Setting> adapters,
        boolean keepZeros,
        Optional<Pattern> include,
        Optional<Pattern> exclude,
        Data data,
        Course course,
        long seed,
        Recipe.Evaluation evaluation,
        Recipe.Resources resources,
        Recipe.Output output) {

    /// @param sources as the user wrote them: `FILE[:field]`
    /// @param samples number of windows, an eighth of which is held out
    /// @param length tokens of each; `min(512, context)` if empty
    public record Data(List<String> sources, int samples, OptionalInt length) {
        /// @throws IllegalArgumentException if there is nothing to train on
        public Data {
            sources = List.copyOf(sources);
            if (sources.isEmpty()) {
                throw new IllegalArgumentException("nothing to train on: give --data FILE[:field]");
            }
            if (samples < 2) {
                throw new IllegalArgumentException(
                        "--samples %d: at least 2, for an eighth is held out".formatted(samples));
            }
            if (length.isPresent() && length.getAsInt() < 2) {
                throw new IllegalArgumentException(
                        "--length must be at least 2: " + length.getAsInt());
            }
        }
    }

    /// @param steps if given, whatever the epochs
    /// @param epochs how often every window is trained on
    /// @param batch windows per step
    /// @param together windows of a step that a worker computes as one; as the threads and the
    ///     memory would have it if empty
    /// @param shape how the learning rate falls
    /// @param rate the highest learning rate
    /// @param warmUp steps until it is reached; a tenth of all, at most 100, if empty
    /// @param clip gradients are scaled down to this norm; 0: never
    public record Course(
            OptionalLong steps,
            double epochs,
            int batch,
            OptionalInt together,
            Schedule.Shape shape,
            double rate,
            OptionalLong warmUp,
            double clip) {
        private static final long LONGEST_WARM_UP = 100;

        /// @throws IllegalArgumentException if a number makes no sense
        public Course {
            if (steps.isPresent() && steps.getAsLong() < 1) {
                throw new IllegalArgumentException(
                        "--steps must be positive: " + steps.getAsLong());
            }
            if (!(epochs > 0) || !Double.isFinite(epochs)) {
                throw new IllegalArgumentException("--epochs must be positive: " + epochs);
            }
            if (batch < 1) {
                throw new IllegalArgumentException("--batch must be positive: " + batch);
            }
            if (together.isPresent()
                    && (together.getAsInt() < 1 || batch % together.getAsInt() != 0)) {
                throw new IllegalArgumentException(
                        "--together %d does not divide --batch %d"
                                .formatted(together.getAsInt(), batch));
            }
        }

        /// The learning rate of every step.
        ///
        /// @param windows that are trained on
        Schedule schedule(int windows) {
            long all = steps.orElse(Math.max(1, (long) Math.ceil(epochs * windows / batch - 1e-9)));
            long warm = warmUp.orElse(Math.min(LONGEST_WARM_UP, all / 10));
            return new Schedule(shape, rate, warm, all, 0, 0);
        }
    }

    /// Whether the module of this name is to be trained.
    boolean covers(String layer) {
        return include.map(p -> p.matcher(layer).find()).orElse(true)
                && !exclude.map(p -> p.matcher(layer).find()).orElse(false);
    }

    /// `lora` or `full`.
    public String method() {
        return adapters.isPresent() ? "lora" : "full";
    }
}
