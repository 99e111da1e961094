package dev.pollard.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import dev.pollard.hub.HubException.Reason;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Pulls from a Hub on this machine that behaves well, and from one that does not.
@Timeout(60)
class PullTest {
    private static final int LENGTH = 300_000;
    private static final String WEIGHTS = "model.safetensors";
    private static final RepositoryName MODEL = RepositoryName.parse(HubServer.NAME);

    @TempDir private Path root;
    private ModelCache cache;
    private HubServer server;
    private byte[] weights;
    private final List<Duration> pauses = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    @BeforeEach
    void startServer() throws IOException {
        cache = new ModelCache(root);
        weights = bytes(1, LENGTH);
        server =
                new HubServer()
                        .small("config.json", "{}")
                        .small("tokenizer.json", "{\"model\": 1}")
                        .large(WEIGHTS, weights)
                        .large("tf_model.h5", bytes(2, 50))
                        .large("pytorch_model.bin", bytes(3, 50))
                        .small("README.md", "# card")
                        .small("onnx/model.onnx", "no");
    }

    @AfterEach
    void stopServer() {
        server.close();
    }

    private static byte[] bytes(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private Pull.Result pull() throws IOException {
        return pull("main", Optional.empty(), Optional.of("hf_secret"));
    }

    private Pull.Result pull(String revision, Optional<String> file, Optional<String> token)
            throws IOException {
        var listener =
                new PullListener() {
                    @Override
                    public void note(String line) {
                        notes.add(line);
                    }
                };
        var timing = new Hub.Timing(pauses::add, Duration.ofSeconds(20), Duration.ofMillis(500));
        try (var hub = new Hub(server.endpoint(), token, listener, timing)) {
            return new Pull(MODEL, revision, file).run(hub, cache);
        }
    }

    private HubException refused(Reason reason) {
        var refusal = assertThrows(HubException.class, this::pull);
        assertEquals(reason, refusal.reason(), refusal.getMessage());
        return refusal;
    }

    private Path folder() {
        return cache.folder(MODEL);
    }

    private Path part() {
        return folder().resolve(WEIGHTS + ".part");
    }

    /// What lies in the folder, but for Pollard's own notes.
    private Set<String> there() throws IOException {
        try (var files = Files.list(folder())) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> !name.startsWith("."))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    private void assertWeights(byte[] expected) throws IOException {
        assertArrayEquals(expected, Files.readAllBytes(folder().resolve(WEIGHTS)));
        assertFalse(Files.exists(part()));
        assertEquals(List.of(), cache.missing(MODEL));
    }

    // ---- what is fetched ----

    @Test
    void fetchesWhatAModelIsOpenedFromAndNoMore() throws IOException {
        var result = pull();
        assertEquals(Set.of("config.json", "tokenizer.json", WEIGHTS, "README.md"), there());
        assertEquals("{}", Files.readString(folder().resolve("config.json")));
        assertWeights(weights);
        assertEquals(folder(), result.path());
        assertEquals(4, result.fetched());
        assertEquals("1".repeat(40), result.commit());
        assertEquals(
                Optional.of("1".repeat(40)),
                PullRecord.of(folder()).orElseThrow().commitOf(WEIGHTS));
    }

    @Test
    void fetchesNothingTwice() throws IOException {
        pull();
        server.forget();
        assertEquals(0, pull().fetched());
        assertEquals(List.of(), server.requests("/resolve/"));
        assertEquals(List.of(), server.requests("/signed/"));
    }

    @Test
    void fetchesOnlyWhatChanged() throws IOException {
        pull();
        server.commit('2').small("config.json", "{\"a\": 1}").remove("README.md");
        server.forget();
        var result = pull();
        assertEquals(1, result.fetched());
        assertEquals(1, server.requests("/resolve/").size());
        assertEquals("{\"a\": 1}", Files.readString(folder().resolve("config.json")));
        assertEquals(Set.of("config.json", "tokenizer.json", WEIGHTS), there());
    }

    @Test
    void findsAFileThatWasSpoiledOrDeleted() throws IOException {
        pull();
        byte[] spoiled = weights.clone();
        spoiled[77]++;
        Files.write(folder().resolve(WEIGHTS), spoiled);
        Files.setLastModifiedTime(folder().resolve(WEIGHTS), FileTime.fromMillis(1));
        Files.delete(folder().resolve("config.json"));
        assertEquals(2, pull().fetched());
        assertWeights(weights);
    }

    @Test
    void takesFilesThatLieThereWithoutARecord() throws IOException {
        pull();
        Files.delete(folder().resolve(".pull.json"));
        assertEquals(0, pull().fetched());
        Files.writeString(
                folder().resolve(".pull.json"),
                "{\"repository\": \"org/model\", \"files\": {\"../x\": {}}}");
        assertEquals(0, pull().fetched());
    }

    @Test
    void fetchesTheShardsOfTheIndexAndRemovesThemWhenTheyGo() throws IOException {
        String index =
                """
                {"weight_map": {"a": "model-00001-of-00002.safetensors",
                 "b": "model-00002-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"}}""";
        server.remove(WEIGHTS)
                .small("model.safetensors.index.json", index)
                .large("model-00001-of-00002.safetensors", bytes(4, 1000))
                .large("model-00002-of-00002.safetensors", bytes(5, 1000))
                .large("consolidated.safetensors", bytes(6, 2000));
        assertEquals(6, pull().fetched());
        assertEquals(
                Set.of(
                        "config.json",
                        "tokenizer.json",
                        "README.md",
                        "model.safetensors.index.json",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors"),
                there());

        server.commit('2').large(WEIGHTS, weights);
        assertEquals(1, pull().fetched());
        assertEquals(Set.of("config.json", "tokenizer.json", "README.md", WEIGHTS), there());
    }

    @Test
    void takesPyTorchWeightsWhereThereAreNoOthers() throws IOException {
        server.remove(WEIGHTS);
        pull();
        assertTrue(there().contains("pytorch_model.bin"), there().toString());
    }

    @Test
    void fetchesOneGgufFileByItsName() throws IOException {
        server.large("tiny-Q4_0.gguf", bytes(7, 500)).large("tiny-Q8_0.gguf", bytes(8, 900));
        var result = pull("main", Optional.of("tiny-Q4_0.gguf"), Optional.empty());
        assertEquals(folder().resolve("tiny-Q4_0.gguf"), result.path());
        assertEquals(Set.of("tiny-Q4_0.gguf"), there());
        var unknown =
                assertThrows(
                        HubException.class,
                        () -> pull("main", Optional.of("tiny-q4_0.gguf"), Optional.empty()));
        assertTrue(unknown.getMessage().contains("did you mean 'tiny-Q4_0.gguf'?"));
        // The rest beside it.
        pull();
        assertTrue(there().containsAll(Set.of("tiny-Q4_0.gguf", WEIGHTS)), there().toString());
        assertThrows(
                IllegalArgumentException.class,
                () -> new Pull(MODEL, "main", Optional.of("../x.gguf")));
    }

    @Test
    void saysThatThereAreOnlyGgufFilesOrNothing() {
        server.remove("config.json").large("tiny-Q4_0.gguf", bytes(7, 500));
        assertTrue(refused(Reason.REFUSED).getMessage().contains("--file (tiny-Q4_0.gguf)"));
        server.remove("tiny-Q4_0.gguf");
        assertTrue(refused(Reason.REFUSED).getMessage().contains("no config.json"));
        assertFalse(Files.exists(folder()), "nothing is left of a repository without a model");
    }

    @Test
    void readsAListingOfManyPages() throws IOException {
        server.pages(2);
        pull();
        assertWeights(weights);
        assertEquals(4, server.requests("/tree/").size());
    }

    // ---- the token ----

    @Test
    void theTokenGoesToTheHubAndNowhereElse() throws IOException {
        pull();
        var elsewhere = server.requests("/signed/");
        assertFalse(elsewhere.isEmpty());
        elsewhere.forEach(request -> assertNull(request.authorization()));
        server.requests().stream()
                .filter(request -> request.server().equals("hub"))
                .forEach(request -> assertEquals("Bearer hf_secret", request.authorization()));
    }

    @Test
    void aTokenThatWouldBreakTheHeaderIsRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> pull("main", Optional.empty(), Optional.of("hf_x\r\nHost: y")));
    }

    // ---- going on ----

    @Test
    void goesOnWhereTheConnectionBroke() throws IOException {
        server.fault("cdn", server.cutAfter(100_000, part()), server.cutAfter(50_000, part()));
        pull();
        assertWeights(weights);
        var requests = server.requests("/signed/");
        assertEquals(3, requests.size(), notes.toString());
        assertNull(requests.getFirst().range());
        assertEquals("bytes=100000-", requests.get(1).range());
        assertEquals("bytes=150000-", requests.get(2).range());
        assertEquals('"', requests.get(1).ifRange().charAt(0));
        assertEquals(2, pauses.size());
    }

    /// Leaves a part of the weights, as an interrupted pull does.
    private void interruptedPull() throws IOException {
        server.fault("cdn", server.cutAfter(100_000, part()));
        for (int i = 1; i < Patience.ATTEMPTS; i++) {
            server.fault("cdn", HubServer.refuses(503));
        }
        refused(Reason.UNREACHABLE);
        assertEquals(100_000, Files.size(part()));
        assertEquals(List.of(WEIGHTS), cache.missing(MODEL));
        server.forget();
        notes.clear();
    }

    @Test
    void theNextPullGoesOn() throws IOException {
        interruptedPull();
        pull();
        assertWeights(weights);
        assertEquals("bytes=100000-", server.requests("/signed/").getFirst().range());
        assertEquals(List.of(), notes);
    }

    @Test
    void aFileThatIsWholeInItsPartIsNotFetched() throws IOException {
        interruptedPull();
        Files.write(part(), weights);
        pull();
        assertWeights(weights);
        assertEquals(List.of(), server.requests("/signed/"));
    }

    @Test
    void aFileThatChangedMeanwhileBeginsAgain() throws IOException {
        interruptedPull();
        byte[] other = bytes(9, LENGTH + 10);
        server.commit('2').large(WEIGHTS, other);
        pull();
        assertWeights(other);
        assertNull(server.requests("/signed/").getFirst().range());
    }

    @Test
    void aFileUnderAnotherEntityTagBeginsAgain() throws IOException {
        interruptedPull();
        server.storedAnew();
        pull();
        assertWeights(weights);
        assertEquals(1, server.requests("/signed/").size());
        assertTrue(server.requests("/signed/").getFirst().range() != null);
    }

    @Test
    void aRangeOfAnotherFileIsNotUsed() throws IOException {
        interruptedPull();
        server.fault(
                "cdn",
                exchange -> {
                    exchange.getResponseHeaders().set("ETag", "\"other\"");
                    exchange.getResponseHeaders()
                            .set(
                                    "Content-Range",
                                    exchange.getRequestHeaders()
                                                    .getFirst("Range")
                                                    .replaceAll("\\D+(\\d+)-", "bytes $1-")
                                            + (LENGTH - 1)
                                            + "/"
                                            + LENGTH);
                    exchange.sendResponseHeaders(206, 0);
                    exchange.getResponseBody().write(bytes(10, 1000));
                });
        pull();
        assertWeights(weights);
        assertEquals(List.of(), notes);
    }

    @Test
    void aServerWithoutRangesBeginsAgain() throws IOException {
        interruptedPull();
        server.withoutRanges();
        pull();
        assertWeights(weights);
    }

    @Test
    void aPartThatTheDiskSpoiledIsFetchedAgain() throws IOException {
        interruptedPull();
        byte[] spoiled = Files.readAllBytes(part());
        spoiled[3]++;
        Files.write(part(), spoiled);
        pull();
        assertWeights(weights);
        assertTrue(notes.toString().contains("again from the start"), notes.toString());
    }

    // ---- wrong bytes ----

    @Test
    void givesUpOnAConnectionThatAlwaysBreaksAtTheSamePlace() throws IOException {
        server.withoutRanges();
        for (int i = 0; i < 2 * Patience.ATTEMPTS; i++) {
            server.fault("cdn", server.cutAfter(1000, part()));
        }
        var failure = refused(Reason.UNREACHABLE);
        assertTrue(failure.getMessage().contains("of 300,000 bytes"), failure.getMessage());
        assertFalse(Files.exists(folder().resolve(WEIGHTS)));
        assertTrue(server.requests("/signed/").size() <= Patience.ATTEMPTS + 1);
    }

    @ParameterizedTest
    @ValueSource(strings = {WEIGHTS, "tokenizer.json"})
    void refusesBytesWithAnotherHash(String name) throws IOException {
        boolean large = name.equals(WEIGHTS);
        server.listed(name, large ? LENGTH : 12, "a".repeat(large ? 64 : 40));
        var failure = refused(Reason.WRONG_BYTES);
        assertTrue(failure.getMessage().startsWith(name + ": "), failure.getMessage());
        assertFalse(there().contains(name), there().toString());
        assertFalse(there().contains(name + ".part"), there().toString());
        assertTrue(there().contains("config.json"), "what was right stays");
        assertEquals(1, server.requests("/resolve/" + "1".repeat(40) + "/" + name).size());
    }

    @Test
    void refusesAFileOfAnotherLength() throws IOException {
        server.listed(WEIGHTS, LENGTH - 1, "a".repeat(64));
        refused(Reason.WRONG_BYTES);
        server.fault(
                "cdn",
                exchange -> {
                    exchange.sendResponseHeaders(200, 0); // chunked: the length is not told
                    exchange.getResponseBody().write(weights);
                });
        assertTrue(refused(Reason.WRONG_BYTES).getMessage().contains("more bytes came"));
    }

    @Test
    void aStalledConnectionIsTakenUpAgain() throws IOException {
        server.fault("cdn", server.stallsAfter(2000));
        pull();
        assertWeights(weights);
        assertTrue(
                notes.toString().contains("nothing came any more after 2,000 of"),
                notes.toString());
        var second = server.requests("/signed/").get(1); // there was no ETag
        assertEquals("bytes=2000-", second.range());
        assertNull(second.ifRange());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../x",
                "/etc/x",
                "a/../../x",
                "..",
                "a\\x",
                "C:x",
                "a\nb",
                "sub/..",
                "..\\x.json"
            })
    void refusesAListingWithANameThatLeavesTheFolder(String name) throws IOException {
        server.small(name, "evil");
        var failure = refused(Reason.WRONG_BYTES);
        assertTrue(failure.getMessage().contains("would leave its folder"), failure.getMessage());
        try (var files = Files.walk(root)) {
            assertEquals(List.of(root), files.toList());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"../../x", "/x", "nowhere.safetensors", ""})
    void refusesAnIndexThatNamesAShardThatIsNotListed(String shard) throws IOException {
        server.remove(WEIGHTS)
                .small(
                        "model.safetensors.index.json",
                        "{\"weight_map\": {\"a\": \"%s\"}}".formatted(shard));
        assertThrows(MalformedFileException.class, this::pull);
        try (var files = Files.walk(root)) {
            assertTrue(files.noneMatch(file -> file.getFileName().toString().equals("x")));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:///etc/passwd", "ftp://h/x", "http://", "", "ht tp://x"})
    void followsNoRedirectToSomethingElse(String location) {
        server.fault("hub/org", HubServer.refuses(302, "Location", location));
        refused(Reason.WRONG_BYTES);
    }

    @Test
    void followsNoRedirectForEver() {
        HubServer.Fault around = HubServer.refuses(302, "Location", "/org/model/resolve/x");
        for (int i = 0; i < 20; i++) {
            server.fault("hub/org", around);
        }
        assertTrue(refused(Reason.UNREACHABLE).getMessage().contains("more than 8 times"));
    }

    @Test
    void refusesAListingThatGoesOnElsewhereOrIsNone() {
        server.fault(
                "/tree/",
                exchange -> {
                    exchange.getResponseHeaders().set("Link", "<http://127.0.0.2/>; rel=\"next\"");
                    exchange.sendResponseHeaders(200, 2);
                    exchange.getResponseBody().write("[]".getBytes());
                });
        assertTrue(refused(Reason.WRONG_BYTES).getMessage().contains("at another host"));
        server.fault(
                "/tree/",
                exchange -> {
                    exchange.sendResponseHeaders(200, 6);
                    exchange.getResponseBody().write("<html>".getBytes());
                });
        assertTrue(refused(Reason.WRONG_BYTES).getMessage().contains("no JSON"));
    }

    // ---- refusals ----

    @Test
    void saysWhatToDoAboutEveryRefusal() {
        assertRefusal("no such model, or it is private", "hf_x", 401, "RepoNotFound");
        assertRefusal("the token in HF_TOKEN", "hf_x", 401, "");
        assertRefusal("needs HF_TOKEN", null, 401, "");
        assertRefusal("accept its terms at http://127.0.0.1", null, 401, "GatedRepo");
        assertRefusal("set HF_TOKEN", null, 401, "GatedRepo");
        assertRefusal("the one in HF_TOKEN may not", "hf_x", 403, "GatedRepo");
        assertRefusal("has no such model", null, 404, "RepoNotFound");
        assertRefusal("answers 403 (no.)", null, 403, "Other");
        assertRefusal("answers 418", null, 418, "");
        var unknown =
                assertThrows(
                        HubException.class, () -> pull("man", Optional.empty(), Optional.empty()));
        assertEquals("org/model has no revision 'man'", unknown.getMessage());
        assertEquals(List.of(), pauses, "none of it is tried again");
    }

    private void assertRefusal(String words, String token, int status, String code) {
        server.fault(
                "/api/", HubServer.refuses(status, "X-Error-Code", code, "X-Error-Message", "no."));
        var refusal =
                assertThrows(
                        HubException.class,
                        () -> pull("main", Optional.empty(), Optional.ofNullable(token)));
        assertEquals(Reason.REFUSED, refusal.reason());
        assertTrue(refusal.getMessage().contains(words), refusal.getMessage());
    }

    @Test
    void waitsLongerEveryTimeForABusyServer() throws IOException {
        var busy = HubServer.refuses(500);
        server.fault("/tree/", busy, busy, HubServer.refuses(503));
        pull();
        assertEquals(seconds(1, 2, 4), pauses);
        assertWeights(weights);
    }

    @Test
    void waitsAsLongAsTheServerAsks() throws IOException {
        server.fault("/tree/", HubServer.refuses(429, "RateLimit", "\"api\";r=0;t=55"));
        server.fault("/resolve/", HubServer.refuses(429, "Retry-After", "7"));
        pull();
        assertEquals(seconds(55, 7), pauses);
    }

    @Test
    void doesNotWaitForHours() {
        server.fault("/tree/", HubServer.refuses(429, "Retry-After", "7200"));
        assertTrue(refused(Reason.UNREACHABLE).getMessage().contains("try again in 121 minutes"));
        assertEquals(List.of(), pauses);
    }

    @Test
    void anExpiredAddressIsAskedForAgain() throws IOException {
        server.fault("cdn", HubServer.refuses(403));
        pull();
        assertWeights(weights);
    }

    private static List<Duration> seconds(long... seconds) {
        return java.util.Arrays.stream(seconds).mapToObj(Duration::ofSeconds).toList();
    }

    @Test
    void saysAtOnceThatThereIsNoHub() throws IOException {
        int port;
        try (var socket = new ServerSocket(0)) {
            port = socket.getLocalPort();
        }
        for (String host : List.of("127.0.0.1:" + port, "hub.invalid")) {
            var timing =
                    new Hub.Timing(pauses::add, Duration.ofSeconds(20), Duration.ofSeconds(20));
            try (var hub =
                    new Hub(
                            URI.create("http://" + host),
                            Optional.empty(),
                            PullListener.NONE,
                            timing)) {
                var failure =
                        assertThrows(
                                HubException.class,
                                () -> new Pull(MODEL, "main", Optional.empty()).run(hub, cache));
                assertEquals(Reason.UNREACHABLE, failure.reason());
                assertTrue(failure.getMessage().startsWith("cannot reach"), failure.getMessage());
            }
        }
        assertEquals(List.of(), pauses);
        assertThrows(
                IllegalArgumentException.class,
                () -> new Hub(URI.create("ftp://h"), Optional.empty(), PullListener.NONE));
    }

    // ---- the machine ----

    @Test
    void refusesBeforeTheDownloadWhatDoesNotFit() throws IOException {
        server.listed(WEIGHTS, Long.MAX_VALUE - 5, "a".repeat(64));
        assertTrue(refused(Reason.NO_ROOM).getMessage().contains("POLLARD_CACHE"));
        assertEquals(List.of(), server.requests("/resolve/"));
        assertEquals(Set.of(), there());
    }

    @Test
    void twoPullsOfOneModelDoNotMeet() throws IOException {
        Files.createDirectories(folder());
        try (var channel =
                        FileChannel.open(
                                folder().resolve(".pull.lock"),
                                StandardOpenOption.CREATE,
                                StandardOpenOption.WRITE);
                var lock = channel.lock()) {
            assertTrue(lock.isValid());
            refused(Reason.BUSY);
        }
        pull();
    }
}
