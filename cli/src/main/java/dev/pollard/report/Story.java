package dev.pollard.report;

import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.recipe.RunRecord.StepFacts;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.stream.Stream;

/// A method of several steps, step by step over all layers.
///
/// @param chapters in the order of the steps
record Story(List<Chapter> chapters, List<LayerFacts> layers) {
    /// One step, all layers taken together.
    ///
    /// @param error mean relative error of the layers; those that are not finite left out
    /// @param heldOut mean on tokens that the step did not see; empty if no layer has it
    /// @param sparsity share of zeros in the layers
    /// @param moved weights that the mask keeps now and did not before; empty if no layer says
    /// @param kept weights that are kept in the layers that say what moved
    record Chapter(
            String step,
            double error,
            OptionalDouble heldOut,
            double sparsity,
            OptionalLong moved,
            long kept,
            double seconds) {}

    static Story of(List<LayerFacts> layers) {
        var names = new LinkedHashSet<String>();
        layers.forEach(layer -> layer.steps().forEach(step -> names.add(step.step())));
        var chapters = new ArrayList<Chapter>();
        for (String name : names) {
            chapters.add(chapter(name, layers));
        }
        return new Story(chapters, layers);
    }

    private static Chapter chapter(String name, List<LayerFacts> layers) {
        long weights = 0;
        double zeros = 0;
        long moved = 0;
        boolean anyMoved = false;
        double kept = 0;
        double seconds = 0;
        for (var layer : layers) {
            var step = step(layer, name);
            if (step.isEmpty()) {
                continue;
            }
            long size = layer.rows() * layer.columns();
            weights += size;
            zeros += size * step.get().sparsity();
            seconds += step.get().seconds();
            if (step.get().maskMoved() != null) {
                anyMoved = true;
                moved += step.get().maskMoved();
                kept += size * (1 - step.get().sparsity());
            }
        }
        return new Chapter(
                name,
                steps(layers, name)
                        .mapToDouble(StepFacts::relativeError)
                        .filter(Double::isFinite)
                        .average()
                        .orElse(Double.NaN),
                steps(layers, name)
                        .map(StepFacts::heldOutError)
                        .filter(Objects::nonNull)
                        .mapToDouble(error -> error)
                        .filter(Double::isFinite)
                        .average(),
                weights == 0 ? 0 : zeros / weights,
                anyMoved ? OptionalLong.of(moved) : OptionalLong.empty(),
                Math.round(kept),
                seconds);
    }

    private static Stream<StepFacts> steps(List<LayerFacts> layers, String name) {
        return layers.stream().flatMap(layer -> step(layer, name).stream());
    }

    /// A layer's step of that name.
    static Optional<StepFacts> step(LayerFacts layer, String name) {
        return layer.steps().stream().filter(step -> step.step().equals(name)).findFirst();
    }

    /// Share of a layer's kept weights that its last sparse step keeps and its first did not.
    static OptionalDouble moved(LayerFacts layer) {
        return layer.steps().reversed().stream()
                .filter(step -> step.maskMoved() != null)
                .mapToDouble(
                        step ->
                                step.maskMoved()
                                        / (layer.rows() * layer.columns() * (1 - step.sparsity())))
                .findFirst();
    }
}
