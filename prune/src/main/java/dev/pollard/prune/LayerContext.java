package dev.pollard.prune;

import dev.pollard.model.Compute;
import dev.pollard.stats.LayerStats;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// All that a method may know of the layer it prunes.
///
/// @param name the checkpoint's name of the module
/// @param weight as it is now, `[out, in]` float32; never changed
/// @param target the weights whose outputs a fit aims at, `[out, in]` float32: as they were loaded,
///     or, in a sweep from [Sweep.Start#TUNED], as tuning left them
/// @param earlier what the steps before made of it, oldest first; `weight` is the last of them
/// @param findings what earlier passes found out about its weights
/// @param stats what was gathered of its inputs
/// @param seed for methods that draw
/// @param compute dtype of products whose rounding the next step undoes; all others are float32
public record LayerContext(
        String name,
        Tensor weight,
        Tensor target,
        List<Tensor> earlier,
        Findings findings,
        LayerStats stats,
        long seed,
        Compute compute) {
    public LayerContext {
        earlier = List.copyOf(earlier);
    }

    /// A layer at the method's first step.
    public LayerContext(String name, Tensor weight, Tensor target, LayerStats stats, long seed) {
        this(name, weight, target, List.of(), Findings.NONE, stats, seed, Compute.FLOAT32);
    }

    /// The same layer as other tokens show it.
    public LayerContext withStats(LayerStats other) {
        return new LayerContext(name, weight, target, earlier, findings, other, seed, compute);
    }

    /// The same layer with another weight to start from.
    public LayerContext withWeight(Tensor other) {
        return new LayerContext(name, other, target, earlier, findings, stats, seed, compute);
    }

    /// The same layer, about which more is known.
    public LayerContext withFindings(Findings other) {
        return new LayerContext(name, weight, target, earlier, other, stats, seed, compute);
    }
}
