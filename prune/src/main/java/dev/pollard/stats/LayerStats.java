package dev.pollard.stats;

import java.util.Optional;

/// What was gathered of one layer's inputs.
///
/// @param tokens how many input rows were seen
/// @param inputMeanSquare `[in]`, if asked for or if there is a Gram
/// @param inputGram if asked for
/// @param crossGram `X_denseᵀ X / tokens`, `[in, in]`, not symmetric, if asked for
public record LayerStats(
        long tokens,
        Optional<float[]> inputMeanSquare,
        Optional<Gram> inputGram,
        Optional<Gram> crossGram) {
    /// Nothing was asked for.
    public static final LayerStats NONE =
            new LayerStats(0, Optional.empty(), Optional.empty(), Optional.empty());

    public static LayerStats of(Gram gram) {
        return new LayerStats(
                gram.tokens(), Optional.of(gram.diagonal()), Optional.of(gram), Optional.empty());
    }

    public static LayerStats of(float[] meanSquare, long tokens) {
        return new LayerStats(tokens, Optional.of(meanSquare), Optional.empty(), Optional.empty());
    }

    /// Mean square of every input channel, `[in]`.
    ///
    /// @throws IllegalStateException if it was not gathered
    public float[] meanSquare() {
        return inputMeanSquare.orElseThrow(() -> missing(Statistic.INPUT_MEAN_SQUARE));
    }

    /// @throws IllegalStateException if it was not gathered
    public Gram gram() {
        return inputGram.orElseThrow(() -> missing(Statistic.GRAM));
    }

    /// The same with a cross Gram.
    public LayerStats withCross(Gram cross) {
        return new LayerStats(tokens, inputMeanSquare, inputGram, Optional.of(cross));
    }

    /// @throws IllegalStateException if it was not gathered
    public Gram cross() {
        return crossGram.orElseThrow(() -> missing(Statistic.CROSS_GRAM));
    }

    private static IllegalStateException missing(Statistic statistic) {
        return new IllegalStateException(statistic + " was not gathered: the method did not ask");
    }
}
