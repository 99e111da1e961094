package dev.pollard.train;

import dev.pollard.model.Compute;
import dev.pollard.model.Parameters;
import dev.pollard.model.Rows;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalDouble;
import java.util.SequencedMap;

/// The loss on held-out documents, always on the same windows: the first of every source, without
/// overlap, in float32.
final class HeldOutLoss {
    private final List<String> names;
    private final List<List<int[]>> windows = new ArrayList<>();

    /// What was found.
    ///
    /// @param mean over all windows, in nats a token; empty if there is no window
    /// @param windows how many there are
    /// @param bySource means by the name of the file; sources without a window are left out
    record Measured(OptionalDouble mean, int windows, SequencedMap<String, Double> bySource) {}

    /// @param sources held-out ids of every source of the recipe
    HeldOutLoss(TrainingRecipe recipe, List<int[]> sources) {
        this.names =
                recipe.data().stream().map(source -> source.file().getFileName() + "").toList();
        for (int[] ids : sources) {
            int count = Math.min(recipe.evaluateWindows(), ids.length / recipe.context());
            var cut = new ArrayList<int[]>();
            for (int i = 0; i < count; i++) {
                int from = i * recipe.context();
                cut.add(Arrays.copyOfRange(ids, from, from + recipe.context()));
            }
            windows.add(cut);
        }
    }

    Measured measure(Parameters parameters, Workers workers) {
        var all = windows.stream().flatMap(List::stream).toList();
        double[] losses = new double[all.size()];
        workers.forEach(losses.length, (_, i) -> losses[i] = loss(parameters, all.get(i)));
        var bySource = new LinkedHashMap<String, Double>();
        int from = 0;
        for (int i = 0; i < windows.size(); i++) {
            int to = from + windows.get(i).size();
            if (to > from) {
                bySource.put(
                        unused(names.get(i), bySource),
                        Arrays.stream(losses, from, to).average().orElseThrow());
            }
            from = to;
        }
        return new Measured(Arrays.stream(losses).average(), losses.length, bySource);
    }

    /// A file may be a source twice, with different templates.
    private static String unused(String name, SequencedMap<String, Double> names) {
        String unused = name;
        for (int i = 2; names.containsKey(unused); i++) {
            unused = "%s (%d)".formatted(name, i);
        }
        return unused;
    }

    private static double loss(Parameters parameters, int[] window) {
        var decoder = parameters.decoder();
        int[] next = Arrays.copyOfRange(window, 1, window.length + 1);
        next[next.length - 1] = Tensor.NO_ID;
        var rows = Rows.sequence(window.length);
        try (var _ = Engine.unrecorded();
                var _ = Scope.open()) {
            Tensor x = decoder.embed(window, rows);
            for (int block = 0; block < decoder.config().blocks(); block++) {
                x = decoder.block(block, Compute.FLOAT32).forward(x, rows, Tap.NONE);
            }
            return decoder.logits(x).crossEntropy(Tensor.ofIds(next)).item();
        }
    }
}
