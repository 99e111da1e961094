package dev.pollard.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/// [Main], but after every line on stderr the run waits for a byte on stdin: so a test decides at
/// which line it ends. Such lines begin with [#MARK], for the JVM writes some too.
final class SteppedMain {
    static final String MARK = "> ";

    private SteppedMain() {}

    public static void main(String[] args) {
        var runner = Thread.currentThread();
        var err =
                new PrintStream(System.err, true, StandardCharsets.UTF_8) {
                    @Override
                    public void println(String line) {
                        boolean waits = Thread.currentThread() == runner;
                        super.println(waits ? MARK + line : line);
                        if (waits) {
                            waitForPermission();
                        }
                    }
                };
        int code = CommandLines.run(Console.plain(System.out, err), Environment.ofProcess(), args);
        System.exit(code);
    }

    private static void waitForPermission() {
        try {
            System.in.read();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
