package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectCommandTest {
    @TempDir private Path folder;

    private Path halfSparse() throws IOException {
        // 2:4 holds in every group; 3 zeros in the second.
        return TinyFiles.safetensors(
                folder.resolve("half"), "layer.weight", 2, 4, 0, 1, -0f, 2, 0, 0, 3, 0);
    }

    @Test
    void showsShapeStorageZerosAndPattern() throws IOException {
        var run = Run.of("inspect", halfSparse());
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("safetensors, 32 B, 1 tensor, 8 parameters"), run.out());
        var row = run.out().lines().filter(line -> line.startsWith("layer.weight")).findFirst();
        assertTrue(
                row.orElseThrow().matches("layer\\.weight +\\[2, 4] +F32 +32 B +62\\.50 % +2:4"),
                row.get());
        assertTrue(run.out().contains("5 of 8 weights in matrices are zero (62.50 %)"));
    }

    @Test
    void oneGroupWithThreeWeightsBreaksThePattern() throws IOException {
        Path file =
                TinyFiles.safetensors(folder.resolve("broken"), "w", 1, 8, 0, 0, 0, 0, 0, 1, 1, 1);
        var tensor = json(file).get("tensors").get(0);
        assertEquals(5, tensor.get("zeros").asLong());
        assertEquals(
                List.of("4:8"),
                List.of(new JsonMapper().convertValue(tensor.get("satisfies"), String[].class)));
    }

    @Test
    void countsNumbersThatAreNotFinite() throws IOException {
        Path file =
                TinyFiles.safetensors(
                        folder.resolve("nan"),
                        "w",
                        1,
                        4,
                        Float.NaN,
                        Float.NEGATIVE_INFINITY,
                        Float.MAX_VALUE,
                        Float.MIN_VALUE);
        var run = Run.of("inspect", file);
        assertTrue(run.out().contains("2 NaN or infinite"), run.out());
        assertEquals("pollard: warning: 2 numbers are NaN or infinite", run.err().strip());
        assertEquals(2, json(file).get("tensors").get(0).get("not_finite").asLong());
        assertEquals(0, json(file).get("tensors").get(0).get("zeros").asLong());
    }

    private static com.fasterxml.jackson.databind.JsonNode json(Path file) throws IOException {
        var run = Run.of("inspect", "--json", file);
        assertEquals(0, run.code(), run.err());
        return new JsonMapper().readTree(run.out());
    }

    @Test
    void jsonHoldsWhatTheTableHolds() throws IOException {
        var root = json(halfSparse());
        assertEquals("safetensors", root.get("format").asText());
        assertEquals(8, root.get("parameters").asLong());
        assertEquals(32, root.get("bytes").asLong());
        var tensor = root.get("tensors").get(0);
        assertEquals("layer.weight", tensor.get("name").asText());
        assertEquals("[2,4]", tensor.get("shape").toString());
        assertEquals(5, tensor.get("zeros").asLong());
        assertEquals("[\"2:4\"]", tensor.get("satisfies").toString());
    }

    @Test
    void readsNoWeightWhenToldSo() throws IOException {
        var run = Run.of("inspect", "--no-zeros", halfSparse());
        assertEquals(0, run.code());
        assertFalse(run.out().contains("62.50"), run.out());
        assertTrue(run.out().contains("--zeros does"), run.out());
    }

    @Test
    void listsOnlyWhatMatches() throws IOException {
        var run = Run.of("inspect", "--match", "bias$", halfSparse());
        assertEquals(0, run.code());
        assertFalse(run.out().contains("layer.weight"), run.out());
        assertTrue(run.out().contains("8 parameters"), "totals are of the whole file");
    }

    @Test
    void tensorNamesCannotSteerTheTerminal() throws IOException {
        Path file = TinyFiles.safetensors(folder.resolve("evil"), "w\\u001b[2J", 1, 1, 1);
        var run = Run.of("inspect", file);
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("w?[2J"), run.out());
        assertFalse(run.out().contains("\033"), "an escape got through");
    }

    @Test
    void readsWhatGgufSaysOfItself() throws IOException {
        var run = Run.of("inspect", "-v", TinyFiles.gguf(folder.resolve("g"), "llama"));
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("GGUF v3, 0 B, 0 tensors, 0 parameters"), run.out());
        assertTrue(run.out().contains("architecture llama"), run.out());
        assertTrue(run.out().contains("general.architecture = llama"), run.out());
    }

    @Test
    void unknownArchitectureIsAWarningForTensorsCanBeSeenAllTheSame() throws IOException {
        TinyFiles.safetensors(folder.resolve("model.safetensors"), "w", 1, 1, 1);
        Files.writeString(folder.resolve("config.json"), "{\"model_type\":\"mamba\"}");
        var run = Run.of("inspect", folder);
        assertEquals(0, run.code(), run.err());
        assertTrue(run.err().startsWith("pollard: warning: "), run.err());
        assertTrue(run.err().contains("'mamba' is not supported"), run.err());
        assertTrue(run.out().contains("1 parameter\n"), run.out());
    }

    /// In a JVM of its own that logs every class it loads.
    @Test
    void neverTouchesLibtorch() throws Exception {
        Path classes = folder.resolve("classes.log");
        var process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xlog:class+load:file=" + classes,
                                "-cp",
                                System.getProperty("java.class.path"),
                                "dev.pollard.cli.Main",
                                "inspect",
                                halfSparse().toString())
                        .redirectErrorStream(true)
                        .redirectOutput(folder.resolve("out").toFile())
                        .start();
        assertEquals(0, process.waitFor(), () -> read(folder.resolve("out")));
        String loaded = Files.readString(classes);
        assertTrue(loaded.contains("dev.pollard.cli.InspectCommand"), "the log is not a log");
        assertFalse(loaded.contains("org.bytedeco"), "libtorch's classes were loaded");
        assertFalse(loaded.contains("dev.pollard.tensor"), "tensors were loaded");
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return e.toString();
        }
    }

    @Tag("shared")
    @Test
    void opensEveryFixtureModel() throws IOException {
        Path models = Path.of(System.getProperty("pollard.shared"), "fixtures", "models");
        try (var folders = Files.list(models)) {
            for (Path model :
                    folders.filter(f -> Files.exists(f.resolve("config.json"))).toList()) {
                var run = Run.of("inspect", model);
                assertEquals(0, run.code(), model + ": " + run.err());
                assertEquals("", run.err(), model.toString());
                assertTrue(run.out().contains("architecture "), model.toString());
            }
        }
    }
}
