package dev.pollard.recipe;

import dev.pollard.config.Checkpoint;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.recover.LowRankAdapters;
import dev.pollard.train.GradientPass.Activations;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// What a recovery will need, worked out before it begins.
///
/// @param layers matrices to train, in the order of the model
/// @param length tokens of a window
/// @param together windows of the batch that a worker computes as one: another number, other last
///     bits
/// @param trained numbers that the optimiser moves
/// @param memoryBytes at the peak
/// @param activations what becomes of them between the way there and the way back
public record RecoveryPlan(
        List<Entry> layers,
        int length,
        int together,
        long trained,
        long memoryBytes,
        Activations activations) {
    private static final int DEFAULT_LENGTH = 512;

    private static final int TOKENS_TOGETHER = 1024;

    /// Bytes of a trained number: gradient, mean and square.
    private static final long OPTIMISER_BYTES = 12;

    /// @throws IllegalArgumentException if nothing is to be trained, a window is longer than the
    ///     context, or a rank larger than a layer
    /// @throws WillNotFitException if it takes more memory than the recipe allows
    static RecoveryPlan of(Checkpoint checkpoint, RecoveryRecipe recipe) {
        int context = checkpoint.config().contextLength();
        var asked = recipe.data().length();
        int length =
                asked.isPresent()
                        ? EvaluationRun.length("--length", asked, context)
                        : Math.min(DEFAULT_LENGTH, context);
        var layers = checkpoint.prunable().stream().filter(e -> recipe.covers(e.module())).toList();
        if (layers.isEmpty()) {
            throw new IllegalArgumentException(
                    "--include/--exclude leave no layer to train; the first of the model is "
                            + checkpoint.prunable().getFirst().module());
        }
        for (var layer : layers) {
            recipe.adapters()
                    .ifPresent(a -> a.requireFits(layer.module(), rows(layer), columns(layer)));
        }
        long weights = layers.stream().mapToLong(l -> rows(l) * columns(l)).sum();
        long trained = recipe.adapters().map(adapters -> trained(adapters, layers)).orElse(weights);
        long limit = recipe.resources().memoryBytes();
        long held =
                Plan.BASE
                        + checkpoint.bytes() / 2
                        + OPTIMISER_BYTES * trained
                        + (recipe.adapters().isPresent() ? 4 * weights : 0) // W beside W_eff
                        + (recipe.keepZeros() ? weights / 8 : 0);
        var course = recipe.course();
        int[] choices =
                course.together().isPresent()
                        ? new int[] {course.together().getAsInt()}
                        : together(course.batch(), length, recipe.resources().threads());
        long bytes = 0;
        for (var activations : recipe.resources().activations()) {
            for (int together : choices) {
                bytes =
                        held
                                + gradientPassBytes(
                                        checkpoint, recipe, layers, together, length, activations);
                if (bytes <= limit) {
                    return new RecoveryPlan(layers, length, together, trained, bytes, activations);
                }
            }
        }
        throw new WillNotFitException(
                "training needs about %,d MB of memory, --memory allows %,d MB: try fewer --threads, a shorter --length%s%s"
                        .formatted(
                                bytes >> 20,
                                limit >> 20,
                                choices[0] > 1 && choices.length == 1
                                        ? ", a smaller --together"
                                        : "",
                                recipe.adapters().isPresent() ? "" : ", or --method lora"));
    }

    /// How many windows may go together, most first: they go evenly into the batch, are not above
    /// [#TOKENS_TOGETHER] tokens, and make no worker compute more windows one after another than if
    /// each went by itself. The more, the better: the gradient of a matrix is made once for all.
    static int[] together(int batch, int length, int threads) {
        int most = Math.max(1, Math.min(batch, TOKENS_TOGETHER / length));
        return IntStream.iterate(most, count -> count >= 1, count -> count - 1)
                .filter(count -> batch % count == 0)
                .filter(
                        count ->
                                count * Math.ceilDiv(batch / count, threads)
                                        <= Math.ceilDiv(batch, threads))
                .toArray();
    }

    private static long gradientPassBytes(
            Checkpoint checkpoint,
            RecoveryRecipe recipe,
            List<Entry> layers,
            int together,
            int length,
            Activations activations) {
        long largestBlock =
                layers.stream()
                        .collect(
                                Collectors.groupingBy(
                                        Entry::block,
                                        Collectors.summingLong(l -> rows(l) * columns(l))))
                        .values()
                        .stream()
                        .max(Comparator.naturalOrder())
                        .orElseThrow();
        long tallest =
                checkpoint.prunable().stream().mapToLong(RecoveryPlan::rows).max().orElseThrow();
        return Plan.gradientPassBytes(
                checkpoint,
                together,
                length,
                tallest,
                largestBlock,
                recipe.resources().threads(),
                activations);
    }

    private static long trained(LowRankAdapters.Setting adapters, List<Entry> layers) {
        return layers.stream().mapToLong(l -> adapters.rank() * (rows(l) + columns(l))).sum();
    }

    private static long rows(Entry layer) {
        return layer.weight().shape().size(0);
    }

    private static long columns(Entry layer) {
        return layer.weight().shape().size(1);
    }

    /// Bytes of the checkpoint of an unfinished recovery, and of the one that replaces it.
    long workBytes() {
        return 2 * OPTIMISER_BYTES * trained;
    }
}
