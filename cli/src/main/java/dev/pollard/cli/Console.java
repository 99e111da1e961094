package dev.pollard.cli;

import java.io.PrintStream;
import java.util.Set;
import picocli.CommandLine.Help.Ansi;

/// Where a command writes: results to `out`, everything else to `err`.
///
/// @param out results; what a pipe would want
/// @param err progress, warnings and errors
/// @param outIsTerminal whether somebody looks at `out`
/// @param errIsTerminal whether somebody looks at `err`
/// @param colours whether terminals get colours
/// @param columns width of the terminal
record Console(
        PrintStream out,
        PrintStream err,
        boolean outIsTerminal,
        boolean errIsTerminal,
        boolean colours,
        int columns) {
    private static final int DEFAULT_COLUMNS = 100;
    private static final int NARROWEST = 40;

    /// The streams of this process. The launcher says which of them are terminals and how wide
    /// (`pollard.terminals=out,err`, `pollard.columns`), for Java cannot tell them apart.
    static Console ofProcess() {
        var terminals = Set.of(System.getProperty("pollard.terminals", "").split(","));
        int columns = Integer.getInteger("pollard.columns", DEFAULT_COLUMNS);
        boolean plain = System.getenv("NO_COLOR") != null || "dumb".equals(System.getenv("TERM"));
        return new Console(
                System.out,
                System.err,
                terminals.contains("out"),
                terminals.contains("err"),
                !plain,
                columns <= 0 ? DEFAULT_COLUMNS : Math.max(NARROWEST, columns));
    }

    /// Streams that nobody watches: no colours, no progress bar.
    static Console plain(PrintStream out, PrintStream err) {
        return new Console(out, err, false, false, false, DEFAULT_COLUMNS);
    }

    /// Colours for `out`, or none.
    Ansi outStyle() {
        return colours && outIsTerminal ? Ansi.ON : Ansi.OFF;
    }

    /// Colours for `err`, or none.
    Ansi errStyle() {
        return colours && errIsTerminal ? Ansi.ON : Ansi.OFF;
    }

    /// A line of results. `@|bold …|@` is styled on a terminal and plain elsewhere, so text of
    /// files must be handed to [#raw].
    void say(String markup) {
        out.println(outStyle().string(markup));
    }

    /// A line of results, exactly as it is.
    void raw(String line) {
        out.println(line);
    }

    /// `pollard: …` on `err`: always one line, free of control characters that a file name or a
    /// header could smuggle in.
    void error(String message) {
        err.println(errStyle().string("@|bold,red pollard:|@ ") + oneLine(message));
    }

    /// `pollard: warning: …` on `err`.
    void warn(String message) {
        err.println(errStyle().string("@|bold,yellow pollard: warning:|@ ") + oneLine(message));
    }

    void flush() {
        out.flush();
        err.flush();
    }

    /// `text` with every run of control characters and white space made one blank.
    static String oneLine(String text) {
        return text.strip().replaceAll("[\\p{Cntrl}\\s]+", " ");
    }
}
