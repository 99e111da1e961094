package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import dev.pollard.recipe.VerificationException;
import dev.pollard.recipe.WillNotFitException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ErrorsTest {
    @TempDir private Path folder;

    @Test
    void everyFailureHasItsExitCode() {
        Path file = Path.of("m");
        assertEquals(ExitCode.USAGE, ExitCode.of(new IllegalArgumentException("ratio 2")));
        assertEquals(
                ExitCode.BAD_INPUT, ExitCode.of(new MalformedFileException(file, 3, "is torn")));
        assertEquals(ExitCode.BAD_INPUT, ExitCode.of(new NoSuchFileException("m")));
        assertEquals(ExitCode.BAD_INPUT, ExitCode.of(new MalformedInputException(1)));
        assertEquals(
                ExitCode.BAD_INPUT,
                ExitCode.of(new UncheckedIOException(new NoSuchFileException("m"))));
        assertEquals(
                ExitCode.FAILED,
                ExitCode.of(new FileSystemException("m", null, "No space left on device")));
        assertEquals(
                ExitCode.FAILED, ExitCode.of(new IOException("write: No space left on device")));
        assertEquals(ExitCode.WILL_NOT_FIT, ExitCode.of(new WillNotFitException("9 GB")));
        assertEquals(ExitCode.VERIFICATION_FAILED, ExitCode.of(new VerificationException("NaN")));
        assertEquals(ExitCode.QUALITY_GATE, ExitCode.of(new Failure(ExitCode.QUALITY_GATE, "2.1")));
        assertEquals(ExitCode.FAILED, ExitCode.of(new IllegalStateException("bug")));
        assertEquals(ExitCode.FAILED, ExitCode.of(new OutOfMemoryError("Java heap space")));
    }

    @Test
    void exitCodesAreThoseOfTheManual() {
        assertEquals(
                List.of(0, 1, 2, 3, 4, 5, 6, 130),
                List.of(ExitCode.values()).stream().map(ExitCode::code).toList());
    }

    @Test
    void misspelledCommandGetsTheRightOneAndTheList() {
        assertUsage("did you mean 'inspect'?", "inspcet");
        assertUsage("known: doctor, ", "prunify");
    }

    @Test
    void misspelledOptionGetsTheRightOne() {
        assertUsage("unknown option '--zreos'; did you mean '--zeros'?", "inspect", "--zreos", "x");
    }

    @Test
    void misspelledMethodGetsTheRightOneAndTheList() {
        assertUsage("did you mean 'wanda'", "methods", "wnada");
        assertUsage("sparsegpt", "methods", "wnada");
    }

    @Test
    void missingCommandMissingArgumentAndSurplusArgumentAreUsageErrors() {
        assertUsage("which command?");
        assertUsage("missing required parameter: 'PATH'", "inspect");
        assertUsage("one argument too many: 'b'", "models", "a", "b");
        assertUsage("is not a regular expression", "inspect", "x", "--match", "(");
    }

    private static void assertUsage(String message, Object... args) {
        var run = Run.of(args);
        assertEquals(2, run.code(), run.err());
        assertEquals("", run.out());
        assertOneLine(run, message);
    }

    private static void assertOneLine(Run run, String message) {
        assertEquals(1, run.errLines().size(), run.err());
        assertTrue(run.err().startsWith("pollard: "), run.err());
        assertTrue(run.err().contains(message), run.err());
    }

    @Test
    void missingFileIsBadInput() {
        var run = Run.of("inspect", folder.resolve("none.gguf"));
        assertEquals(3, run.code());
        assertOneLine(run, "none.gguf: no such file");
    }

    @Test
    void emptyForeignAndTornFilesAreBadInput() throws IOException {
        Path empty = Files.write(folder.resolve("empty.gguf"), new byte[0]);
        Path text = Files.writeString(folder.resolve("notes.txt"), "Lorem ipsum dolor");
        Path torn = folder.resolve("torn.safetensors");
        byte[] whole =
                Files.readAllBytes(TinyFiles.safetensors(folder.resolve("whole"), "w", 1, 2, 1, 2));
        Files.write(torn, java.util.Arrays.copyOf(whole, whole.length - 3));
        for (Path file : List.of(empty, text, torn)) {
            var run = Run.of("inspect", file);
            assertEquals(3, run.code(), run.err());
            assertOneLine(run, file.toString());
        }
    }

    @Test
    void folderWithoutWeightsIsBadInput() {
        var run = Run.of("inspect", folder);
        assertEquals(3, run.code());
        assertOneLine(run, "no model.safetensors");
        assertEquals(3, Run.of("models", folder).code());
    }

    @Test
    void stackIsShownOnlyWhenVerbose() {
        Path none = folder.resolve("none");
        assertFalse(Run.of("inspect", none).err().contains("\tat "));
        assertTrue(Run.of("inspect", "-v", none).err().contains("\tat dev.pollard.cli"));
    }

    @Test
    void whatAFileNameHoldsCannotSteerTheTerminal() {
        var run = Run.of("inspect", folder.resolve("a\033[2Jb\nc"));
        assertEquals(3, run.code());
        assertOneLine(run, "a [2Jb c: no such file");
    }
}
