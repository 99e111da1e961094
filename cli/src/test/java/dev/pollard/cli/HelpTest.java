package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class HelpTest {
    private static List<String> commands() {
        return CommandLines.names(
                CommandLines.commands(Run.NOWHERE, Environment.ofProcess()).getCommandSpec());
    }

    @Test
    void versionIsThatOfTheBuild() {
        var run = Run.of("--version");
        assertEquals(0, run.code());
        assertTrue(run.out().matches("pollard \\d+\\.\\d+\\.\\d+\\S*\\R"), run.out());
    }

    @Test
    void helpListsCommandsExamplesAndExitCodes() {
        var run = Run.of("--help");
        assertEquals(0, run.code());
        commands().forEach(name -> assertTrue(run.out().contains("  " + name), name));
        assertTrue(run.out().contains("Examples"), run.out());
        assertTrue(run.out().contains("130   interrupted"), run.out());
        assertEquals("", run.err());
    }

    @ParameterizedTest
    @MethodSource("commands")
    void everyCommandTeachesByExample(String command) {
        var run = Run.of(command, "--help");
        assertEquals(0, run.code());
        assertTrue(run.out().contains("Example"), run.out());
        assertTrue(run.out().contains("  pollard " + command), run.out());
        assertFalse(run.out().contains("@|"), "markup must not be seen");
        assertFalse(run.out().contains("\033["), "no colours off a terminal");
        run.out().lines().forEach(line -> assertTrue(line.length() <= 100, line));
    }
}
