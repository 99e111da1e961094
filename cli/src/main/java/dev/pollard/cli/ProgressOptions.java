package dev.pollard.cli;

import picocli.CommandLine.Option;

/// How a long command shows that it works; mixed into those that take long.
final class ProgressOptions {
    @Option(
            names = "--no-progress",
            order = 93,
            description = "No progress bar: lines, as when err is not a terminal.")
    boolean noBar;

    @Option(
            names = "--log-format",
            order = 94,
            paramLabel = "text|json",
            defaultValue = "text",
            description =
                    "Progress as text, or as one JSON object per line. Default: ${DEFAULT-VALUE}")
    OutputOptions.LogFormat format;
}
