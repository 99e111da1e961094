package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.Tap;
import dev.pollard.model.TinyLlama;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutlierSurveyTest {
    private static final int[][] IDS = TinyLlama.ids(5, 20, TinyLlama.VOCABULARY, 3);
    private static final double M = 2.5; // random weights have no outliers of five times the mean

    @TempDir private Path folder;
    private Path model;

    @BeforeEach
    void writeModel() throws IOException {
        model = new TinyLlama(3).write(folder.resolve("model"));
    }

    private SequencedMap<Integer, Double> survey(
            Predicate<String> layers, int workers, Optional<Path> spill, List<RunEvent> events)
            throws IOException {
        var settings =
                new Driver.Settings(Inputs.PRUNED, layers, Compute.FLOAT32, 0, 1L << 40, spill);
        try (var opened = Model.open(model);
                var crew = new Workers(workers)) {
            return new OutlierSurvey(
                            opened, new Allocation.Owl(0.08, M), settings, crew, events::add)
                    .run(IDS);
        }
    }

    /// The percentages in double loops, with sums over the tokens of all sequences.
    private Map<Integer, Double> naive(Predicate<String> layers) throws IOException {
        var outliers = new TreeMap<Integer, Double>();
        try (var opened = Model.open(model);
                var _ = Scope.open()) {
            var decoder = opened.decoder();
            var streams = new ArrayList<Tensor>();
            Arrays.stream(IDS).forEach(ids -> streams.add(decoder.embed(ids)));
            for (int b = 0; b < opened.config().blocks(); b++) {
                var block = decoder.block(b, Compute.FLOAT32);
                var squares = new LinkedHashMap<String, double[]>();
                for (Tensor x : streams) {
                    block.forward(
                            x,
                            (layer, input) -> {
                                int columns = (int) layer.columns();
                                double[] sums =
                                        squares.computeIfAbsent(
                                                layer.name(), _ -> new double[columns]);
                                float[] values = input.toFloats();
                                for (int i = 0; i < values.length; i++) {
                                    sums[i % columns] += (double) values[i] * values[i];
                                }
                                return true;
                            });
                }
                var scores = new ArrayList<Double>();
                for (var layer : block.linears()) {
                    if (layers.test(layer.name())) {
                        float[] w = layer.weight().toFloats();
                        double[] sums = squares.get(layer.name());
                        for (int i = 0; i < w.length; i++) {
                            scores.add(Math.abs(w[i]) * Math.sqrt(sums[i % sums.length]));
                        }
                    }
                }
                double mean = scores.stream().mapToDouble(s -> s).average().orElse(0);
                double count = scores.stream().filter(s -> s > M * mean).count();
                if (!scores.isEmpty()) {
                    outliers.put(b, 100 * count / scores.size());
                }
                streams.replaceAll(x -> block.forward(x, Tap.NONE));
            }
        }
        return outliers;
    }

    private static void assertClose(Map<Integer, Double> expected, Map<Integer, Double> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        // One score on the other side of the threshold by rounding is allowed.
        expected.forEach((block, share) -> assertEquals(share, actual.get(block), 0.1));
    }

    @Test
    void countsWhatDoubleLoopsCount() throws IOException {
        var expected = naive(_ -> true);
        assertTrue(new HashSet<>(expected.values()).size() == 3, expected.toString());
        assertTrue(expected.values().stream().allMatch(share -> share > 0.5), expected.toString());
        assertClose(expected, survey(_ -> true, 2, Optional.empty(), new ArrayList<>()));
    }

    @Test
    void seesOnlyTheLayersToPruneAndNoBlockBehindThem() throws IOException {
        Predicate<String> layers = name -> name.contains("layers.1.") && name.contains("mlp");
        var events = new ArrayList<RunEvent>();
        var found = survey(layers, 2, Optional.empty(), events);
        assertClose(naive(layers), found);
        assertEquals(
                List.of(
                        new RunEvent.SurveyStarted(2),
                        new RunEvent.BlockSurveyed(0, 2, Double.NaN),
                        new RunEvent.BlockSurveyed(1, 2, found.get(1))),
                events);
    }

    @Test
    void isTheSameEveryTimeAndWithActivationsInAFile() throws IOException {
        var first = survey(_ -> true, 2, Optional.empty(), new ArrayList<>());
        assertEquals(first, survey(_ -> true, 2, Optional.empty(), new ArrayList<>()));
        assertEquals(first, survey(_ -> true, 2, Optional.of(folder), new ArrayList<>()));
    }
}
