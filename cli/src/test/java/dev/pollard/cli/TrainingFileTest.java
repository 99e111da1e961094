package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.train.Schedule;
import dev.pollard.train.TextSource.Range;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TrainingFileTest {
    private static final String LEAST =
            """
            model: {model_type: llama, hidden_size: 32}
            data: [{file: a.jsonl}]
            context: 64
            steps: 200
            """;

    @TempDir private Path folder;

    private Path file(String yaml) throws IOException {
        return Files.writeString(folder.resolve("recipe.yaml"), yaml);
    }

    @Test
    void whatIsLeftOutHasDefaults() throws IOException {
        var recipe = TrainingFile.read(file(LEAST));
        assertEquals(64, recipe.model().get("max_position_embeddings").asInt());
        assertEquals(4096, recipe.vocabulary());
        assertEquals(Optional.empty(), recipe.tokenizer());
        assertEquals(16, recipe.batch());
        assertEquals(2, recipe.together());
        assertEquals(
                new Schedule(Schedule.Shape.COSINE, 1e-3, 20, 200, 40, 0.1), recipe.schedule());
        assertEquals(0.95, recipe.optimizer().beta2());
        assertEquals(1, recipe.clip());
        assertEquals(300, recipe.checkpointSeconds());
        var source = recipe.data().getFirst();
        assertEquals(Path.of("a.jsonl"), source.file());
        assertEquals("{text}", source.text());
        assertEquals(1, source.weight());
        assertEquals(0, source.heldOut());
    }

    @Test
    void everyKeyIsRead() throws IOException {
        var recipe =
                TrainingFile.read(
                        file(
                                """
                                model: {model_type: opt, max_position_embeddings: 128}
                                tokenizer: {folder: some/model}
                                data:
                                  - file: a.csv
                                    text: "{q}\\n{a}"
                                    weight: 2
                                    held_out: 10
                                    skip: [3-5, 9]
                                  - {file: b.txt, separator: '(?m)^---$'}
                                context: 64
                                batch: 6
                                together: 3
                                schedule: WSD
                                steps: 100
                                warm_up: 5
                                decay: 30
                                learning_rate: 2.0e-3
                                final_rate: 0
                                weight_decay: 0.05
                                betas: [0.8, 0.9]
                                clip: 0.5
                                seed: 7
                                evaluate_every: 50
                                evaluate_windows: 3
                                checkpoint_minutes: 0.5
                                """));
        assertEquals(128, recipe.model().get("max_position_embeddings").asInt());
        assertEquals(Optional.of(Path.of("some/model")), recipe.tokenizer());
        var first = recipe.data().getFirst();
        assertEquals("{q}\n{a}", first.text());
        assertEquals(2, first.weight());
        assertEquals(10, first.heldOut());
        assertEquals(List.of(new Range(3, 5), new Range(9, 9)), first.skip());
        assertEquals("(?m)^---$", recipe.data().get(1).separator().pattern());
        assertEquals(6, recipe.batch());
        assertEquals(3, recipe.together());
        assertEquals(new Schedule(Schedule.Shape.WSD, 2e-3, 5, 100, 30, 0), recipe.schedule());
        assertEquals(0.8, recipe.optimizer().beta1());
        assertEquals(0.9, recipe.optimizer().beta2());
        assertEquals(0.05, recipe.optimizer().decay());
        assertEquals(0.5, recipe.clip());
        assertEquals(7, recipe.seed());
        assertEquals(50, recipe.evaluateEvery());
        assertEquals(3, recipe.evaluateWindows());
        assertEquals(30, recipe.checkpointSeconds());
    }

    /// Those of the repository.
    @ParameterizedTest
    @ValueSource(strings = {"sapling.yaml", "sapling-opt.yaml"})
    void recipesOfTheSaplingsAreRead(String name) throws IOException {
        var recipe = TrainingFile.read(Path.of("../saplings/recipes").resolve(name));
        assertEquals(Schedule.Shape.WSD, recipe.schedule().shape());
        assertTrue(recipe.data().stream().anyMatch(source -> source.heldOut() > 0));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            textBlock =
                    """
                    stepz: 5                    | unknown key 'stepz'; did you mean 'steps'?
                    learningRate: 1             | did you mean 'learning_rate'?
                    tokenizer: {vocab: 5}       | unknown key 'vocab'; did you mean 'vocabulary'?
                    tokenizer: gpt2             | tokenizer should be a mapping of keys to values
                    batch: many                 | batch should be a whole number
                    batch: 7.5                  | batch should be a whole number
                    batch: [1]                  | batch should be a whole number
                    seed: {a: 1}                | seed should be a whole number
                    clip: high                  | clip should be a number
                    betas: 0.9                  | betas should be a list
                    betas: [0.9, x]             | betas[1] should be a number
                    schedule: [wsd]             | schedule should be a text
                    batch: @7                   | not YAML
                    context: 5                  | Duplicate field 'context'
                    """)
    void whatIsNoRecipeIsRefusedByKey(String line, String message) throws IOException {
        assertRefused(ExitCode.BAD_INPUT, message, LEAST + line + "\n");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            textBlock =
                    """
                    schedule: cosin             | unknown schedule 'cosin'; did you mean 'cosine'?
                    batch: 0                    | a batch of 0 windows
                    together: 3                 | a batch of 16 windows, 3 of them computed together
                    betas: [0.9]                | betas are two numbers
                    betas: [0.9, null]          | betas are two numbers
                    betas: [0.9, 1.5]           | betas of AdamW
                    warm_up: 300                | 300 steps of warm-up
                    learning_rate: 0            | learning rate: 0
                    final_rate: 2               | final fraction of the learning rate
                    clip: -1                    | norm to clip gradients at
                    evaluate_every: -5          | evaluation every -5 steps
                    """)
    void valuesThatMakeNoSenseAreRefused(String line, String message) throws IOException {
        assertRefused(ExitCode.USAGE, message, LEAST + line + "\n");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            textBlock =
                    """
                    5                           | data should be a list
                    [5]                         | data[0] should be a mapping
                    [{file: a, wieght: 2}]      | unknown key 'wieght'; did you mean 'weight'?
                    [{file: a, weight: x}]      | data[0].weight should be a number
                    [{file: a}, {skip: 5}]      | data[1].skip should be a list
                    """)
    void sourcesThatCannotBeReadAreRefused(String data, String message) throws IOException {
        assertRefused(ExitCode.BAD_INPUT, message, LEAST.replace("[{file: a.jsonl}]", data));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            textBlock =
                    """
                    []                          | no data to train on
                    [null]                      | 'data.file' is missing
                    [{text: '{a}'}]             | 'data.file' is missing
                    [{file: a, weight: -1}]     | weight of a: -1.0
                    [{file: a, held_out: 1}]    | held out every 1 documents
                    [{file: a, skip: [x]}]      | no range of documents: 'x'
                    [{file: a, skip: [null]}]   | 'data.skip' is missing
                    [{file: a, text: none}]     | no field in the template 'none'
                    [{file: a, separator: '('}] | separator '(' is not a regular expression
                    """)
    void sourcesThatMakeNoSenseAreRefused(String data, String message) throws IOException {
        assertRefused(ExitCode.USAGE, message, LEAST.replace("[{file: a.jsonl}]", data));
    }

    @ParameterizedTest
    @ValueSource(strings = {"model", "data", "context", "steps"})
    void whatHasNoDefaultIsAskedFor(String key) throws IOException {
        assertRefused(
                ExitCode.USAGE,
                "recipe.yaml: '%s' is missing".formatted(key),
                LEAST.replaceFirst("(?m)^" + key + ":.*\n", ""));
    }

    @Test
    void whatIsNoFileOfKeysIsRefused() throws IOException {
        assertRefused(ExitCode.BAD_INPUT, "the recipe should be a mapping", "");
        assertRefused(ExitCode.BAD_INPUT, "the recipe should be a mapping", "- a\n- b\n");
        assertRefused(ExitCode.USAGE, "recipe.yaml is empty", "~\n");
        assertRefused(ExitCode.BAD_INPUT, "too long for a recipe", "#".repeat((1 << 20) + 1));
        assertThrows(
                NoSuchFileException.class, () -> TrainingFile.read(folder.resolve("none.yaml")));
    }

    /// One line, no Java in it, and nothing is begun.
    private void assertRefused(ExitCode code, String message, String yaml) throws IOException {
        Path out = folder.resolve("out");
        var run = Run.of("train", file(yaml), "-o", out);
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().startsWith("pollard: "), run.err());
        assertTrue(run.err().contains(message), run.err());
        assertFalse(run.err().contains("java") || run.err().contains("Content"), run.err());
        assertEquals(code.code(), run.code(), run.err());
        assertEquals("", run.out());
        assertFalse(Files.exists(out) || Files.exists(folder.resolve("out.training")));
    }
}
