package dev.pollard.stats;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// What was gathered of one layer's inputs.
///
/// @param tokens how many input rows were seen
/// @param inputMeanSquare `[in]`, if asked for or if there is a Gram
/// @param inputGram if asked for
/// @param crossGram `X_denseᵀ X / tokens`, `[in, in]`, not symmetric, if asked for
/// @param denseGram `X_denseᵀ X_dense / tokens`, `[in, in]`, if asked for
/// @param inputs X, `[tokens, in]` float32 in the order of the sequences, if asked for; in
///     statistics with a split, those of the part to fit to have them
/// @param denseInputs X_dense, likewise
/// @param split the same of two parts of the tokens, if asked for and if there are sequences enough
public record LayerStats(
        long tokens,
        Optional<float[]> inputMeanSquare,
        Optional<Gram> inputGram,
        Optional<Gram> crossGram,
        Optional<Gram> denseGram,
        Optional<Tensor> inputs,
        Optional<Tensor> denseInputs,
        Optional<Split> split) {
    /// Nothing was asked for.
    public static final LayerStats NONE =
            new LayerStats(
                    0,
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.empty());

    /// The tokens in two parts: what is fitted to the one can be judged by the other.
    ///
    /// @param fit most of them
    /// @param heldOut every eighth sequence
    public record Split(LayerStats fit, LayerStats heldOut) {}

    public static LayerStats of(Gram gram) {
        return new LayerStats(
                gram.tokens(),
                Optional.of(gram.diagonal()),
                Optional.of(gram),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    public static LayerStats of(float[] meanSquare, long tokens) {
        return new LayerStats(
                tokens,
                Optional.of(meanSquare),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
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

    /// @throws IllegalStateException if it was not gathered
    public Gram cross() {
        return crossGram.orElseThrow(() -> missing(Statistic.CROSS_GRAM));
    }

    /// The Gram of the dense model's inputs.
    ///
    /// @throws IllegalStateException if it was not gathered
    public Gram dense() {
        return denseGram.orElseThrow(() -> missing(Statistic.DENSE_GRAM));
    }

    /// X, `[tokens, in]`. Not to be changed.
    ///
    /// @throws IllegalStateException if it was not kept
    public Tensor keptInputs() {
        return inputs.orElseThrow(() -> missing(Statistic.INPUTS));
    }

    /// X_dense, `[tokens, in]`, row for row the same tokens. Not to be changed.
    ///
    /// @throws IllegalStateException if it was not kept
    public Tensor keptDenseInputs() {
        return denseInputs.orElseThrow(() -> missing(Statistic.DENSE_INPUTS));
    }

    /// The statistics of the tokens that a method may fit to: all, unless some are held out.
    public LayerStats fit() {
        return split.map(Split::fit).orElse(this);
    }

    /// The same with a cross Gram.
    LayerStats withCross(Gram cross) {
        return new LayerStats(
                tokens,
                inputMeanSquare,
                inputGram,
                Optional.of(cross),
                denseGram,
                inputs,
                denseInputs,
                split);
    }

    /// The same with a Gram of the dense model's inputs.
    LayerStats withDense(Gram dense) {
        return new LayerStats(
                tokens,
                inputMeanSquare,
                inputGram,
                crossGram,
                Optional.of(dense),
                inputs,
                denseInputs,
                split);
    }

    /// The same with the inputs themselves.
    public LayerStats withInputs(Optional<Tensor> inputs, Optional<Tensor> denseInputs) {
        return new LayerStats(
                tokens,
                inputMeanSquare,
                inputGram,
                crossGram,
                denseGram,
                inputs,
                denseInputs,
                split);
    }

    /// Puts two parts together, layer by layer. Layers that share a Gram in both share the new one.
    ///
    /// @return statistics of all tokens, which hold their parts
    public static Map<String, LayerStats> joined(
            Map<String, LayerStats> fit, Map<String, LayerStats> heldOut) {
        var grams = new IdentityHashMap<Gram, Gram>();
        var meanSquares = new HashMap<float[], float[]>(); // arrays are themselves only
        var joined = new LinkedHashMap<String, LayerStats>();
        fit.forEach(
                (layer, a) -> {
                    var b = heldOut.get(layer);
                    var gram = a.inputGram.map(g -> joined(grams, g, b.gram()));
                    var meanSquare =
                            gram.map(Gram::diagonal)
                                    .or(
                                            () ->
                                                    a.inputMeanSquare.map(
                                                            s ->
                                                                    meanSquares.computeIfAbsent(
                                                                            s, _ -> joined(a, b))));
                    joined.put(
                            layer,
                            new LayerStats(
                                    a.tokens + b.tokens,
                                    meanSquare,
                                    gram,
                                    a.crossGram.map(g -> joined(grams, g, b.cross())),
                                    a.denseGram.map(g -> joined(grams, g, b.dense())),
                                    Optional.empty(),
                                    Optional.empty(),
                                    Optional.of(new Split(a, b))));
                });
        return joined;
    }

    private static Gram joined(Map<Gram, Gram> known, Gram a, Gram b) {
        return known.computeIfAbsent(
                a,
                _ -> {
                    long tokens = a.tokens() + b.tokens();
                    try (var scope = Scope.open()) {
                        Tensor sum = a.matrix().mul((double) a.tokens() / tokens);
                        sum.add_(b.matrix(), (double) b.tokens() / tokens);
                        return new Gram(scope.keep(sum), tokens);
                    }
                });
    }

    private static float[] joined(LayerStats a, LayerStats b) {
        float[] mean = a.meanSquare().clone();
        double share = (double) b.tokens / (a.tokens + b.tokens);
        for (int j = 0; j < mean.length; j++) {
            mean[j] = (float) ((1 - share) * mean[j] + share * b.meanSquare()[j]);
        }
        return mean;
    }

    /// Frees the Grams and the inputs in `stats`, those of their parts included; each once,
    /// however many layers share it.
    public static void close(Collection<LayerStats> stats) {
        var seen = Collections.<Object>newSetFromMap(new IdentityHashMap<>());
        stats.stream()
                .flatMap(LayerStats::withParts)
                .forEach(
                        part -> {
                            Stream.of(part.inputGram, part.crossGram, part.denseGram)
                                    .flatMap(Optional::stream)
                                    .filter(seen::add)
                                    .forEach(Gram::close);
                            Stream.of(part.inputs, part.denseInputs)
                                    .flatMap(Optional::stream)
                                    .filter(seen::add)
                                    .forEach(Tensor::close);
                        });
    }

    private Stream<LayerStats> withParts() {
        return Stream.concat(
                Stream.of(this), split.stream().flatMap(s -> Stream.of(s.fit, s.heldOut)));
    }

    private static IllegalStateException missing(Statistic statistic) {
        return new IllegalStateException(statistic + " was not gathered: the method did not ask");
    }
}
