package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.config.ModelConfig;
import dev.pollard.prune.method.Methods;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CatalogueCommandsTest {
    @TempDir private Path folder;

    @Test
    void methodsListsEveryMethodWithItsPaper() {
        var run = Run.of("methods");
        assertEquals(0, run.code());
        for (var method : Methods.all()) {
            assertTrue(
                    run.out()
                            .lines()
                            .anyMatch(
                                    line ->
                                            line.startsWith(method.key() + " ")
                                                    && line.contains(method.paper().arxiv())),
                    method.key());
        }
    }

    @Test
    void methodsExplainsEveryMethodAndItsSettings() {
        for (var method : Methods.all()) {
            var run = Run.of("methods", method.key());
            assertEquals(0, run.code(), run.err());
            assertTrue(run.out().startsWith(method.key() + " "), run.out());
            method.settings()
                    .forEach(
                            setting -> assertTrue(run.out().contains("\n" + setting.name() + " ")));
        }
    }

    @Test
    void modelsListsEveryArchitecture() {
        var run = Run.of("models");
        assertEquals(0, run.code());
        ModelConfig.ARCHITECTURES.forEach(name -> assertTrue(run.out().contains(name), name));
    }

    @Test
    void modelsFindsModelsBelowAFolderAndWarnsOfBrokenOnes() throws IOException {
        Path deep = Files.createDirectories(folder.resolve("a/b"));
        TinyFiles.safetensors(deep.resolve("model.safetensors"), "w", 2, 3, 1, 2, 3, 4, 5, 6);
        TinyFiles.gguf(folder.resolve("tiny.gguf"), "llama");
        Files.writeString(folder.resolve("torn.gguf"), "GGUF");
        Files.writeString(folder.resolve("notes.txt"), "not a model");
        var run = Run.of("models", folder);
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("a/b "), run.out());
        assertTrue(run.out().contains("tiny.gguf"), run.out());
        assertFalse(run.out().contains("notes.txt"), run.out());
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().contains("torn.gguf"), run.err());
    }

    @Test
    void doctorFindsThisMachineWell() {
        var run = Run.of("doctor");
        assertEquals(0, run.code(), run.out());
        for (String check :
                new String[] {"Java", "vector code", "native access", "tokenizers", "libtorch"}) {
            assertTrue(
                    run.out().lines().anyMatch(line -> line.startsWith(check + " ")),
                    check + " is missing in\n" + run.out());
        }
        assertTrue(run.out().contains("libtorch        2."), run.out());
        assertTrue(run.out().lines().anyMatch(line -> line.startsWith("bf16 ")), run.out());
    }
}
