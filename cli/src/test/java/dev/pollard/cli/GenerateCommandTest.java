package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.model.TinyLlama;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GenerateCommandTest {
    @TempDir private Path folder;
    private Path model;

    @BeforeEach
    void writeModel() throws IOException {
        model = new TinyLlama(2).write(folder.resolve("model"));
    }

    private Run generate(Object... more) {
        Object[] words = new Object[5 + more.length];
        System.arraycopy(
                new Object[] {"generate", model, "-p", "w1 w2", "--max-tokens=6"}, 0, words, 0, 5);
        System.arraycopy(more, 0, words, 5, more.length);
        return Run.of(words);
    }

    @Test
    void writesThePromptAndWhatFollows() {
        var run = generate();
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("w1 w2 "), run.out());
        assertEquals(8, run.out().strip().split(" ").length);
        assertEquals(run.out(), generate("--memory", "1k").out());
    }

    @Test
    void theSeedDecidesWhatIsDrawn() {
        var run = generate("--temperature", "2", "--seed", "3");
        assertEquals(0, run.code(), run.err());
        assertEquals(run.out(), generate("--temperature", "2", "--seed", "3").out());
    }

    @Test
    void twoModelsStandSideBySide() throws IOException {
        Path other = new TinyLlama(2, 16, DType.F32, 8).write(folder.resolve("other"));
        var run = generate(other);
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().lines().allMatch(line -> line.contains(" | ")), run.out());
        assertTrue(run.out().lines().toList().getLast().startsWith("w1 w2 "), run.out());
    }

    @Test
    void saysWhatIsWrong() throws IOException {
        assertEquals(2, generate("--top-p", "0").code());
        assertEquals(2, generate("--temperature=-1").code());
        assertEquals(2, Run.of("generate", model, "-p", "w1", "--max-tokens", "64").code());
        Files.delete(model.resolve("tokenizer.json"));
        var run = generate();
        assertEquals(2, run.code());
        assertTrue(run.err().contains("has no tokenizer"), run.err());
    }
}
