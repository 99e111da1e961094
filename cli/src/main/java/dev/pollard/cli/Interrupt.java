package dev.pollard.cli;

import dev.pollard.recipe.PruningRun;

/// What happens on Ctrl-C: nothing half-written stays, and the user is told how to go on.
final class Interrupt {
    private final Thread hook;

    private Interrupt(Thread hook) {
        this.hook = hook;
    }

    /// @param command the command line of the run
    static Interrupt watch(Console console, PruningRun run, String command) {
        var hook =
                new Thread(
                        () -> {
                            run.discardPartial();
                            String resume =
                                    command.contains(" --resume") ? command : command + " --resume";
                            console.err().println();
                            console.error("interrupted; go on with: " + resume);
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
