package dev.pollard.cli;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// A command line run to its end in this process, with what it wrote.
record Run(int code, String out, String err) {
    /// What is written here is lost.
    static final Console NOWHERE =
            Console.plain(
                    new PrintStream(OutputStream.nullOutputStream()),
                    new PrintStream(OutputStream.nullOutputStream()));

    static Run of(Object... args) {
        return in(Environment.ofProcess(), args);
    }

    /// With other variables and other embedded models than this process has.
    static Run in(Environment environment, Object... args) {
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        var console =
                Console.plain(
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8));
        int code =
                CommandLines.run(
                        console,
                        environment,
                        List.of(args).stream().map(Object::toString).toArray(String[]::new));
        return new Run(
                code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    List<String> errLines() {
        return err.lines().toList();
    }
}
