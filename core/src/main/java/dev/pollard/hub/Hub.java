package dev.pollard.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollard.hub.HubException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// The Hugging Face Hub, or a server that speaks like it. Three addresses are all that is asked
/// for (huggingface.co/docs/hub/api, and what huggingface_hub 1.x does):
///
/// - `/api/models/ORG/NAME/revision/R`: the commit (`sha`) of a branch, tag or commit;
/// - `/api/models/ORG/NAME/tree/COMMIT`: its files, `size` and `oid`; large ones have `lfs.oid`,
///   their SHA-256; a `Link` header leads to the next page;
/// - `/ORG/NAME/resolve/COMMIT/FILE`: the bytes, by a redirect to another host if they are many.
///
/// All files are asked of one commit, so a push in between does not mix two versions. A refusal
/// names its kind in `X-Error-Code`; a busy Hub says in `RateLimit` (`…;t=SECONDS`) or
/// `Retry-After` when it may be asked again.
public final class Hub implements AutoCloseable {
    /// Where the Hub is unless HF_ENDPOINT says otherwise.
    public static final URI DEFAULT_ENDPOINT = URI.create("https://huggingface.co");

    private static final int LONGEST_LISTING = 32 << 20;
    private static final int MOST_PAGES = 100;
    private static final int LONGEST_MESSAGE = 200;
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final Pattern NEXT = Pattern.compile("<([^>]+)>\\s*;\\s*rel=\"?next\"?");
    private static final Pattern RESET = Pattern.compile(";\\s*t=(\\d{1,6})");
    private static final Pattern RANGE =
            Pattern.compile("bytes (\\d{1,18})-\\d{1,18}/(\\d{1,18}|\\*)");

    /// How long things may take.
    ///
    /// @param pause takes the time between two attempts
    /// @param answer until an answer begins
    /// @param stall without a byte of a body
    record Timing(Patience.Pause pause, Duration answer, Duration stall) {
        static final Timing USUAL =
                new Timing(Thread::sleep, Duration.ofSeconds(60), Duration.ofSeconds(60));
    }

    private final String endpoint;
    private final Optional<String> token;
    private final Connection connection;
    private final Timing timing;
    private final Patience patience;
    private final PullListener listener;

    /// Opens no connection yet.
    ///
    /// @param token sent to this server and to no other
    /// @param listener hears of bytes and of further attempts
    /// @throws IllegalArgumentException if the endpoint is no HTTP address, or the token cannot
    ///     be one
    public Hub(URI endpoint, Optional<String> token, PullListener listener) {
        this(endpoint, token, listener, Timing.USUAL);
    }

    Hub(URI endpoint, Optional<String> token, PullListener listener, Timing timing) {
        this.endpoint = endpoint.toString().replaceFirst("/+$", "");
        this.token = token;
        this.connection = new Connection(endpoint, token, timing.answer());
        this.timing = timing;
        this.patience = new Patience(timing.pause(), listener);
        this.listener = listener;
    }

    Patience patience() {
        return patience;
    }

    PullListener listener() {
        return listener;
    }

    String endpoint() {
        return endpoint;
    }

    /// The commit that a revision is at.
    ///
    /// @param revision a branch, a tag, a commit, `refs/pr/7`
    /// @throws HubException if there is no such model or revision, or it is not for this user
    String commit(RepositoryName repository, String revision) throws IOException {
        URI address = api(repository, "revision/" + escaped(revision));
        String commit = json(repository, revision, address).body().path("sha").asText();
        if (!COMMIT.matcher(commit).matches()) {
            throw strange(repository, "names no commit");
        }
        return commit;
    }

    /// The files of a commit that lie in no folder.
    ///
    /// @throws HubException if the listing is not what it should be: a name that would leave the
    ///     folder it is put in is refused, with all the others
    List<HubFile> files(RepositoryName repository, String commit) throws IOException {
        var files = new ArrayList<HubFile>();
        Optional<URI> page = Optional.of(api(repository, "tree/" + commit));
        for (int pages = 0; page.isPresent(); pages++) {
            if (pages == MOST_PAGES) {
                throw strange(repository, "lists more than %d pages".formatted(MOST_PAGES));
            }
            var listing = json(repository, commit, page.get());
            if (!listing.body().isArray()) {
                throw strange(repository, "lists no files");
            }
            for (JsonNode entry : listing.body()) {
                String path = entry.path("path").asText();
                refuseEscape(repository, path);
                if (entry.path("type").asText().equals("file") && HubFile.isPlain(path)) {
                    files.add(file(repository, path, entry));
                }
            }
            page = next(page.get(), listing.headers());
        }
        return files;
    }

    private HubFile file(RepositoryName repository, String path, JsonNode entry)
            throws HubException {
        JsonNode large = entry.path("lfs");
        try {
            return large.isObject()
                    ? new HubFile(
                            path,
                            large.path("size").asLong(-1),
                            new Checksum(Checksum.Kind.SHA256, large.path("oid").asText()))
                    : new HubFile(
                            path,
                            entry.path("size").asLong(-1),
                            new Checksum(Checksum.Kind.GIT_BLOB, entry.path("oid").asText()));
        } catch (IllegalArgumentException e) {
            throw strange(repository, "lists %s: %s".formatted(path, e.getMessage()));
        }
    }

    /// No honest listing holds such a path, so nothing of this one is believed.
    private void refuseEscape(RepositoryName repository, String path) throws HubException {
        boolean escapes =
                path.isEmpty()
                        || path.startsWith("/")
                        || path.chars().anyMatch(c -> c < ' ' || c == '\\')
                        || path.matches("[A-Za-z]:.*")
                        || List.of(path.split("/", -1)).contains("..");
        if (escapes) {
            throw strange(
                    repository, "lists a file '%s', which would leave its folder".formatted(path));
        }
    }

    private static Optional<URI> next(URI page, HttpHeaders headers) {
        return headers.firstValue("Link")
                .map(NEXT::matcher)
                .filter(java.util.regex.Matcher::find)
                .map(match -> page.resolve(match.group(1)));
    }

    private record Answer(JsonNode body, HttpHeaders headers) {}

    private Answer json(RepositoryName repository, String revision, URI address)
            throws IOException {
        return patience.persist(
                repository.toString(), () -> 0, () -> readJson(repository, revision, address));
    }

    private Answer readJson(RepositoryName repository, String revision, URI address)
            throws IOException {
        if (!connection.isSameServer(address)) {
            throw strange(repository, "goes on at another host");
        }
        var answer = connection.get(address, Map.of("Accept", "application/json"));
        try (var body = new Body(answer.body(), 0, "", timing.stall())) {
            require(answer, repository, revision, "");
            byte[] text = readAll(repository, body);
            return new Answer(new JsonMapper().readTree(text), answer.headers());
        } catch (JsonProcessingException _) {
            throw strange(repository, "answers with something that is no JSON");
        }
    }

    private byte[] readAll(RepositoryName repository, Body body) throws IOException {
        var text = new java.io.ByteArrayOutputStream();
        byte[] chunk = new byte[1 << 14];
        for (int count = body.read(chunk); count >= 0; count = body.read(chunk)) {
            text.write(chunk, 0, count);
            if (text.size() > LONGEST_LISTING) {
                throw strange(repository, "answers without end");
            }
        }
        return text.toByteArray();
    }

    /// The bytes of a file from `offset` on, or from its beginning: when the server cannot give a
    /// part of it, or when the file under that ETag is not there any more.
    ///
    /// @param entityTag the strong ETag of what was fetched before, or empty: then only the
    ///     checksum of the whole will tell whether the rest is of the same file
    /// @throws TransientException if it may work the next time
    /// @throws HubException if the file is refused, or has another length than it was listed with
    Body open(RepositoryName repository, String commit, HubFile file, long offset, String entityTag)
            throws IOException {
        URI address =
                URI.create(
                        "%s/%s/resolve/%s/%s"
                                .formatted(endpoint, repository, commit, escaped(file.name())));
        var headers = new LinkedHashMap<String, String>();
        if (offset > 0) {
            headers.put("Range", "bytes=" + offset + "-");
            if (!entityTag.isEmpty()) {
                headers.put("If-Range", entityTag);
            }
        }
        var answer = connection.get(address, headers);
        try {
            if (offset > 0 && !continues(answer, file, offset, entityTag)) {
                answer.body().close();
                return open(repository, commit, file, 0, "");
            }
            require(answer, repository, commit, file.name());
            if (answer.statusCode() == 200) {
                requireLength(answer, file);
            }
            boolean part = answer.statusCode() == 206;
            String tag = strongTag(answer);
            return new Body(
                    answer.body(),
                    part ? offset : 0,
                    part && tag.isEmpty() ? entityTag : tag,
                    timing.stall());
        } catch (IOException e) {
            answer.body().close();
            throw e;
        }
    }

    /// Whether an answer to a range is usable: the range asked for, of the file as it was, or all
    /// of the file; not a range of another file, nor one that cannot be satisfied.
    private static boolean continues(
            HttpResponse<InputStream> answer, HubFile file, long offset, String entityTag) {
        if (answer.statusCode() != 206) {
            return answer.statusCode() != 416;
        }
        var range = RANGE.matcher(answer.headers().firstValue("Content-Range").orElse(""));
        String tag = strongTag(answer);
        return range.matches()
                && Long.parseLong(range.group(1)) == offset
                && (range.group(2).equals("*") || Long.parseLong(range.group(2)) == file.bytes())
                && (tag.isEmpty() || entityTag.isEmpty() || tag.equals(entityTag));
    }

    private static String strongTag(HttpResponse<InputStream> answer) {
        return answer.headers().firstValue("ETag").filter(tag -> tag.startsWith("\"")).orElse("");
    }

    private static void requireLength(HttpResponse<InputStream> answer, HubFile file)
            throws HubException {
        long length = answer.headers().firstValueAsLong("Content-Length").orElse(file.bytes());
        if (length != file.bytes()) {
            throw new HubException(
                    Reason.WRONG_BYTES,
                    "%s: the server sends %,d bytes where the Hub lists %,d"
                            .formatted(file.name(), length, file.bytes()));
        }
    }

    // ---- refusals ----

    /// @param file empty if a listing was asked for
    private void require(
            HttpResponse<InputStream> answer,
            RepositoryName repository,
            String revision,
            String file)
            throws IOException {
        int status = answer.statusCode();
        if (status == 200 || status == 206) {
            return;
        }
        boolean elsewhere = !connection.isSameServer(answer.uri());
        if (status == 429 || status == 408 || status >= 500 || elsewhere && status == 403) {
            // A signed address of another host is refused when it has expired; the next is fresh.
            throw new TransientException(
                    "%s answers %d%s"
                            .formatted(
                                    answer.uri().getHost(),
                                    status,
                                    status == 429 ? " (too many requests)" : ""),
                    pause(answer.headers()));
        }
        throw new HubException(Reason.REFUSED, refusal(answer, repository, revision, file));
    }

    private static Optional<Duration> pause(HttpHeaders headers) {
        var retryAfter =
                headers.firstValue("Retry-After").filter(value -> value.matches("\\d{1,6}"));
        var reset = RESET.matcher(headers.firstValue("RateLimit").orElse(""));
        return retryAfter
                .or(() -> reset.find() ? Optional.of(reset.group(1)) : Optional.empty())
                .map(seconds -> Duration.ofSeconds(Math.max(1, Long.parseLong(seconds))));
    }

    private String refusal(
            HttpResponse<InputStream> answer,
            RepositoryName repository,
            String revision,
            String file) {
        int status = answer.statusCode();
        String code = answer.headers().firstValue("X-Error-Code").orElse("");
        String host = URI.create(endpoint).getHost();
        return switch (code) {
            case "GatedRepo" ->
                    "%s is gated: accept its terms at %s/%s, then %s"
                            .formatted(
                                    repository,
                                    endpoint,
                                    repository,
                                    token.isEmpty()
                                            ? "set HF_TOKEN to a token of yours (%s/settings/tokens)"
                                                    .formatted(endpoint)
                                            : "use a token that may read it: the one in HF_TOKEN may not");
            case "RevisionNotFound" -> "%s has no revision '%s'".formatted(repository, revision);
            case "EntryNotFound" -> "%s has no file '%s'".formatted(repository, file);
            default ->
                    switch (status) {
                        case 401 ->
                                "%s: %s has no such model, or it is private: %s"
                                        .formatted(
                                                repository,
                                                host,
                                                token.isEmpty()
                                                        ? "check the name; a private one needs HF_TOKEN"
                                                        : "check the name, and the token in HF_TOKEN");
                        case 404 -> "%s: %s has no such model".formatted(repository, host);
                        default ->
                                "%s: %s answers %d%s"
                                        .formatted(
                                                repository,
                                                answer.uri().getHost(),
                                                status,
                                                message(answer.headers()));
                    };
        };
    }

    private static String message(HttpHeaders headers) {
        String text = headers.firstValue("X-Error-Message").orElse("");
        String cut = text.substring(0, Math.min(LONGEST_MESSAGE, text.length()));
        return cut.isEmpty() ? "" : " (" + cut + ")";
    }

    private HubException strange(RepositoryName repository, String what) {
        return new HubException(
                Reason.WRONG_BYTES,
                "%s: %s %s".formatted(repository, URI.create(endpoint).getHost(), what));
    }

    private URI api(RepositoryName repository, String rest) {
        return URI.create("%s/api/models/%s/%s".formatted(endpoint, repository, rest));
    }

    private static String escaped(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    @Override
    public void close() {
        connection.close();
    }
}
