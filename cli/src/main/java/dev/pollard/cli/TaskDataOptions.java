package dev.pollard.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/// Where tasks find their questions; mixed into the commands that ask them.
final class TaskDataOptions {
    private Path folder;

    @Option(
            names = "--task-data",
            order = 36,
            paramLabel = "DIR",
            description =
                    "Folder (or folder of folders) with the data files of tasks, also .gz. Default:"
                            + " pollard/tasks in $XDG_DATA_HOME or ~/.local/share")
    private void setFolder(Path folder) {
        this.folder = folder;
    }

    /// Whether a folder was named.
    boolean isGiven() {
        return folder != null;
    }

    /// The folder named, or the default.
    Path folder() {
        if (folder != null) {
            return folder;
        }
        String xdg = System.getenv("XDG_DATA_HOME");
        Path base =
                xdg == null || xdg.isBlank()
                        ? Path.of(System.getProperty("user.home"), ".local", "share")
                        : Path.of(xdg);
        return base.resolve("pollard").resolve("tasks");
    }
}
