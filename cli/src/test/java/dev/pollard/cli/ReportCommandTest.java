package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReportCommandTest {
    private static final String RECORD =
            """
            {"schema": 1, "pollard": "0.1.0", "model": {"path": "m/%s", "sha256": "%1$s"},
             "method": {"name": "%s"}, "pattern": "0.5", "sparsity": 0.5,
             "evaluations": [{"task": "perplexity:w.txt", "metric": "perplexity", "dense": 10,
               "pruned": 12}], "key_of_a_later_version": {}}
            """;

    @TempDir private Path folder;

    private Path out(String name, String model, String method) throws IOException {
        Path out = folder.resolve(name);
        Files.createDirectories(out.resolve("pollard"));
        Files.writeString(out.resolve("pollard/report.json"), RECORD.formatted(model, method));
        return out;
    }

    @Test
    void ofOneFolderItRebuildsPageAndCard() throws IOException {
        Path out = out("a", "llama", "wanda");
        Path page = Files.writeString(out.resolve("pollard/report.html"), "old");
        var run = Run.of("report", out);
        assertEquals(0, run.code(), run.err());
        assertTrue(Files.readString(page).contains("wanda"));
        assertTrue(Files.readString(out.resolve("README.md")).contains("# llama, wanda 0.5"));
        assertTrue(run.out().contains("wrote " + page), run.out());
        String first = Files.readString(page);
        Run.of("report", out);
        assertEquals(first, Files.readString(page), "the same record, the same page");
    }

    @Test
    void ofSeveralItMakesOnePageAndKeepsWhatIsThere() throws IOException {
        Path a = out("a", "llama", "wanda");
        Path b = out("b", "llama", "sparsegpt").resolve("pollard/report.json");
        Path page = folder.resolve("all.html");
        assertEquals(0, Run.of("report", a, b, "-o", page).code());
        String text = Files.readString(page);
        assertTrue(text.contains("2 runs of llama"), text);
        assertTrue(text.contains("<bdi>a</bdi>") && text.contains("<bdi>b</bdi>"), "names of runs");
        assertFalse(Files.exists(a.resolve("README.md")), "the runs themselves are left alone");
        var again = Run.of("report", a, b, "-o", page);
        assertEquals(ExitCode.USAGE.code(), again.code());
        assertTrue(again.err().contains("--overwrite"), again.err());
        assertEquals(0, Run.of("report", a, b, "-o", page, "--overwrite", "-q").code());
    }

    @Test
    void foldersOfOneNameAreToldApart() throws IOException {
        Path a = out("x/out", "llama", "wanda");
        Path b = out("y/out", "opt", "wanda");
        Path page = folder.resolve("all.html");
        assertEquals(0, Run.of("report", a, b, "-o", page).code());
        String text = Files.readString(page);
        assertTrue(text.contains("2 runs of 2 base models"), text);
        assertTrue(text.contains("<bdi>" + b + "</bdi>"), text);
        Path again = a.resolve("pollard/report.json");
        var twice = Run.of("report", a, b, again, "-o", folder.resolve("twice.html"));
        assertEquals(ExitCode.USAGE.code(), twice.code());
        assertTrue(twice.err().contains("given twice"), twice.err());
    }

    @Test
    void ofOneRunAPageElsewhere() throws IOException {
        Path out = out("a", "llama", "wanda");
        Path page = folder.resolve("one.html");
        assertEquals(0, Run.of("report", out, "-o", page).code());
        assertTrue(Files.exists(page));
        assertFalse(Files.exists(out.resolve("README.md")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"schema\": 1, | is no report of a run",
                "{} | names no schema",
                "null | names no schema",
                "{\"schema\": 2} | is of schema 2; this Pollard reads 1",
                "{\"schema\": 1, \"layers\": 7} | is no report of a run",
                "[[[ | is no report of a run",
                "'' | is no report of a run"
            })
    void whatIsNoRecordIsBadInputInOneLine(String json, String said) throws IOException {
        Path out = out("a", "llama", "wanda");
        Files.writeString(out.resolve("pollard/report.json"), json);
        var run = Run.of("report", out);
        assertEquals(ExitCode.BAD_INPUT.code(), run.code(), run.err());
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().contains(said), run.err());
        assertFalse(Files.exists(out.resolve("README.md")));
    }

    @Test
    void whatIsMissingIsNamed() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        var run = Run.of("report", empty);
        assertEquals(ExitCode.BAD_INPUT.code(), run.code());
        assertTrue(run.err().contains("no pollard/report.json in it"), run.err());
        assertEquals(ExitCode.BAD_INPUT.code(), Run.of("report", folder.resolve("no")).code());
        Path out = out("a", "llama", "wanda");
        var nowhere = Run.of("report", out, "-o", folder.resolve("no/x.html"));
        assertEquals(ExitCode.BAD_INPUT.code(), nowhere.code(), nowhere.err());
        var aFolder = Run.of("report", out, "-o", empty);
        assertEquals(ExitCode.USAGE.code(), aFolder.code(), aFolder.err());
    }
}
