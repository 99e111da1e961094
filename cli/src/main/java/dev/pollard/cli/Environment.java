package dev.pollard.cli;

import dev.pollard.eval.ResultCache;
import dev.pollard.hub.Hub;
import dev.pollard.hub.ModelCache;
import dev.pollard.hub.ModelNames;
import dev.pollard.hub.Saplings;
import java.net.URI;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// What the user has set outside of the command line, and what came with the program.
///
/// @param variables environment variables
/// @param saplings folder of the embedded models, if there is one
record Environment(Map<String, String> variables, Optional<Path> saplings) {
    /// What the Hub's own tools take for yes.
    private static final Set<String> YES = Set.of("1", "ON", "YES", "TRUE");

    static Environment ofProcess() {
        return new Environment(System.getenv(), Saplings.folder());
    }

    private Optional<String> variable(String name) {
        return Optional.ofNullable(variables.get(name))
                .map(String::strip)
                .filter(value -> !value.isEmpty());
    }

    /// Pollard's cache folder: POLLARD_CACHE, else `pollard` in XDG_CACHE_HOME or `~/.cache`.
    Path cacheFolder() {
        return variable("POLLARD_CACHE")
                .map(Path::of)
                .orElseGet(
                        () ->
                                variable("XDG_CACHE_HOME")
                                        .map(Path::of)
                                        .orElse(Path.of(System.getProperty("user.home"), ".cache"))
                                        .resolve("pollard"));
    }

    ModelCache models() {
        return new ModelCache(cacheFolder());
    }

    /// Where results are kept between runs.
    ResultCache results() {
        return new ResultCache(cacheFolder(), Build.read().version());
    }

    /// How models are found by name.
    ModelNames names(OfflineOption offline) {
        return new ModelNames(saplings, models(), offline.isOn(this));
    }

    /// Whether HF_HUB_OFFLINE forbids connections.
    boolean isOffline() {
        return variable("HF_HUB_OFFLINE")
                .filter(value -> YES.contains(value.toUpperCase(Locale.ROOT)))
                .isPresent();
    }

    /// HF_ENDPOINT, or the Hub.
    ///
    /// @throws IllegalArgumentException if it is no address
    URI endpoint() {
        String text = variable("HF_ENDPOINT").orElse(Hub.DEFAULT_ENDPOINT.toString());
        try {
            return URI.create(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "HF_ENDPOINT '%s' is no address: give https://HOST".formatted(text), e);
        }
    }

    /// HF_TOKEN.
    Optional<String> token() {
        return variable("HF_TOKEN");
    }
}
