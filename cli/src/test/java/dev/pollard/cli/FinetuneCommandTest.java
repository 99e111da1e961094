package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.model.TinyLlama;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `finetune` after `run`, from the command line to the files.
class FinetuneCommandTest {
    @TempDir private Path folder;
    private Path pruned;
    private Path ids;
    private Path text;
    private Path out;

    @BeforeEach
    void writeInputs() throws IOException {
        Path dense = new TinyLlama(2).write(folder.resolve("dense"));
        pruned = folder.resolve("pruned");
        ids = TinyLlama.npy(folder.resolve("ids.npy"), TinyLlama.ids(20, 16, 8, 1));
        text = folder.resolve("text.jsonl");
        Files.writeString(text, "{\"text\": \"" + TinyLlama.text(400, 1) + "\"}\n");
        out = folder.resolve("out");
        var run = Run.of("run", "-q", dense, "-o", pruned, "--method", "magnitude");
        assertEquals(0, run.code(), run.err());
    }

    private Run finetune(Object... options) {
        var words = new ArrayList<Object>(List.of("finetune", pruned, "-o", out, "--threads", 1));
        words.addAll(Arrays.asList(options));
        return Run.of(words.toArray());
    }

    private Run trained(Object... options) {
        var words = new ArrayList<Object>(List.of("--data", ids, "--samples", 20, "--batch", 4));
        words.addAll(Arrays.asList(options));
        for (String other : List.of("--rank 4", "--length 16")) {
            if (!words.contains(other.split(" ")[0])) {
                words.addAll(List.of(other.split(" ")));
            }
        }
        return finetune(words.toArray());
    }

    @Test
    void showsTheCourseAndTheResult() throws IOException {
        var run =
                trained(
                        "--epochs",
                        2,
                        "--lr",
                        0.02,
                        "--eval",
                        "perplexity:" + ids,
                        "--eval-length",
                        16);
        assertEquals(0, run.code(), run.err());
        assertTrue(run.err().contains("train: step 9 of 9, loss "), run.err());
        assertTrue(run.err().contains(" tokens/s "), run.err());
        assertTrue(run.out().contains("loss on windows held out"), run.out());
        assertTrue(run.out().contains("2 windows of 16"), run.out());
        assertTrue(run.out().contains("ids.npy, perplexity"), run.out());
        assertTrue(run.out().contains("zeros in trained layers"), run.out());
        var facts = new ObjectMapper().readTree(out.resolve("pollard/finetune.json").toFile());
        assertTrue(facts.get("command").textValue().startsWith("pollard finetune "));
        assertEquals(18, facts.at("/data/windows").intValue());
        assertEquals(9, facts.at("/settings/steps").intValue());
        assertEquals(0.5, facts.at("/sparsity/after").doubleValue(), 0.01);
        String card = Files.readString(out.resolve("README.md"));
        assertTrue(card.startsWith("---\nbase_model: \"pruned\"\n"), card);
        assertTrue(card.contains("| loss of a token, windows held out | "), card);
        assertTrue(card.contains("50.00 % of the weights in the layers that were trained"), card);
        assertFalse(card.contains(folder.toString()), card);
        var generated = Run.of("generate", "-q", out, "-p", "w1 w2", "--max-tokens", 3);
        assertEquals(0, generated.code(), generated.err());
    }

    @Test
    void anOutputIsReplacedOnlyIfAskedTo() {
        assertEquals(0, trained("-q").code());
        assertRefused(2, " exists: choose another -o, or give --overwrite", trained("-q"));
        var again = trained("-q", "--overwrite", "--no-keep-mask", "--method", "full");
        assertEquals(0, again.code(), again.err());
    }

    @Test
    void mistakesAreOneLineAndLeaveNothing() throws IOException {
        Path empty = Files.writeString(folder.resolve("empty.txt"), "");
        assertRefused(3, "empty", finetune("-q", "--data", empty));
        assertRefused(2, "'txt'", finetune("-q", "--data", text + ":txt", "--length", 16));
        assertRefused(2, "windows of 16 tokens", finetune("-q", "--data", text, "--length", 16));
        assertRefused(3, "no such file", finetune("-q", "--data", folder.resolve("no.txt")));
        assertRefused(2, "rank 9 is more than ", trained("-q", "--rank", 9));
        assertRefused(2, "--length 65 is longer than", trained("-q", "--length", 65));
        assertRefused(2, "dropout", trained("-q", "--dropout", 1));
        assertRefused(2, "lr", trained("-q", "--lr", "fast"));
        assertRefused(2, "leave no layer to train", trained("-q", "--include", "mpl"));
        assertRefused(4, "--memory allows", trained("-q", "--memory", "1m"));
        assertRefused(1, "step ", trained("-q", "--lr", 1e30, "--method", "full"));
        assertFalse(Files.exists(out));
        assertFalse(Files.exists(folder.resolve("out.partial")));
    }

    private static void assertRefused(int code, String message, Run run) {
        assertEquals(code, run.code(), run.err());
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().startsWith("pollard: "), run.err());
        assertTrue(run.err().contains(message), run.err());
    }
}
