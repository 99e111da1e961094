package dev.pollard.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelNamesTest {
    @TempDir private Path folder;
    private ModelNames names;

    @BeforeEach
    void writeModels() throws IOException {
        names =
                new ModelNames(
                        Optional.of(folder.resolve("saplings")),
                        new ModelCache(folder.resolve("cache")),
                        false);
        model("saplings/sapling", "config.json");
        model("saplings/texts", "health.jsonl");
        model("cache/models/org/whole", "config.json", "model.safetensors");
        model("cache/models/org/one", "a-Q4_0.gguf");
        model("cache/models/org/two", "a-Q4_0.gguf", "a-Q8_0.gguf");
        model("cache/models/org/both", "config.json", "a-Q8_0.gguf");
        model("cache/models/org/torn", "config.json", ".pull.json");
        Files.writeString(
                folder.resolve("cache/models/org/torn/.pull.json"),
                "{\"repository\": \"org/torn\", \"missing\": [\"model.safetensors\"]}");
    }

    private void model(String name, String... files) throws IOException {
        Path model = Files.createDirectories(folder.resolve(name));
        for (String file : files) {
            Files.writeString(model.resolve(file), "");
        }
    }

    private void assertFound(String path, String name) throws IOException {
        assertEquals(folder.resolve(path), names.resolve(Path.of(name)));
    }

    private void assertMissing(String reason, String name) {
        var missing = assertThrows(NoSuchFileException.class, () -> names.resolve(Path.of(name)));
        assertTrue(missing.getReason().contains(reason), missing.getReason());
        assertEquals(name, missing.getFile());
    }

    @Test
    void aPathComesFirst() throws IOException {
        Path there = folder.resolve("saplings");
        assertEquals(there, names.resolve(there));
        Path here = Path.of("src"); // of this module
        assertEquals(here, names.resolve(here));
    }

    @Test
    void findsEmbeddedAndPulledModelsByName() throws IOException {
        assertFound("saplings/sapling", "sapling");
        assertFound("cache/models/org/whole", "org/whole");
        assertFound("cache/models/org/one/a-Q4_0.gguf", "org/one");
        assertFound("cache/models/org/one/a-Q4_0.gguf", "org/one/a-Q4_0.gguf");
        assertFound("cache/models/org/two/a-Q8_0.gguf", "org/two/a-Q8_0.gguf");
        assertFound("cache/models/org/both", "org/both");
        assertFound("cache/models/org/both/a-Q8_0.gguf", "org/both/a-Q8_0.gguf");
    }

    @Test
    void listsThem() throws IOException {
        assertEquals(List.of("sapling"), List.copyOf(names.embedded().keySet()));
        assertEquals(
                List.of(
                        "org/both",
                        "org/both/a-Q8_0.gguf",
                        "org/one",
                        "org/two/a-Q4_0.gguf",
                        "org/two/a-Q8_0.gguf",
                        "org/whole"),
                names.pulled().keySet().stream().sorted().toList());
    }

    @Test
    void saysHowToGetWhatIsNotThere() {
        assertMissing("to get it: pollard pull new/model", "new/model");
        assertMissing("did you mean 'sapling'?", "saplin");
        assertMissing("did you mean 'org/whole'?", "org/whoel");
        assertMissing("holds 2 GGUF files: name one, such as org/two/a-Q4_0.gguf", "org/two");
        assertMissing("not pulled to its end; go on with: pollard pull org/torn", "org/torn");
        assertMissing("'pollard models'", "nothinglikeit");
        assertMissing("no such file", "some/where/else/x");
        assertMissing("no such file", "./new/model");
        assertMissing("no such file", "x.gguf");
    }

    @Test
    void tellsNobodyToPullWhoIsOffline() {
        names = new ModelNames(names.saplings(), names.cache(), true);
        assertMissing("offline", "new/model");
    }

    @ParameterizedTest
    @ValueSource(strings = {"org/../whole", "../cache", "org/..", "org/whole/../../x.gguf"})
    void aNameNeverLeadsOutOfTheCache(String name) {
        assertMissing("no such file", name);
    }

    @Test
    void worksWithoutEmbeddedModelsAndWithoutACache() {
        names = new ModelNames(Optional.empty(), new ModelCache(folder.resolve("none")), false);
        assertMissing("'pollard models'", "sapling");
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "a/b/c", "/b", "a/", "a/.b", "a/..", "a b/c", "a\\b/c", ""})
    void refusesWhatIsNoNameOfARepository(String name) {
        assertThrows(IllegalArgumentException.class, () -> RepositoryName.parse(name));
    }

    @Test
    void embeddedModelsAreFoundFromAnywhereInTheCheckout() throws IOException {
        Path jar = folder.resolve("target/launcher/build-1/pollard-core.jar");
        assertEquals(Optional.of(folder.resolve("saplings")), Saplings.above(jar));
        assertEquals(
                Optional.of(folder.resolve("saplings")),
                Saplings.above(folder.resolve("core/target/classes")));
    }
}
