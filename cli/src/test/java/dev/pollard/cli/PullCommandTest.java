package dev.pollard.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.hub.HubServer;
import dev.pollard.model.TinyLlama;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// `pull` against a Hub on this machine, and the commands that then find the model by its name.
@Timeout(120)
class PullCommandTest {
    @TempDir private Path folder;
    private Path model;
    private Path cached;
    private HubServer server;
    private final Map<String, String> variables = new LinkedHashMap<>();

    @BeforeEach
    void startServer() throws IOException {
        model = new TinyLlama(2).write(folder.resolve("made"));
        server =
                new HubServer()
                        .small("config.json", Files.readString(model.resolve("config.json")))
                        .small("tokenizer.json", Files.readString(model.resolve("tokenizer.json")))
                        .large("model.safetensors", weights());
        cached = folder.resolve("cache/models").resolve(HubServer.NAME);
        variables.put("HF_ENDPOINT", server.endpoint().toString());
        variables.put("POLLARD_CACHE", folder.resolve("cache").toString());
    }

    @AfterEach
    void stopServer() {
        server.close();
    }

    private byte[] weights() throws IOException {
        return Files.readAllBytes(model.resolve("model.safetensors"));
    }

    private Run run(Object... words) {
        return Run.in(new Environment(variables, Optional.empty()), words);
    }

    private Run pull(String... more) {
        var words = new ArrayList<Object>(List.of("pull", HubServer.NAME));
        words.addAll(List.of(more));
        return run(words.toArray());
    }

    private void assertFails(ExitCode code, String words, Run run) {
        assertEquals(code.code(), run.code(), run.err());
        assertEquals("", run.out());
        String last = run.errLines().getLast();
        assertTrue(last.startsWith("pollard: "), run.err());
        assertTrue(last.contains(words), run.err());
    }

    @Test
    void printsThePathAndSaysWhatItDid() throws IOException {
        var run = pull();
        assertEquals(0, run.code(), run.err());
        assertEquals(cached + System.lineSeparator(), run.out());
        assertTrue(run.err().contains("3 of 3 files fetched"), run.err());
        assertTrue(run.errLines().getFirst().startsWith("pull: kB "), run.err());
        assertArrayEquals(weights(), Files.readAllBytes(cached.resolve("model.safetensors")));

        var again = pull();
        assertEquals(run.out(), again.out());
        assertEquals(
                List.of("nothing to fetch: all 3 files are of commit 1111111111 there"),
                again.errLines());
        assertEquals("", pull("-q").err());
    }

    @Test
    void commandsFindThePulledModelByItsName() throws IOException {
        pull();
        server.close();
        assertEquals(0, run("inspect", HubServer.NAME).code());
        var text = run("generate", HubServer.NAME, "-p", "w1 w2", "--max-tokens=2", "--offline");
        assertEquals(0, text.code(), text.err());
        Path out = folder.resolve("out");
        var pruned = run("run", HubServer.NAME, "-o", out, "--method", "magnitude", "-q");
        assertEquals(0, pruned.code(), pruned.err());
        String recipe = Files.readString(out.resolve("pollard/recipe.yaml"));
        assertTrue(recipe.matches("(?s).*\\bmodel: \"?org/model\"?\\R.*"), recipe);
        String card = Files.readString(out.resolve("README.md"));
        assertTrue(card.matches("(?s).*\\bbase_model: \"?org/model\"?\\R.*"), card);
        var eval = run("eval", HubServer.NAME, "org/modle", "--tasks", "none");
        assertFails(ExitCode.BAD_INPUT, "did you mean 'org/model'?", eval);
    }

    @Test
    void modelsListsItAndTellsMore() throws IOException {
        assertTrue(run("models").out().startsWith("No model is here yet: 'pollard pull"));
        pull();
        TinyFiles.gguf(cached.resolve("tiny.gguf"), "llama");
        var list = run("models").out().lines().toList();
        assertTrue(list.getFirst().startsWith("MODEL "), list.toString());
        assertTrue(
                list.get(1).matches("org/model +llama +[\\d,]+ .* Hub, commit 1111111111"),
                list.get(1));
        assertTrue(list.get(2).startsWith("org/model/tiny.gguf "), list.get(2));
        var one = run("models", HubServer.NAME);
        assertEquals(0, one.code(), one.err());
        for (String fact :
                List.of("architecture llama", "blocks 2", "Hub, commit 1", "config.json", "kB")) {
            assertTrue(one.out().contains(fact), one.out());
        }
        assertFalse(one.out().contains(".pull"), one.out());
    }

    @Test
    void embeddedModelsGoByTheirNames() throws IOException {
        Path saplings = folder.resolve("saplings");
        new TinyLlama(1).write(saplings.resolve("sapling"));
        var environment = new Environment(variables, Optional.of(saplings));
        var list = Run.in(environment, "models");
        assertTrue(list.out().matches("(?s)MODEL.*sapling +llama .* embedded\\R.*"), list.out());
        assertEquals(0, Run.in(environment, "inspect", "sapling").code());
        var wrong = Run.in(environment, "models", "saplnig");
        assertFails(ExitCode.BAD_INPUT, "did you mean 'sapling'?", wrong);
    }

    @Test
    void everyFailureIsOneLineAndHasItsCode() {
        assertFails(ExitCode.USAGE, "give ORG/NAME", run("pull", "gpt2"));
        assertFails(ExitCode.USAGE, "name of a .gguf file", pull("--file", "x.bin"));
        assertFails(ExitCode.BAD_INPUT, "no such model", run("pull", "org/other"));
        assertFails(ExitCode.BAD_INPUT, "no revision 'v2'", pull("--revision", "v2"));
        server.listed("model.safetensors", 1L << 60, "a".repeat(64));
        assertFails(ExitCode.WILL_NOT_FIT, "on a disk that has", pull());
        server.listed("config.json", 1, "a".repeat(40));
        server.listed("model.safetensors", 1, "a".repeat(64));
        assertFails(ExitCode.VERIFICATION_FAILED, "config.json", pull());
        var torn = run("inspect", HubServer.NAME);
        assertFails(ExitCode.BAD_INPUT, "not pulled to its end", torn);
        variables.put("HF_ENDPOINT", "http://hub.invalid");
        assertFails(ExitCode.FAILED, "cannot reach hub.invalid: unknown host", pull());
        variables.put("HF_ENDPOINT", "not an address");
        assertFails(ExitCode.USAGE, "is no address", pull());
    }

    @Test
    void offlineOpensNoConnection() {
        String property = System.getProperty("ai.djl.offline");
        try {
            assertFails(ExitCode.BAD_INPUT, "offline", pull("--offline"));
            variables.put("HF_HUB_OFFLINE", "true");
            assertFails(ExitCode.BAD_INPUT, "offline", pull());
            assertFails(ExitCode.BAD_INPUT, "offline", run("inspect", "org/other"));
            assertEquals(List.of(), server.requests());
            variables.remove("HF_HUB_OFFLINE");
            pull();
            server.forget();
            var there = pull("--offline");
            assertEquals(cached + System.lineSeparator(), there.out());
            assertEquals(List.of(), server.requests());
        } finally {
            if (property == null) {
                System.clearProperty("ai.djl.offline");
            }
        }
    }

    @Test
    void theCacheIsWhereTheEnvironmentSays() {
        assertEquals(folder.resolve("cache"), new Environment(variables, null).cacheFolder());
        variables.put("POLLARD_CACHE", "");
        variables.put("XDG_CACHE_HOME", "/x");
        assertEquals(Path.of("/x/pollard"), new Environment(variables, null).cacheFolder());
        assertEquals(
                Path.of(System.getProperty("user.home"), ".cache/pollard"),
                new Environment(Map.of(), null).cacheFolder());
    }

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void ctrlCKeepsThePartAndSaysHowToGoOn() throws Exception {
        server.fault("cdn", server.stallsAfter(1000));
        var command = new ArrayList<String>();
        if (OS.LINUX.isCurrentOs()) {
            // Who builds in the background may have left Ctrl-C ignored.
            command.addAll(List.of("env", "--default-signal=INT"));
        }
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:TieredStopAtLevel=1", "-cp"));
        command.add(System.getProperty("java.class.path"));
        command.addAll(List.of("dev.pollard.cli.Main", "pull", HubServer.NAME));
        var builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(variables);
        builder.environment().remove("HF_HUB_OFFLINE");
        var process = builder.start();
        Path part = cached.resolve("model.safetensors.part");
        try (var out = process.inputReader()) {
            while (process.isAlive() && (!Files.exists(part) || Files.size(part) < 1000)) {
                Thread.sleep(20);
            }
            new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS));
            String said = out.readAllAsString();
            assertTrue(said.contains("interrupted; go on with: pollard pull org/model"), said);
            assertEquals(130, process.exitValue(), said);
        } finally {
            process.destroyForcibly();
        }
        assertEquals(1000, Files.size(part));
        assertFails(ExitCode.BAD_INPUT, "not pulled to its end", run("inspect", HubServer.NAME));
        assertTrue(run("models").err().contains("pollard pull org/model"));

        server.forget();
        assertEquals(0, pull().code());
        assertArrayEquals(weights(), Files.readAllBytes(cached.resolve("model.safetensors")));
        assertTrue(
                server.requests().stream().anyMatch(r -> "bytes=1000-".equals(r.range())),
                server.requests().toString());
    }
}
