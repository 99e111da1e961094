package dev.pollard.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every family against golden values of transformers (see the README beside the fixtures).
@Tag("shared")
class GoldenModelTest {
    private static final int ROWS = 2;

    @TempDir Path temporary;

    static List<String> models() throws IOException {
        return having("golden.safetensors");
    }

    static List<String> modelsWithLegacyConfig() throws IOException {
        return having("config.legacy.json");
    }

    static List<String> modelsWithInputs() throws IOException {
        return having("golden-inputs.safetensors");
    }

    private static List<String> having(String file) throws IOException {
        try (Stream<Path> folders = Files.list(Shared.MODELS)) {
            return folders.filter(folder -> Files.exists(folder.resolve(file)))
                    .map(folder -> folder.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void equalsTheReferenceAtEveryBlock(String name) throws IOException {
        Path folder = Shared.MODELS.resolve(name);
        checkForward(folder, Shared.golden(folder.resolve("golden.safetensors")));
    }

    @ParameterizedTest
    @MethodSource("modelsWithLegacyConfig")
    void equalsTheReferenceWithAConfigurationOfTheOlderSpelling(String name) throws IOException {
        Path folder = Shared.MODELS.resolve(name);
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file :
                    files.filter(f -> f.getFileName().toString().startsWith("model")).toList()) {
                Files.copy(file, temporary.resolve(file.getFileName()));
            }
        }
        Files.copy(folder.resolve("config.legacy.json"), temporary.resolve("config.json"));
        checkForward(temporary, Shared.golden(folder.resolve("golden.safetensors")));
    }

    private static void checkForward(Path folder, Map<String, float[]> golden) throws IOException {
        try (var model = Model.open(folder)) {
            double loss = 0;
            for (int row = 0; row < ROWS; row++) {
                try (var _ = Scope.open()) {
                    int[] ids = Shared.ids(golden.get("input_ids"), ROWS, row);
                    var decoder = model.decoder();
                    Tensor x = decoder.embed(ids);
                    for (int b = 0; b < model.config().blocks(); b++) {
                        close(golden, "block_input." + b, row, x);
                        x = decoder.block(b, Compute.FLOAT32).forward(x, Tap.NONE);
                    }
                    close(golden, "block_output.last", row, x);
                    Tensor logits = decoder.logits(x);
                    close(golden, "logits", row, logits);
                    loss += loss(logits, ids).item() / ROWS;
                }
            }
            assertEquals(golden.get("loss")[0], loss, 2e-5);
        }
    }

    private static void close(Map<String, float[]> golden, String name, int row, Tensor actual) {
        double distance =
                Shared.distance(Shared.row(golden.get(name), ROWS, row), actual.toFloats());
        assertTrue(distance <= 2e-4, () -> name + " row " + row + " is off by " + distance);
    }

    /// Mean of `-log p(next token)`.
    private static Tensor loss(Tensor logits, int[] ids) {
        int predictions = ids.length - 1;
        Tensor before = logits.narrow(0, 0, predictions); // [time - 1, vocabulary]
        int[] next = Arrays.copyOfRange(ids, 1, ids.length);
        return before.logSumExp().sub(before.pick(Tensor.ofIds(next))).mean();
    }

    @ParameterizedTest
    @MethodSource("models")
    void layersOfOneInputAreThoseThatAreGivenOneTensor(String name) throws IOException {
        Path folder = Shared.MODELS.resolve(name);
        var golden = Shared.golden(folder.resolve("golden.safetensors"));
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            var block = model.decoder().block(0, Compute.FLOAT32);
            Tensor x = model.decoder().embed(Shared.ids(golden.get("input_ids"), ROWS, 0));
            var tensors = new IdentityHashMap<Tensor, Set<String>>();
            block.forward(
                    x,
                    (linear, input) -> {
                        tensors.computeIfAbsent(input, _ -> new TreeSet<>()).add(linear.name());
                        return true;
                    });
            var inputs = new HashMap<String, Set<String>>();
            for (Linear linear : block.linears()) {
                inputs.computeIfAbsent(linear.input(), _ -> new TreeSet<>()).add(linear.name());
            }
            assertEquals(Set.copyOf(tensors.values()), Set.copyOf(inputs.values()));
        }
    }

    @ParameterizedTest
    @MethodSource("modelsWithInputs")
    void theTapSeesWhatEntersEveryLinearLayer(String name) throws IOException {
        Path folder = Shared.MODELS.resolve(name);
        var golden = Shared.golden(folder.resolve("golden.safetensors"));
        var inputs = Shared.golden(folder.resolve("golden-inputs.safetensors"));
        try (var model = Model.open(folder)) {
            Set<String> seen = new HashSet<>();
            for (int row = 0; row < ROWS; row++) {
                int r = row;
                try (var _ = Scope.open()) {
                    var decoder = model.decoder();
                    Tensor x = decoder.embed(Shared.ids(golden.get("input_ids"), ROWS, row));
                    for (int b = 0; b < model.config().blocks(); b++) {
                        Block block = decoder.block(b, Compute.FLOAT32);
                        List<Linear> order = new ArrayList<>();
                        Tap tap =
                                (linear, input) -> {
                                    close(inputs, "input." + linear.name(), r, input);
                                    seen.add("input." + linear.name());
                                    order.add(linear);
                                    return true;
                                };
                        x = block.forward(x, tap);
                        assertEquals(block.linears(), order);
                    }
                }
            }
            assertEquals(inputs.keySet(), seen);
        }
    }
}
