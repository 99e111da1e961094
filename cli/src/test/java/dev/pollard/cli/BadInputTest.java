package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollard.model.TinyLlama;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What `run` says to what it cannot do: one line, the right exit code, and nothing is begun.
class BadInputTest {
    @TempDir private Path folder;
    private Path model;
    private Path ids;
    private Path out;

    @BeforeEach
    void writeInputs() throws IOException {
        model = new TinyLlama(2).write(folder.resolve("model"));
        ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(4, 16, 64, 1));
        out = folder.resolve("out");
    }

    /// `run` with four sequences of 16 ids; options given later win where they may stand twice.
    private Run run(Object... options) {
        var words = new ArrayList<Object>(List.of("run", "-q", model));
        var given = List.of(options);
        if (!given.contains("-o")) {
            words.addAll(List.of("-o", out));
        }
        if (!given.contains("--calib")) {
            words.addAll(List.of("--calib", ids));
        }
        if (!given.contains("--calib-samples")) {
            words.addAll(List.of("--calib-samples", 4));
        }
        if (!given.contains("--calib-length")) {
            words.addAll(List.of("--calib-length", 16));
        }
        words.addAll(given);
        return Run.of(words.toArray());
    }

    private void assertRefused(int code, String message, Object... options) throws IOException {
        assertRefused(run(options), code, message);
    }

    private void assertRefused(Run run, int code, String message) throws IOException {
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().startsWith("pollard: "), run.err());
        assertTrue(run.err().contains(message), run.err());
        assertFalse(run.err().contains("Exception"), run.err());
        assertEquals(code, run.code(), run.err());
        assertEquals("", run.out());
        assertNothingLeft();
    }

    private void assertNothingLeft() throws IOException {
        try (var files = Files.list(folder)) {
            assertEquals(
                    List.of(),
                    files.map(file -> file.getFileName().toString())
                            .filter(name -> name.startsWith("out"))
                            .toList());
        }
    }

    @Test
    void theInputsOfTheseTestsAreGoodByThemselves() {
        var run = run();
        assertEquals("", run.err());
        assertEquals(0, run.code());
        assertTrue(Files.exists(out.resolve("config.json")));
    }

    // ---- models ----

    @Test
    void missingModel() throws IOException {
        model = folder.resolve("none");
        assertRefused(3, "none: no such file");
        model = folder.resolve("none.gguf");
        assertRefused(3, "none.gguf: no such file");
    }

    @Test
    void emptyFolder() throws IOException {
        model = Files.createDirectory(folder.resolve("empty"));
        assertRefused(3, "empty: no config.json in it");
    }

    @Test
    void folderWithoutWeights() throws IOException {
        Files.delete(model.resolve("model.safetensors"));
        assertRefused(3, "model.safetensors");
    }

    @ParameterizedTest
    @ValueSource(strings = {"m.gguf", "m.safetensors", "m.txt"})
    void emptyAndForeignFiles(String name) throws IOException {
        model = Files.write(folder.resolve(name), new byte[0]);
        assertRefused(3, name);
        Files.writeString(model, "Lorem ipsum dolor sit amet, consetetur sadipscing elitr");
        assertRefused(3, name);
    }

    @Test
    void tornWeights() throws IOException {
        Path file = model.resolve("model.safetensors");
        byte[] whole = Files.readAllBytes(file);
        for (int length : new int[] {0, 7, 100, whole.length / 2, whole.length - 1}) {
            Files.write(file, Arrays.copyOf(whole, length));
            assertRefused(3, "model.safetensors");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"hidden_size\": 16 | \"hidden_size\": 32 | model.embed_tokens.weight",
                "\"num_hidden_layers\": 2 | \"num_hidden_layers\": 3 | layers.2.",
                "\"num_hidden_layers\": 2 | \"num_hidden_layers\": 1 | layers.1.",
                "\"vocab_size\": 64 | \"vocab_size\": 65 | model.embed_tokens.weight",
                "\"model_type\": \"llama\" | \"model_type\": \"gpt2\" | tensor",
                "\"model_type\": \"llama\" | \"model_type\": \"mamba\" | mamba",
                "\"num_attention_heads\": 4 | \"num_attention_heads\": -4 | num_attention_heads",
                "\"hidden_act\": \"silu\" | \"hidden_act\": \"sulu\" | sulu",
                "{ | [ | config.json"
            })
    void configurationThatDoesNotBelongToTheTensors(String was, String is, String named)
            throws IOException {
        Path file = model.resolve("config.json");
        String config = Files.readString(file);
        assertTrue(config.contains(was), was);
        Files.writeString(file, config.replace(was, is));
        assertRefused(3, named);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "model.layers.1.mlp.down_proj.weight",
                "model.layers.0.input_layernorm.weight",
                "model.embed_tokens.weight",
                "model.norm.weight",
                "lm_head.weight"
            })
    void aNumberThatIsNoneIsFoundBeforeAnythingIsPruned(String tensor) throws IOException {
        for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
            new TinyLlama(2).write(model, Map.of(tensor, value));
            assertRefused(3, tensor);
        }
    }

    // ---- texts ----

    private Path text(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content);
    }

    @Test
    void calibrationTextShorterThanOneWindow() throws IOException {
        Path file = text("short.txt", TinyLlama.text(10, 1));
        assertRefused(2, "short.txt holds 10 tokens, one window needs 16", "--calib", file);
        Path row = TinyLlama.npy(folder.resolve("short.npy"), TinyLlama.ids(4, 8, 64, 1));
        assertRefused(2, "one window needs 16", "--calib", row);
    }

    @Test
    void missingEmptyAndForeignTexts() throws IOException {
        assertRefused(3, "none.txt: no such file", "--calib", folder.resolve("none.txt"));
        assertRefused(3, "empty.txt", "--calib", text("empty.txt", ""));
        assertRefused(3, "empty.jsonl", "--calib", text("empty.jsonl", "") + ":text");
        assertRefused(3, "empty.npy", "--calib", text("empty.npy", ""));
        assertRefused(3, "foreign.npy", "--calib", text("foreign.npy", "Lorem ipsum dolor"));
        assertRefused(3, "not.gz", "--calib", text("not.gz", "Lorem ipsum dolor"));
        assertRefused(3, "not.jsonl", "--calib", text("not.jsonl", "Lorem ipsum dolor"));
        assertRefused(3, folder.toString(), "--calib", folder);
    }

    @Test
    void aFieldThatIsNotThereIsToldWithThoseThatAre() throws IOException {
        Path file = text("t.jsonl", "{\"title\": \"w1\", \"body\": \"w2\"}\n".repeat(50));
        var run = run("--calib", file + ":text");
        assertRefused(run, 2, "'text'");
        assertTrue(run.err().contains("title") && run.err().contains("body"), run.err());
    }

    @Test
    void textThatIsNotUtf8() throws IOException {
        Path file = folder.resolve("latin.txt");
        Files.write(file, ("w1 w2 caf\u00e9 ".repeat(100)).getBytes(StandardCharsets.ISO_8859_1));
        assertRefused(3, "latin.txt", "--calib", file);
    }

    @Test
    void idsOutsideTheVocabulary() throws IOException {
        Path file = TinyLlama.npy(folder.resolve("big.npy"), TinyLlama.ids(4, 16, 9999, 1));
        assertRefused(3, "outside the vocabulary of 64", "--calib", file);
    }

    @Test
    void textForAModelWithoutTokenizer() throws IOException {
        Files.delete(model.resolve("tokenizer.json"));
        Path file = text("t.txt", TinyLlama.text(100, 1));
        assertRefused(2, "without a tokenizer", "--calib", file);
    }

    @Test
    void moreSequencesThanThereAre() throws IOException {
        assertRefused(2, "4 windows", "--calib-samples", 5);
    }

    @Test
    void evaluationThatCannotBe() throws IOException {
        assertRefused(3, "none.txt: no such file", "--eval", "perplexity:none.txt");
        assertRefused(2, "unknown task 'helaswag'", "--eval", "helaswag");
        assertRefused(3, "wiki.test.raw", "--eval", "wikitext", "--task-data", model);
        Path file = text("short.txt", "w1 w2");
        assertRefused(2, "short.txt", "--eval", "perplexity:" + file, "--eval-length", 16);
    }

    // ---- domains ----

    @Test
    void aDomainThatCannotBe() throws IOException {
        Path good = text("good.txt", TinyLlama.text(200, 1));
        assertDomainRefused(3, "none.txt: no such file", "a=" + folder.resolve("none.txt"));
        assertDomainRefused(3, "empty.jsonl", "a=" + text("empty.jsonl", "") + ":text");
        assertDomainRefused(2, "short.txt", "a=" + text("short.txt", "w1 w2"));
        assertDomainRefused(2, "'text'", "a=" + text("t.jsonl", "{\"body\": \"w2\"}\n") + ":text");
        assertDomainRefused(2, "'" + good + "'", good);
        assertDomainRefused(4, "gradients need about", "a=" + good, "--memory", "100m");
        assertRefused(2, "--domain", "--domain", "a=" + good);
    }

    private void assertDomainRefused(int code, String message, Object domain, Object... more)
            throws IOException {
        var options = new ArrayList<Object>(List.of("--method", "taylor", "--domain", domain));
        options.addAll(List.of("--domain-samples", 4, "--domain-length", 16));
        options.addAll(List.of(more));
        assertRefused(code, message, options.toArray());
    }

    @Test
    void questionsThatTellNoClassesApart() throws IOException {
        Path data = Files.createDirectory(folder.resolve("questions"));
        Path tests = data.resolve("pubmedqa-test_ground_truth.json");
        Files.writeString(tests, "{\"1\": \"yes\", \"2\": \"yes\"}");
        String question = "{\"CONTEXTS\": [\"w1\"], \"QUESTION\": \"w2\"%s}";
        String labelled = question.formatted(", \"final_decision\": \"yes\"");
        Path questions = data.resolve("ori_pqal.json");
        Files.writeString(questions, "{\"1\": %s, \"2\": %s}".formatted(labelled, labelled));
        assertRefused(2, "is 'yes'", "--eval", "pubmedqa", "--task-data", data);
        String bare = question.formatted("");
        Files.writeString(questions, "{\"1\": %s, \"2\": %s}".formatted(labelled, bare));
        assertRefused(3, "final_decision", "--eval", "pubmedqa", "--task-data", data);
    }

    // ---- options ----

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "--method wnada | did you mean 'wanda'",
                "--method quantum | known: dpruner, magnitude, sds, sparsegpt, taylor, wanda",
                "--set dampening=0.1 | did you mean 'damping'",
                "--set damping=-1 | damping",
                "--set damping=much | damping",
                "--set damping | damping",
                "--sparsty 0.5 | did you mean '--sparsity'",
                "--sparsity 1.0 | [0, 1)",
                "--sparsity -0.1 | [0, 1)",
                "--sparsity nan | nan",
                "--sparsity NaN | NaN",
                "--sparsity 1e400 | [0, 1)",
                "--sparsity half | half",
                "--sparsity 2:4 | goes to --pattern",
                "--pattern 0.5 | goes to --sparsity",
                "--allocation owk | did you mean 'owl'",
                "--allocation owl:lamda=0.1 | did you mean 'lambda'",
                "--allocation owl:lambda=2 | must be in [0, 0.5]: 2",
                "--allocation owl --pattern 2:4 | the pattern 2:4 takes the same of every layer",
                "--allocation owl --sparsity 0.995 | takes at most 0.99",
                "--method sds --set l1=-1 | l1 must be a number in [0, 1000000]: '-1.0'",
                "--method sds --set steps=0 | steps must be a whole number",
                "--method sds --set data=kd | data=kd needs schedule=model",
                "--method sds --set data=ds | 'ds'",
                "--method sds --set base=sparsgpt | did you mean 'sparsegpt'",
                "--method sds --set preset=papers | did you mean 'paper'",
                "--pattern 3:2 | 3:2",
                "--pattern 2:0 | 2:0",
                "--pattern 0:4 | 0:4",
                "--pattern 2:2 | 2:2",
                "--pattern 2: | 2:",
                "--pattern -1:4 | -1:4",
                "--sparsity 0.5 --pattern 2:4 | either --sparsity or --pattern",
                "--sparsity 0.5 --sparsity 0.6 | sparsity",
                "--pattern 2:5 | model.layers.0.self_attn.q_proj",
                "--pattern 8:16 | model.layers.0.mlp.down_proj",
                "--include ( | not a regular expression",
                "--include nothing | leave no layer",
                "--calib-length 65 | context of the model, 64",
                "--calib-length 1 | 1",
                "--calib-length 0 | 0",
                "--calib-samples 0 | 0",
                "--calib-samples many | many",
                "--calib-sampling best | best",
                "--eval-length 65 --eval perplexity:x | 65",
                "--threads 0 | '0'",
                "--threads -2 | '-2'",
                "--threads two | two",
                "--memory lots | 'lots' is not a size",
                "--compute int8 | int8",
                "--inputs neither | neither",
                "--dtype float8 | float8",
                "--seed x | x",
                "--fail-above perplexity=-1 | perplexity",
                "surplus | surplus"
            })
    void optionsThatCannotBe(String options, String message) throws IOException {
        assertRefused(2, message, (Object[]) options.split(" "));
    }

    @Test
    void missingOutputMissingModelMissingCalibration() throws IOException {
        assertRefused(Run.of("run", model, "--calib", ids), 2, "--output");
        assertRefused(Run.of("run", "-o", out), 2, "MODEL");
        assertRefused(Run.of("run", "-q", model, "-o", out), 2, "--calib");
    }

    @Test
    void tooLittleMemoryIsToldBeforeTheWork() throws IOException {
        assertRefused(4, "--memory allows", "--memory", "1m");
    }

    // ---- the output ----

    @Test
    void theOutputExists() throws IOException {
        Path there = Files.createDirectory(folder.resolve("there"));
        Files.writeString(there.resolve("mine"), "mine");
        assertRefused(2, "there exists", "-o", there);
        assertRefused(2, "there exists", "-o", there + "/");
        assertRefused(2, "holds no model", "-o", there, "--overwrite");
        assertRefused(2, "mine exists", "-o", there.resolve("mine"));
        assertRefused(2, "is a file", "-o", there.resolve("mine"), "--overwrite");
        assertRefused(2, "is a file", "-o", there.resolve("mine/out"));
        assertEquals("mine", Files.readString(there.resolve("mine")));
    }

    @Test
    void theOutputIsTheModelOrLiesInIt() throws IOException {
        assertRefused(2, "exists", "-o", model);
        assertRefused(2, "model's folder", "-o", model.resolve("pruned"));
        Path link = Files.createSymbolicLink(folder.resolve("link"), model);
        assertRefused(2, "model's folder", "-o", link.resolve("pruned"));
    }

    @Test
    void theWorkFolderIsAFileOrInTheOutput() throws IOException {
        assertRefused(2, "is a file", "--work", ids);
        assertRefused(2, "lies in the output", "--work", out.resolve("work"));
    }

    @Test
    void theOutputCannotBeWritten() throws IOException {
        Path closed = Files.createDirectory(folder.resolve("closed"));
        assumeTrue(
                Files.getFileStore(closed).supportsFileAttributeView("posix"),
                "needs a file system with permissions");
        Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-xr-xr-x"));
        assumeFalse(Files.isWritable(closed), "root may write anywhere");
        assertRefused(2, "cannot be written to", "-o", closed.resolve("model"));
        assertRefused(2, "cannot be written to", "-o", closed.resolve("a/b/model"));
        assertRefused(2, "cannot be written to", "--work", closed.resolve("work"));
    }

    @Test
    void foldersAboveTheOutputAreMade() {
        var run = run("-o", folder.resolve("a/b/../c/model/"));
        assertEquals(0, run.code(), run.err());
        assertTrue(Files.exists(folder.resolve("a/c/model/config.json")));
        assertFalse(Files.exists(folder.resolve("a/b")));
    }

    @Test
    void dryRunWritesNothing() throws IOException {
        var run = run("--dry-run");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("peak memory"), run.out());
        assertTrue(run.out().contains("Sparsity 0.5, allocation uniform"), run.out());
        var owl = run("--dry-run", "--allocation", "owl:lambda=0.1", "--sparsity", "0.7");
        assertTrue(owl.out().contains("Sparsity 0.7, allocation owl, lambda 0.1, m 5"), owl.out());
        assertNothingLeft();
    }
}
