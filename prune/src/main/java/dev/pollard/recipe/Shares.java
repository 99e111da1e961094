package dev.pollard.recipe;

import dev.pollard.prune.Allocation;
import dev.pollard.prune.Allotment;
import dev.pollard.prune.OutlierSurvey;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.Timings;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.function.Function;

/// The asked sparsity as the layers share it.
///
/// @param sparsities by layer
/// @param notes what is to be told of it
/// @param timings of deciding it
record Shares(Function<String, Sparsity> sparsities, List<String> notes, Timings timings) {
    private static final double UNEVEN = 0.0005; // what is worth telling of a total sparsity

    /// Every layer gives as much.
    static Shares evenly(Sparsity sparsity) {
        return new Shares(_ -> sparsity, List.of(), new Timings(0, 0, 0, 0, 0, 0));
    }

    /// What each layer gives: as an interrupted run decided, or decided now and kept.
    ///
    /// @param asked fraction of all layers
    static Shares byOutliers(
            Allocation.Owl owl,
            double asked,
            OutlierSurvey survey,
            int[][] ids,
            List<Plan.Layer> layers,
            WorkFolder store)
            throws IOException {
        if (store.allotment().isEmpty()) {
            store.commit(Allotment.byOutliers(survey.run(ids), owl.lambda(), asked));
        }
        var allotment = store.allotment().orElseThrow();
        var blocks = new HashMap<Integer, Sparsity>();
        allotment
                .shares()
                .forEach(
                        share ->
                                blocks.put(
                                        share.block(), new Sparsity.Unstructured(share.ratio())));
        var byLayer = new HashMap<String, Sparsity>();
        double removed = 0;
        double weights = 0;
        for (var layer : layers) {
            var sparsity = blocks.get(layer.block());
            byLayer.put(layer.name(), sparsity);
            double size = (double) layer.rows() * layer.columns();
            removed += size * sparsity.fraction();
            weights += size;
        }
        var notes = new ArrayList<>(allotment.notes());
        if (Math.abs(removed / weights - asked) > UNEVEN) {
            notes.add(
                    "owl counts every block once, and these are of different sizes: %.4f of the weights is removed, not %s"
                            .formatted(removed / weights, asked));
        }
        return new Shares(byLayer::get, notes, survey.timings());
    }
}
