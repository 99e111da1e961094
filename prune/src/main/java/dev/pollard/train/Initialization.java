package dev.pollard.train;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.config.Layout;
import dev.pollard.config.ModelConfig;
import dev.pollard.config.WeightMap.Placed;
import dev.pollard.config.WeightMap.Weight;
import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.format.safetensors.ShardedSafetensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;

/// The weights that training begins with, as GPT-2 has them (Radford et al. 2019): matrices normal
/// with deviation `initializer_range` (0.02 if the configuration has none), those that write into
/// the residual stream smaller by √(2 · blocks), for so many of them add up; factors of norms 1,
/// biases 0.
public final class Initialization {
    private static final String DEVIATION = "initializer_range";

    /// The modules that write into the residual stream, in all families.
    private static final Pattern RESIDUAL =
            Pattern.compile(
                    ".*\\.(o_proj|out_proj|down_proj|fc2|c_proj|dense_4h_to_h"
                            + "|attention\\.dense|self_attention\\.dense)\\.weight");

    private Initialization() {}

    /// Writes `config.json` and `model.safetensors` in float32: a model that
    /// [dev.pollard.model.Model] opens.
    ///
    /// @param folder made if it is not there
    /// @param config a `config.json` of any supported family
    /// @throws dev.pollard.format.MalformedFileException if the configuration makes no sense: names
    ///     the key
    /// @throws IllegalArgumentException if `initializer_range` is no positive number
    public static void write(Path folder, ObjectNode config, long seed) throws IOException {
        var model = writeConfig(folder, config);
        double deviation = deviation(config);
        var placed = model.weights().placed(model.blocks());
        var declarations =
                placed.stream()
                        .map(p -> new Declaration(p.name(), DType.F32, fileShape(p.weight())))
                        .toList();
        try (var writer =
                SafetensorsWriter.create(
                        folder.resolve(ShardedSafetensors.SINGLE_FILE_NAME),
                        declarations,
                        Map.of())) {
            var random = new Random(seed);
            for (Placed weight : placed) {
                write(writer, weight, deviation * factor(weight, model.blocks()), random);
            }
            writer.commit();
        }
    }

    /// Writes `config.json` alone, and reads it as a model would.
    static ModelConfig writeConfig(Path folder, ObjectNode config) throws IOException {
        deviation(config);
        Files.createDirectories(folder);
        Path file = folder.resolve("config.json");
        new ObjectMapper().writerWithDefaultPrettyPrinter().writeValue(file.toFile(), config);
        return ModelConfig.read(file);
    }

    private static double deviation(ObjectNode config) {
        double deviation = config.path(DEVIATION).asDouble(config.has(DEVIATION) ? 0 : 0.02);
        if (!(deviation > 0) || Double.isInfinite(deviation)) {
            throw new IllegalArgumentException(
                    "%s must be a positive number, not %s"
                            .formatted(DEVIATION, config.get(DEVIATION)));
        }
        return deviation;
    }

    /// On the deviation; 0 for what is no matrix.
    private static double factor(Placed placed, int blocks) {
        if (placed.weight().shape().rank() < 2) {
            return 0;
        }
        boolean residual = placed.block() >= 0 && RESIDUAL.matcher(placed.name()).matches();
        return residual ? 1 / Math.sqrt(2.0 * blocks) : 1;
    }

    private static void write(
            SafetensorsWriter writer, Placed placed, double deviation, Random random)
            throws IOException {
        var weight = placed.weight();
        float constant = isFactor(weight) ? 1 : 0;
        long elements = weight.shape().elements();
        try (var arena = Arena.ofConfined()) {
            var floats = arena.allocate(ValueLayout.JAVA_FLOAT, elements);
            for (long i = 0; i < elements; i++) {
                float value =
                        deviation > 0 ? (float) (deviation * random.nextGaussian()) : constant;
                floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
            }
            writer.writeFloats(placed.name(), floats);
        }
    }

    /// Whether it is what a norm multiplies by. Gemma's are factors less one.
    private static boolean isFactor(Weight weight) {
        return weight.shape().rank() == 1
                && weight.name().endsWith("weight")
                && !(weight.layout() instanceof Layout.OnePlus);
    }

    /// As the file has it.
    static Shape fileShape(Weight weight) {
        return isTransposed(weight)
                ? Shape.of(weight.shape().size(1), weight.shape().size(0))
                : weight.shape();
    }

    /// Whether the file has rows for columns.
    static boolean isTransposed(Weight weight) {
        return weight.layout() instanceof Layout.Conv1d && weight.shape().rank() == 2;
    }
}
