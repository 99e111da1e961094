package dev.pollard.cli;

/// The entry point, and the only place that ends the process.
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        var console = Console.ofProcess();
        int code = CommandLines.run(console, Environment.ofProcess(), args);
        console.flush();
        System.exit(code);
    }
}
