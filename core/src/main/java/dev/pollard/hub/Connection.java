package dev.pollard.hub;

import dev.pollard.hub.HubException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLException;

/// GET requests to one server and to wherever it redirects. The token goes to that server alone:
/// the Hub sends large files from other hosts, by addresses that are signed and need none.
final class Connection implements AutoCloseable {
    private static final Duration CONNECT = Duration.ofSeconds(20);
    private static final int MOST_REDIRECTS = 8;
    private static final Set<Integer> REDIRECTS = Set.of(301, 302, 303, 307, 308);

    private final HttpClient client =
            HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .followRedirects(HttpClient.Redirect.NEVER) // it would take the token along
                    .connectTimeout(CONNECT)
                    .build();
    private final URI server;
    private final Optional<String> token;
    private final Duration patience; // for an answer to begin
    private boolean reached; // whether the server ever answered

    /// @param server `https://huggingface.co`
    /// @param token sent to `server` only
    /// @throws IllegalArgumentException if `server` is no HTTP address
    Connection(URI server, Optional<String> token, Duration patience) {
        if (!isHttp(server) || server.getHost() == null) {
            throw new IllegalArgumentException(
                    "HF_ENDPOINT '%s' is no address: give https://HOST".formatted(server));
        }
        if (token.isPresent() && !token.get().matches("[!-~]+")) {
            throw new IllegalArgumentException("HF_TOKEN holds characters that no token has");
        }
        this.server = server;
        this.token = token;
        this.patience = patience;
    }

    /// Asks for `start`, follows redirects. The body is the caller's to close.
    ///
    /// @param headers further ones, sent to every host
    /// @return an answer with any status but a redirect
    /// @throws TransientException if the connection could not be made or broke
    /// @throws HubException if there is no network, or a redirect that must not be followed
    HttpResponse<InputStream> get(URI start, Map<String, String> headers) throws IOException {
        URI place = start;
        for (int hop = 0; hop <= MOST_REDIRECTS; hop++) {
            var answer = send(place, headers);
            if (!REDIRECTS.contains(answer.statusCode())) {
                return answer;
            }
            answer.body().close();
            place = redirected(place, answer.headers().firstValue("Location").orElse(""));
        }
        throw new HubException(
                Reason.UNREACHABLE,
                start + " redirects more than %d times".formatted(MOST_REDIRECTS));
    }

    private static URI redirected(URI from, String location) throws HubException {
        URI to;
        try {
            to = from.resolve(location);
        } catch (IllegalArgumentException e) {
            throw badRedirect(from, location, e);
        }
        boolean weaker = from.getScheme().equalsIgnoreCase("https") && !isHttps(to);
        if (location.isEmpty() || !isHttp(to) || to.getHost() == null || weaker) {
            throw badRedirect(from, location, null);
        }
        return to;
    }

    private static HubException badRedirect(URI from, String location, Exception cause) {
        return new HubException(
                Reason.WRONG_BYTES,
                "%s redirects to '%s', which is not followed".formatted(from.getHost(), location),
                cause);
    }

    private HttpResponse<InputStream> send(URI place, Map<String, String> headers)
            throws IOException {
        var request =
                HttpRequest.newBuilder(place)
                        .timeout(patience)
                        .header("User-Agent", "pollard")
                        .header("Accept-Encoding", "identity"); // ranges count bytes of the file
        headers.forEach(request::header);
        if (token.isPresent() && isSameServer(place)) {
            request.header("Authorization", "Bearer " + token.get());
        }
        try {
            var answer = client.send(request.build(), BodyHandlers.ofInputStream());
            reached = true;
            return answer;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (SSLException e) {
            throw new HubException(
                    Reason.UNREACHABLE,
                    "no secure connection to %s: %s".formatted(place.getHost(), e.getMessage()),
                    e);
        } catch (IOException e) {
            if (!reached && e instanceof ConnectException) {
                throw new HubException(
                        Reason.UNREACHABLE,
                        "cannot reach %s: %s (is there a network? HF_ENDPOINT names another Hub)"
                                .formatted(place.getHost(), reason(e)),
                        e);
            }
            throw new TransientException(
                    "no answer from %s: %s".formatted(place.getHost(), reason(e)), e);
        }
    }

    private static String reason(IOException e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof UnresolvedAddressException) {
                return "unknown host";
            }
            if (cause.getMessage() != null) {
                return cause.getMessage();
            }
        }
        return e instanceof ConnectException ? "connection refused" : e.getClass().getSimpleName();
    }

    /// Whether the token may go there: the same scheme, host and port.
    boolean isSameServer(URI place) {
        return server.getScheme().equalsIgnoreCase(place.getScheme())
                && server.getHost().equalsIgnoreCase(place.getHost())
                && port(server) == port(place);
    }

    private static int port(URI place) {
        return place.getPort() >= 0 ? place.getPort() : isHttps(place) ? 443 : 80;
    }

    private static boolean isHttps(URI place) {
        return "https".equalsIgnoreCase(place.getScheme());
    }

    private static boolean isHttp(URI place) {
        return isHttps(place) || "http".equalsIgnoreCase(place.getScheme());
    }

    @Override
    public void close() {
        client.shutdownNow();
    }
}
