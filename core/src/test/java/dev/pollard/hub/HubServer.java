package dev.pollard.hub;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;

/// A Hub of this machine with one repository, `org/model`. Small files come from it, large ones
/// from a second server, as the real one's come from a content delivery network. Faults are put
/// in front of what it would answer.
public final class HubServer implements AutoCloseable {
    public static final String NAME = "org/model";

    /// Something else than the right answer.
    @FunctionalInterface
    public interface Fault {
        void answer(HttpExchange exchange) throws IOException;
    }

    /// A request as it arrived.
    ///
    /// @param server `hub` or `cdn`
    public record Request(
            String server, String path, String authorization, String range, String ifRange) {}

    private record Content(byte[] bytes, boolean large, long listedBytes, String listedHash) {}

    private final HttpServer hub = server();
    private final HttpServer network = server();
    private final Map<String, Content> files = new LinkedHashMap<>();
    private final Map<String, Deque<Fault>> faults = new LinkedHashMap<>();
    private final List<Request> requests = Collections.synchronizedList(new ArrayList<>());
    private String commit = "1".repeat(40);
    private String tagSuffix = "";
    private boolean ranges = true;
    private int pageSize = 1000;

    public HubServer() throws IOException {
        hub.createContext("/", exchange -> guarded("hub", exchange));
        network.createContext("/", exchange -> guarded("cdn", exchange));
        hub.start();
        network.start();
    }

    private static HttpServer server() throws IOException {
        var server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        return server;
    }

    public URI endpoint() {
        return address(hub);
    }

    private static URI address(HttpServer server) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /// A file that git holds.
    public HubServer small(String name, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        byte[] head = ("blob " + bytes.length + "\0").getBytes(StandardCharsets.US_ASCII);
        files.put(name, new Content(bytes, false, bytes.length, hash("SHA-1", head, bytes)));
        return this;
    }

    /// A file outside of git.
    public HubServer large(String name, byte[] bytes) {
        files.put(name, new Content(bytes, true, bytes.length, hash("SHA-256", bytes)));
        return this;
    }

    /// The listing tells something else of a file than its bytes do.
    public HubServer listed(String name, long bytes, String hash) {
        var content = files.get(name);
        files.put(name, new Content(content.bytes, content.large, bytes, hash));
        return this;
    }

    HubServer remove(String name) {
        files.remove(name);
        return this;
    }

    /// Everything is at another commit.
    HubServer commit(char digit) {
        commit = String.valueOf(digit).repeat(40);
        return this;
    }

    /// Files get other ETags, as when they are stored anew.
    HubServer storedAnew() {
        tagSuffix += "-again";
        return this;
    }

    /// Ranges are ignored from now on.
    HubServer withoutRanges() {
        ranges = false;
        return this;
    }

    HubServer pages(int entries) {
        pageSize = entries;
        return this;
    }

    /// The next request whose path contains `part` gets this answer instead; queued.
    public HubServer fault(String part, Fault... next) {
        faults.computeIfAbsent(part, _ -> new ArrayDeque<>()).addAll(List.of(next));
        return this;
    }

    public List<Request> requests() {
        return List.copyOf(requests);
    }

    List<Request> requests(String part) {
        return requests().stream().filter(request -> request.path.contains(part)).toList();
    }

    public void forget() {
        requests.clear();
    }

    /// An error as the Hub gives it.
    public static Fault refuses(int status, String... headers) {
        return exchange -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            exchange.sendResponseHeaders(status, -1);
        };
    }

    /// The right bytes, but only so many of them. The connection is cut when all of them have
    /// reached the part file, for a client may throw away what it has not handed on.
    public Fault cutAfter(int count, Path part) {
        return exchange -> {
            String range = exchange.getRequestHeaders().getFirst("Range");
            int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
            send(exchange, name(exchange), count);
            exchange.getResponseBody().flush();
            long end = System.nanoTime() + 10_000_000_000L;
            while ((!Files.exists(part) || Files.size(part) < (ranges ? from : 0) + count)
                    && System.nanoTime() < end) {
                Thread.onSpinWait();
            }
        };
    }

    /// So many of the right bytes, and then nothing, for ever.
    public Fault stallsAfter(int count) {
        return exchange -> {
            var bytes = files.get(name(exchange)).bytes;
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes, 0, count);
            exchange.getResponseBody().flush();
            try {
                Thread.sleep(60_000);
            } catch (InterruptedException _) {
                // The server is closed.
            }
        };
    }

    private void guarded(String server, HttpExchange exchange) throws IOException {
        var headers = exchange.getRequestHeaders();
        String path = exchange.getRequestURI().getRawPath();
        requests.add(
                new Request(
                        server,
                        path,
                        headers.getFirst("Authorization"),
                        headers.getFirst("Range"),
                        headers.getFirst("If-Range")));
        try (exchange) {
            var fault =
                    faults.entrySet().stream()
                            .filter(e -> (server + path).contains(e.getKey()))
                            .map(e -> e.getValue().poll())
                            .filter(next -> next != null)
                            .findFirst();
            if (fault.isPresent()) {
                fault.get().answer(exchange);
            } else if (server.equals("cdn")) {
                send(exchange, name(exchange), Integer.MAX_VALUE);
            } else {
                answer(exchange, path);
            }
        } catch (IOException _) {
            // The client went away, or a fault cut the connection: that is what is tested.
        }
    }

    private static String name(HttpExchange exchange) {
        String path = exchange.getRequestURI().getRawPath();
        return URLDecoder.decode(path.substring(path.lastIndexOf('/') + 1), StandardCharsets.UTF_8);
    }

    private void answer(HttpExchange exchange, String path) throws IOException {
        String api = "/api/models/" + NAME;
        if (path.equals(api + "/revision/main") || path.equals(api + "/revision/" + commit)) {
            text(exchange, "{\"id\": \"%s\", \"sha\": \"%s\"}".formatted(NAME, commit));
        } else if (path.startsWith(api + "/revision/")) {
            refuses(404, "X-Error-Code", "RevisionNotFound").answer(exchange);
        } else if (path.equals(api + "/tree/" + commit)) {
            listing(exchange);
        } else if (path.startsWith("/" + NAME + "/resolve/" + commit + "/")) {
            var content = files.get(name(exchange));
            exchange.getResponseHeaders().set("X-Repo-Commit", commit);
            if (content.large) {
                exchange.getResponseHeaders().set("X-Linked-Etag", quoted(content));
                exchange.getResponseHeaders()
                        .set("Location", address(network) + "/signed/" + name(exchange));
                exchange.sendResponseHeaders(302, -1);
            } else if (path.contains("/resolve/")) {
                send(exchange, name(exchange), Integer.MAX_VALUE);
            }
        } else {
            refuses(401, "X-Error-Code", "RepoNotFound").answer(exchange);
        }
    }

    private void listing(HttpExchange exchange) throws IOException {
        String query = exchange.getRequestURI().getQuery();
        int from = query == null ? 0 : Integer.parseInt(query.replaceAll("\\D", ""));
        var names = List.copyOf(files.keySet());
        int to = Math.min(names.size(), from + pageSize);
        var entries = new ArrayList<Map<String, Object>>();
        for (String name : names.subList(from, to)) {
            var content = files.get(name);
            var entry = new LinkedHashMap<String, Object>();
            entry.put("type", "file");
            entry.put("path", name);
            entry.put("size", content.listedBytes);
            entry.put("oid", content.large ? "0".repeat(40) : content.listedHash);
            if (content.large) {
                entry.put(
                        "lfs",
                        Map.of(
                                "oid", content.listedHash,
                                "size", content.listedBytes,
                                "pointerSize", 134));
            }
            entries.add(entry);
        }
        entries.add(Map.of("type", "directory", "path", "onnx", "size", 0, "oid", "0".repeat(40)));
        if (to < names.size()) {
            String next =
                    "%s%s?cursor=%d".formatted(endpoint(), exchange.getRequestURI().getPath(), to);
            exchange.getResponseHeaders().set("Link", "<" + next + ">; rel=\"next\"");
        }
        text(exchange, new JsonMapper().writeValueAsString(entries));
    }

    private static void text(HttpExchange exchange, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    private String quoted(Content content) {
        return "\"" + content.listedHash + tagSuffix + "\"";
    }

    /// The file, or the range asked for, or the first `most` bytes of that.
    private void send(HttpExchange exchange, String name, int most) throws IOException {
        var content = files.get(name);
        var headers = exchange.getRequestHeaders();
        byte[] bytes = content.bytes;
        String range = headers.getFirst("Range");
        String condition = headers.getFirst("If-Range");
        exchange.getResponseHeaders().set("ETag", quoted(content));
        int status = 200;
        if (ranges && range != null && (condition == null || condition.equals(quoted(content)))) {
            int from = Integer.parseInt(range.replaceAll("\\D", ""));
            if (from >= bytes.length) {
                exchange.sendResponseHeaders(416, -1);
                return;
            }
            exchange.getResponseHeaders()
                    .set(
                            "Content-Range",
                            "bytes %d-%d/%d".formatted(from, bytes.length - 1, bytes.length));
            bytes = Arrays.copyOfRange(bytes, from, bytes.length);
            status = 206;
        }
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes, 0, Math.min(most, bytes.length));
    }

    static String hash(String algorithm, byte[]... pieces) {
        try {
            var digest = MessageDigest.getInstance(algorithm);
            for (byte[] piece : pieces) {
                digest.update(piece);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        network.stop(0);
    }
}
