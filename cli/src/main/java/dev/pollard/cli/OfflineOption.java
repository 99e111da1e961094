package dev.pollard.cli;

import picocli.CommandLine.Option;

/// Whether connections are forbidden; mixed into the commands that take a model.
final class OfflineOption {
    /// The tokenizer library looks for natives on the network where its jar has none.
    private static final String TOKENIZERS_OFFLINE = "ai.djl.offline";

    @Option(
            names = "--offline",
            order = 95,
            description =
                    "Open no connection: only what lies here is used. HF_HUB_OFFLINE=1 says the same.")
    private boolean given;

    /// Whether the option or the environment says so; libraries then hear of it, too.
    boolean isOn(Environment environment) {
        boolean on = given || environment.isOffline();
        if (on) {
            System.setProperty(TOKENIZERS_OFFLINE, "true");
        }
        return on;
    }
}
