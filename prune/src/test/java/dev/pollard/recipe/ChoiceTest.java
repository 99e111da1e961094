package dev.pollard.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.pollard.data.Calibration;
import dev.pollard.data.Sampling;
import dev.pollard.data.Source;
import dev.pollard.data.TokenWindows;
import dev.pollard.eval.Perplexity;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.TinyLlama;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.LayerContext;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.LayerResult;
import dev.pollard.prune.Sparsity;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.Texts;
import dev.pollard.prune.method.Magnitude;
import dev.pollard.stats.Statistic;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChoiceTest {
    private static final Sparsity HALF = new Sparsity.Unstructured(0.5);

    @TempDir private Path folder;

    /// Prunes the dense weights by magnitude and multiplies what is left.
    private record Times(double factor) implements LayerPruner {
        @Override
        public Set<Statistic> needs() {
            return Set.of();
        }

        @Override
        public LayerResult prune(LayerContext layer, Sparsity sparsity) {
            var result = new Magnitude().prune(layer.withWeight(layer.target()), sparsity);
            return new LayerResult(result.weight().mul(factor), result.mask(), List.of());
        }
    }

    private Choice choice(double... factors) throws IOException {
        Path path = new TinyLlama(2).write(folder.resolve("model"));
        Path ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(9, 20, 64, 1));
        var steps = java.util.Arrays.stream(factors).mapToObj(Times::new).toList();
        var settings =
                new Driver.Settings(
                        Inputs.PRUNED, _ -> true, Compute.FLOAT32, 0, 1L << 40, Optional.empty());
        Path work = folder.resolve("work" + List.of(steps).hashCode());
        try (var model = Model.open(path);
                var workers = new Workers(2);
                var store = WorkFolder.open(work, new LinkedHashMap<>(), true, false)) {
            TokenWindows windows =
                    new Calibration(
                                    List.of(Source.parse(ids.toString())),
                                    9,
                                    20,
                                    Sampling.CONSECUTIVE,
                                    0)
                            .read(model.tokenizer(), model.config().vocabularySize());
            new Driver(
                            model,
                            () ->
                                    steps.stream()
                                            .map(Sweep::new)
                                            .map(s -> (dev.pollard.prune.Pass) s)
                                            .toList(),
                            _ -> HALF,
                            settings,
                            (_, weight) -> weight,
                            workers,
                            store,
                            _ -> {})
                    .run(new Texts(new int[0][]));
            return Choice.of(
                    model.decoder(),
                    store,
                    List.of(0, steps.size() - 1),
                    windows.heldOut(),
                    new Perplexity(Compute.FLOAT32, workers),
                    _ -> Perplexity.Progress.NONE);
        }
    }

    @Test
    void theLesserLossWinsWhereverItIs() throws IOException {
        var one = choice(1, 0.1, 5);
        var other = choice(5, 0.1, 1);
        assertEquals(List.of(0, 2), List.copyOf(one.losses().keySet()));
        assertEquals(one.losses().get(0), other.losses().get(2));
        assertEquals(one.losses().get(2), other.losses().get(0));
        assertNotEquals(one.losses().get(0), one.losses().get(2));
        assertEquals(one.losses().get(0) < one.losses().get(2) ? 0 : 2, one.pass());
        assertEquals(2 - one.pass(), other.pass());
    }

    @Test
    void ofEqualsTheEarliestStays() throws IOException {
        assertEquals(0, choice(1, 5, 1).pass());
    }

    @Test
    void aModelThatComputesNoNumberLoses() throws IOException {
        var choice = choice(1, 1e30);
        assertEquals(0, choice.pass());
        assertEquals(Double.POSITIVE_INFINITY, choice.losses().get(1));
    }
}
