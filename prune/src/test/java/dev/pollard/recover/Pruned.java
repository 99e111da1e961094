package dev.pollard.recover;

import dev.pollard.format.DType;
import dev.pollard.model.Model;
import dev.pollard.model.ModelWriter;
import dev.pollard.model.TinyLlama;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;

/// A [TinyLlama] with 2:4 zeros in its linear layers.
public final class Pruned {
    private Pruned() {}

    /// @return the folder
    public static Path write(Path folder, int blocks, DType dtype) throws IOException {
        Path dense = new TinyLlama(blocks, 16, dtype, 7).write(folder.resolveSibling("dense"));
        var random = new Random(3);
        try (var model = Model.open(dense)) {
            new ModelWriter(model.checkpoint(), "keep")
                    .write(
                            folder,
                            layer ->
                                    Optional.of(
                                            pruned(
                                                    model.weight(
                                                            model.checkpoint()
                                                                    .named(layer + ".weight")),
                                                    random)));
        }
        return Files.createDirectories(folder);
    }

    private static Tensor pruned(Tensor weight, Random random) {
        float[] values = weight.toFloats();
        for (int from = 0; from < values.length; from += 4) {
            int first = random.nextInt(4);
            values[from + first] = 0;
            values[from + (first + 1 + random.nextInt(3)) % 4] = 0;
        }
        return Tensor.of(values, weight.shape());
    }

    /// Sequences that repeat one pattern each: easy to learn.
    public static int[][] repetitive(int count, int length) {
        int[][] windows = new int[count][length];
        for (int i = 0; i < count; i++) {
            int step = i;
            Arrays.setAll(windows[i], t -> (7 * (t + step)) % 21);
        }
        return windows;
    }
}
