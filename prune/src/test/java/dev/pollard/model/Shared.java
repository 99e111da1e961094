package dev.pollard.model;

import dev.pollard.format.TensorView;
import dev.pollard.format.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.SequencedMap;

/// The shared fixtures, and golden files read into the heap.
public final class Shared {
    static final Path ROOT = Path.of(System.getProperty("pollard.shared"));
    public static final Path MODELS = ROOT.resolve("fixtures/models");
    static final Path GGUF = ROOT.resolve("fixtures/gguf");

    private Shared() {}

    /// All tensors of a golden file, widened to float32.
    public static Map<String, float[]> golden(Path file) throws IOException {
        try (var opened = SafetensorsFile.open(file)) {
            SequencedMap<String, TensorView> tensors = opened.tensors();
            Map<String, float[]> values = new HashMap<>();
            tensors.forEach((name, tensor) -> values.put(name, tensor.toFloats()));
            return values;
        }
    }

    /// Row `index` of `[rows, length]` token ids.
    public static int[] ids(float[] table, int rows, int index) {
        int length = table.length / rows;
        int[] ids = new int[length];
        for (int t = 0; t < length; t++) {
            ids[t] = (int) table[index * length + t];
        }
        return ids;
    }

    static float[] row(float[] table, int rows, int index) {
        int length = table.length / rows;
        return Arrays.copyOfRange(table, index * length, (index + 1) * length);
    }

    public static double distance(float[] a, float[] b) {
        if (a.length != b.length) {
            throw new AssertionError(a.length + " values, not " + b.length);
        }
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            double d = Math.abs(a[i] - b[i]);
            largest = d >= largest ? d : Double.isNaN(d) ? Double.POSITIVE_INFINITY : largest;
        }
        return largest;
    }
}
