package dev.pollard.cli;

import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;

/// What happens on Ctrl-C: nothing half-written stays, and the user is told how to go on.
final class Interrupt {
    private final Thread hook;

    private Interrupt(Thread hook) {
        this.hook = hook;
    }

    /// For a run that leaves what is finished in its work folder.
    ///
    /// @param discard removes what is half-written
    static Interrupt watch(Console console, CommandSpec spec, Runnable discard) {
        String command = CommandLines.typed(spec);
        return watch(
                console,
                () -> {
                    discard.run();
                    return CommandLines.resuming(command);
                });
    }

    /// @param cleanUp removes what is half-written, and tells the command line that goes on
    static Interrupt watch(Console console, Supplier<String> cleanUp) {
        var hook =
                new Thread(
                        () -> {
                            String again = cleanUp.get();
                            console.err().println();
                            console.error("interrupted; go on with: " + again);
                            console.flush();
                        },
                        "interrupt");
        Runtime.getRuntime().addShutdownHook(hook);
        return new Interrupt(hook);
    }

    /// The run is over, one way or the other.
    void cancel() {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException _) {
            // The process is going down already, and the hook with it.
        }
    }
}
