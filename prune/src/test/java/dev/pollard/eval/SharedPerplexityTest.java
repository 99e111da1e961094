package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollard.data.Evaluation;
import dev.pollard.data.Source;
import dev.pollard.data.TokenWindows;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Against losses that transformers computed.
@Tag("shared")
class SharedPerplexityTest {
    private static final Path SHARED = Path.of(System.getProperty("pollard.shared"));
    private static final Path MODELS = SHARED.resolve("fixtures/models");

    @TempDir Path folder;

    static Stream<String> models() throws IOException {
        try (var folders = Files.list(MODELS)) {
            return folders
                    .filter(Files::isDirectory)
                    .map(folder -> folder.getFileName().toString())
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void givesTheLossOfEveryArchitecture(String name) throws Exception {
        try (var golden = SafetensorsFile.open(MODELS.resolve(name + "/golden.safetensors"));
                var model = Model.open(MODELS.resolve(name));
                var workers = new Workers(2)) {
            var table = golden.tensors().get("input_ids");
            int length = (int) table.shape().size(1);
            int[] ids = new int[2 * length];
            var layout = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < ids.length; i++) {
                ids[i] = (int) table.data().get(layout, 8L * i);
            }
            float[] tokenLosses = golden.tensors().get("token_nll").toFloats();
            var windows = Windows.of(folder, ids, length, 128);
            var perplexity = new Perplexity(Compute.FLOAT32, workers);
            double[] losses = perplexity.losses(model.decoder(), windows, Perplexity.Progress.NONE);
            var result = perplexity.measure(model.decoder(), windows, Perplexity.Progress.NONE);
            double[] expected = new double[2];
            for (int i = 0; i < tokenLosses.length; i++) {
                expected[i / (length - 1)] += tokenLosses[i] / (length - 1);
            }
            assertArrayEquals(expected, losses, 2e-5);
            double loss = golden.tensors().get("loss").toFloats()[0];
            assertEquals(loss, result.meanLoss(), 2e-5);
        }
    }

    @Test
    void measuresTheRealModelAsTheReferenceDoes() throws Exception {
        Path file = SHARED.resolve("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
        try (var model = Model.open(file);
                var workers = new Workers(2)) {
            var perplexity = new Perplexity(Compute.FLOAT32, workers);
            var result = perplexity.measure(model.decoder(), wikiText(4), Perplexity.Progress.NONE);
            // Our number; all 64 windows give 29.935, the reference 29.9347.
            assertEquals(30.9628, result.perplexity(), 0.003);
            assertEquals(4, result.windows());
            assertEquals(64, result.windowsAvailable());
            assertEquals(4 * 511, result.predicted());
        }
    }

    private static TokenWindows wikiText(int limit) throws IOException {
        return new Evaluation(
                        Source.parse(SHARED + "/peers/wikitext2_test_64x512.npy"),
                        512,
                        OptionalInt.of(limit))
                .read(Optional.empty(), 49_152);
    }
}
