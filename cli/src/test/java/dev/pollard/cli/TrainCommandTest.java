package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollard.model.Model;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// `pollard train` on the project's own texts.
class TrainCommandTest {
    private static final String RECIPE =
            """
            model: {architectures: [OPTForCausalLM], model_type: opt, hidden_size: 32,
                    num_hidden_layers: 2, num_attention_heads: 4, ffn_dim: 64}
            tokenizer: {vocabulary: 280}
            data:
              - {file: %1$s/everyday-calibration.jsonl, text: "{title}\\n{text}", held_out: 4, weight: 3}
              - {file: %1$s/legal-domain.jsonl}
            context: 32
            batch: 4
            schedule: wsd
            steps: 30
            decay: 8
            learning_rate: 4.0e-3
            evaluate_every: 15
            evaluate_windows: 2
            """;

    @TempDir private Path folder;
    private Path recipe;
    private Path out;

    @BeforeEach
    void writeRecipe() throws IOException {
        recipe = folder.resolve("tiny.yaml");
        Files.writeString(recipe, RECIPE.formatted(Path.of("../saplings/texts").toAbsolutePath()));
        out = folder.resolve("out");
    }

    private Run train(Object... more) {
        var words = new ArrayList<Object>(List.of("train", recipe, "-o", out, "--threads", 2));
        words.addAll(List.of(more));
        return Run.of(words.toArray());
    }

    private static Set<String> names(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).collect(Collectors.toSet());
        }
    }

    @Test
    void aRecipeBecomesAFolderThatIsAModel() throws IOException {
        var run = train();
        assertEquals(0, run.code(), run.err());
        var lines = run.errLines();
        assertEquals("reading everyday-calibration.jsonl …", lines.getFirst());
        var steps = lines.stream().filter(line -> line.startsWith("train: ")).toList();
        assertEquals(3, steps.size(), run.err());
        assertTrue(
                steps.getFirst()
                        .matches("train: step 10 of 30, loss \\d\\.\\d{3}, tokens/s \\d+, .* left"),
                steps.getFirst());
        assertTrue(steps.getLast().contains("step 30 of 30"), steps.getLast());
        assertEquals(
                2,
                lines.stream().filter(line -> line.startsWith("held-out after ")).count(),
                run.err());
        assertTrue(run.out().contains("is a Hugging Face folder"), run.out());
        assertEquals(
                Set.of(
                        "config.json",
                        "model.safetensors",
                        "tokenizer.json",
                        "tokenizer_config.json",
                        "README.md",
                        "training.jsonl",
                        "training.yaml"),
                names(out));
        assertEquals(Files.readString(recipe), Files.readString(out.resolve("training.yaml")));
        try (var model = Model.open(out)) {
            assertEquals("opt", model.checkpoint().config().architecture());
            assertEquals(280, model.checkpoint().config().vocabularySize());
        }
        assertEquals(Set.of("out", "tiny.yaml"), names(folder));

        var generated = Run.of("generate", out, "-p", "The lease", "--max-tokens", 3);
        assertEquals(0, generated.code(), generated.err());
    }

    @Test
    void theCardTellsFiguresAndNoFolders() throws IOException {
        assertEquals(0, train("-q").code());
        String card = Files.readString(out.resolve("README.md"));
        assertTrue(card.startsWith("---\nlibrary_name: \"transformers\"\n"), card);
        assertTrue(card.contains("a vocabulary of 280 tokens"), card);
        assertTrue(card.contains("3,840\ntokens in all"), card); // 30 · 4 · 32
        assertTrue(card.contains("| everyday-calibration.jsonl | 75.00 % | every 4th"), card);
        assertTrue(card.contains("| legal-domain.jsonl | 25.00 % | none |"), card);
        assertTrue(card.contains("a plateau and a descent of 8 steps"), card);
        var last = json(Files.readAllLines(out.resolve("training.jsonl")).getLast());
        double loss = last.get("held_out_loss").asDouble();
        assertTrue(
                card.contains("| all windows | %.3f | %.2f |".formatted(loss, Math.exp(loss))),
                card);
        assertFalse(card.contains("texts/"), card);
    }

    private static JsonNode json(String line) throws IOException {
        return new JsonMapper().readTree(line);
    }

    @Test
    void quietItSaysNothing() {
        var run = train("-q");
        assertEquals(0, run.code(), run.err());
        assertEquals("", run.err());
        assertEquals("", run.out());
    }

    @Test
    void asJsonEveryLineIsAnObject() throws IOException {
        var run = train("--log-format", "json");
        assertEquals(0, run.code(), run.err());
        var progress = new ArrayList<JsonNode>();
        for (String line : run.errLines()) {
            var event = json(line);
            if (event.get("event").asText().equals("progress")) {
                progress.add(event);
            }
        }
        assertEquals(
                List.of(10, 20, 30), progress.stream().map(e -> e.get("done").asInt()).toList());
        assertTrue(progress.getFirst().get("loss").isNumber(), run.err());
        assertTrue(progress.getFirst().get("tokens/s").isNumber(), run.err());
    }

    @Test
    void whatIsMissingIsOneLineAndNothingIsLeft() throws IOException {
        String text = Files.readString(recipe);
        Files.writeString(recipe, text.replace("legal-domain", "no-such"));
        assertRefused(3, "no-such.jsonl: no such file", train("-q"));
        Files.writeString(recipe, text.replace("{title}", "{titel}"));
        assertRefused(2, "line 1: unknown field 'titel'; did you mean 'title'?", train("-q"));
        Files.writeString(recipe, text.replace("num_attention_heads: 4", "num_attention_heads: 5"));
        assertRefused(3, "num_attention_heads", train("-q"));
        Files.writeString(recipe, text.replace("vocabulary: 280", "vocabulary: 100"));
        assertRefused(2, "100", train("-q"));
        Files.writeString(recipe, text);
        assertRefused(3, "there is no checkpoint to resume from", train("-q", "--resume"));
        assertRefused(2, "steps", train("-q", "--steps", 3));
        Files.createDirectory(out);
        var run = train("-q");
        assertEquals(3, run.code(), run.err());
        assertTrue(run.err().contains("out: exists already"), run.err());
    }

    private void assertRefused(int code, String message, Run run) throws IOException {
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().contains(message), run.err());
        assertEquals(code, run.code(), run.err());
        assertEquals(Set.of("tiny.yaml"), names(folder));
    }

    /// Ctrl-C while the child waits after step 20.
    @EnabledOnOs({OS.LINUX, OS.MAC})
    @Timeout(300)
    @Test
    void interruptedItLeavesACheckpointAndSaysHowToGoOn() throws Exception {
        assertEquals(0, train("-q").code());
        byte[] expected = Files.readAllBytes(out.resolve("model.safetensors"));
        Path second = folder.resolve("second");
        var words = List.of("train", recipe.toString(), "-o", second.toString(), "--threads", "2");
        var process = child(words);
        try (var err = process.errorReader()) {
            reach(process, err, SteppedMain.MARK + "train: step 20 of 30");
            new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
            assertEquals("", err.readLine());
            assertEquals("pollard: stopping after the step at hand …", err.readLine());
            process.outputWriter().close(); // it need not wait any more
            String said = String.join("\n", err.lines().toList());
            assertTrue(process.waitFor(120, TimeUnit.SECONDS), "does not end");
            assertEquals(130, process.exitValue(), said);
            assertTrue(
                    said.contains(
                            "pollard: interrupted; go on with: pollard "
                                    + String.join(" ", words)
                                    + " --resume"),
                    said);
        } finally {
            process.destroyForcibly();
        }
        assertFalse(Files.exists(second));
        var resumed = new ArrayList<Object>(words);
        resumed.add("--resume");
        var run = Run.of(resumed.toArray());
        assertEquals(0, run.code(), run.err());
        assertFalse(run.err().contains("step 20 of 30"), run.err());
        assertArrayEquals(expected, Files.readAllBytes(second.resolve("model.safetensors")));
        assertEquals(Set.of("out", "second", "tiny.yaml"), names(folder));
    }

    private static Process child(List<String> words) throws IOException {
        var command = new ArrayList<String>();
        if (OS.LINUX.isCurrentOs()) {
            // Who builds in the background may have left Ctrl-C ignored.
            command.addAll(List.of("env", "--default-signal=INT"));
        }
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:TieredStopAtLevel=1"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.add("dev.pollard.cli.SteppedMain");
        command.addAll(words);
        return new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
    }

    /// Lets it go on until it has written a line that begins so, after which it waits.
    private static void reach(Process process, BufferedReader err, String start)
            throws IOException {
        for (String line = err.readLine(); line != null; line = err.readLine()) {
            if (line.startsWith(start)) {
                return;
            }
            if (line.startsWith(SteppedMain.MARK)) {
                process.outputWriter().write('\n');
                process.outputWriter().flush();
            }
        }
        throw new AssertionError("ended before: " + start);
    }
}
