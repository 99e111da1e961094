package dev.pollard.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/// A headless Chromium with one tab, steered by the DevTools protocol.
final class Browser implements AutoCloseable {
    private static final List<String> NAMES =
            List.of("chromium", "chromium-browser", "google-chrome", "chrome");

    /// Long enough for a machine that does much else.
    private static final long SECONDS = 120;

    private final ObjectMapper json = new ObjectMapper();
    private final Process process;
    private final HttpClient client = HttpClient.newHttpClient();
    private final WebSocket socket;
    private final Map<Integer, CompletableFuture<JsonNode>> answers = new ConcurrentHashMap<>();
    private final LinkedBlockingQueue<JsonNode> events = new LinkedBlockingQueue<>();
    private final String session;
    private int calls;

    /// The browser of this machine, if it has one.
    static Optional<Path> find() {
        return Stream.of(System.getenv("PATH").split(File.pathSeparator))
                .flatMap(folder -> NAMES.stream().map(name -> Path.of(folder, name)))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /// @param profile an empty folder
    Browser(Path chromium, Path profile) throws Exception {
        process =
                new ProcessBuilder(
                                chromium.toString(),
                                "--headless=new",
                                "--no-sandbox", // containers run tests as root
                                "--disable-gpu",
                                "--no-first-run",
                                "--hide-scrollbars",
                                "--remote-debugging-port=0",
                                "--user-data-dir=" + profile,
                                "about:blank")
                        .redirectErrorStream(true)
                        .redirectOutput(profile.resolve("log").toFile())
                        .start();
        try {
            var address = address(profile.resolve("DevToolsActivePort"));
            socket =
                    client.newWebSocketBuilder()
                            .connectTimeout(Duration.ofSeconds(SECONDS))
                            .buildAsync(address, new Listener())
                            .get(SECONDS, TimeUnit.SECONDS);
            String target =
                    send("", "Target.createTarget", Map.of("url", "about:blank"))
                            .get("targetId")
                            .textValue();
            session =
                    send("", "Target.attachToTarget", Map.of("targetId", target, "flatten", true))
                            .get("sessionId")
                            .textValue();
            for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
                call(domain + ".enable", Map.of());
            }
        } catch (Exception e) {
            process.destroyForcibly();
            throw e;
        }
    }

    /// Chromium writes its port and the path of its socket, a line each.
    private URI address(Path file) throws IOException, InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        while (System.nanoTime() < end && process.isAlive()) {
            if (Files.exists(file)) {
                var lines = Files.readAllLines(file);
                if (lines.size() == 2) {
                    return URI.create("ws://127.0.0.1:" + lines.get(0) + lines.get(1));
                }
            }
            Thread.sleep(20);
        }
        throw new IOException(
                "Chromium did not start: " + Files.readString(file.resolveSibling("log")));
    }

    private final class Listener implements WebSocket.Listener {
        private final StringBuilder text = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
            text.append(part);
            if (last) {
                receive(text.toString());
                text.setLength(0);
            }
            from.request(1);
            return null;
        }
    }

    private void receive(String text) {
        JsonNode message;
        try {
            message = json.readTree(text);
        } catch (IOException e) {
            throw new IllegalStateException(text, e);
        }
        if (!message.has("id")) {
            events.add(message);
            return;
        }
        var answer = answers.remove(message.get("id").intValue());
        if (message.has("error")) {
            answer.completeExceptionally(new IOException(message.get("error").toString()));
        } else {
            answer.complete(message.get("result"));
        }
    }

    private JsonNode send(String to, String method, Map<String, ?> parameters)
            throws InterruptedException, ExecutionException, TimeoutException {
        ObjectNode message = json.createObjectNode();
        int id = ++calls;
        message.put("id", id).put("method", method).set("params", json.valueToTree(parameters));
        if (!to.isEmpty()) {
            message.put("sessionId", to);
        }
        var answer = new CompletableFuture<JsonNode>();
        answers.put(id, answer);
        socket.sendText(message.toString(), true).get(SECONDS, TimeUnit.SECONDS);
        return answer.get(SECONDS, TimeUnit.SECONDS);
    }

    /// Calls the tab.
    JsonNode call(String method, Map<String, ?> parameters)
            throws InterruptedException, ExecutionException, TimeoutException {
        return send(session, method, parameters);
    }

    /// Opens a page and waits until it is there.
    ///
    /// @return what went wrong: exceptions, console messages, log entries, and requests for
    ///     anything
    ///     but the page itself
    List<String> open(Path page, int width, int height, boolean dark)
            throws InterruptedException, ExecutionException, TimeoutException {
        call(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", false));
        var scheme = Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light");
        call("Emulation.setEmulatedMedia", Map.of("features", List.of(scheme)));
        events.clear();
        String address = page.toUri().toString();
        call("Page.navigate", Map.of("url", address));
        var wrong = new ArrayList<String>();
        while (true) {
            var event = events.poll(SECONDS, TimeUnit.SECONDS);
            if (event == null) {
                throw new TimeoutException("the page did not load");
            }
            switch (event.get("method").textValue()) {
                case "Page.loadEventFired" -> {
                    return wrong;
                }
                case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded" ->
                        wrong.add(event.toString());
                case "Network.requestWillBeSent" -> {
                    String asked = event.at("/params/request/url").textValue();
                    if (!asked.equals(address)) {
                        wrong.add("asked for " + asked);
                    }
                }
                default -> {}
            }
        }
    }

    /// Value of an expression.
    JsonNode evaluate(String expression)
            throws InterruptedException, ExecutionException, TimeoutException {
        var answer =
                call("Runtime.evaluate", Map.of("expression", expression, "returnByValue", true));
        if (answer.has("exceptionDetails")) {
            throw new IllegalArgumentException(answer.toString());
        }
        return answer.at("/result/value");
    }

    /// A picture of the whole page, PNG.
    byte[] screenshot(int width) throws InterruptedException, ExecutionException, TimeoutException {
        double height =
                call("Page.getLayoutMetrics", Map.of()).at("/cssContentSize/height").doubleValue();
        var clip = Map.of("x", 0, "y", 0, "width", width, "height", height, "scale", 1);
        var answer =
                call(
                        "Page.captureScreenshot",
                        Map.of("format", "png", "captureBeyondViewport", true, "clip", clip));
        return Base64.getDecoder().decode(answer.get("data").textValue());
    }

    /// The page as it would be printed, PDF.
    byte[] print() throws InterruptedException, ExecutionException, TimeoutException {
        var answer = call("Page.printToPDF", Map.of("printBackground", false));
        return Base64.getDecoder().decode(answer.get("data").textValue());
    }

    @Override
    public void close() {
        socket.abort();
        client.close();
        var all = Stream.concat(process.descendants(), Stream.of(process.toHandle())).toList();
        all.forEach(ProcessHandle::destroyForcibly);
        all.forEach(ended -> ended.onExit().join());
    }
}
