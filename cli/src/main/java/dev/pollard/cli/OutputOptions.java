package dev.pollard.cli;

import picocli.CommandLine.Option;

/// How much a command says; mixed into every command.
final class OutputOptions {
    /// How progress and events are written.
    enum LogFormat {
        TEXT,
        JSON
    }

    @Option(
            names = {"-q", "--quiet"},
            order = 91,
            description = "Say nothing but results and errors.")
    boolean quiet;

    @Option(
            names = {"-v", "--verbose"},
            order = 92,
            description = "Say more; show where an error came from.")
    boolean verbose;
}
