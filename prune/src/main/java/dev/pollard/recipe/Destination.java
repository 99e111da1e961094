package dev.pollard.recipe;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Where a run writes: its output, the sibling that this is made in, and what an unfinished run
/// leaves.
///
/// @param folder the output
/// @param partial the output while it is made
/// @param replace whether an output that exists is replaced
/// @param named the output as the user named it
record Destination(Path folder, Path partial, Path work, boolean replace, Path named) {
    /// What makes a folder an output of Pollard.
    private static final List<String> RECORDS =
            List.of("pollard/report.json", "pollard/finetune.json");

    static Destination of(Recipe.Output output, Optional<Path> work) {
        Path folder = output.folder().toAbsolutePath().normalize();
        return new Destination(
                folder,
                sibling(folder, ".partial"),
                work.orElse(sibling(folder, ".work")),
                output.overwrite(),
                output.folder());
    }

    private static Path sibling(Path folder, String suffix) {
        return folder.resolveSibling(folder.getFileName() + suffix);
    }

    /// Makes sure, before anything is read, that the output is not there, or may be replaced.
    ///
    /// @throws IllegalArgumentException if it is there and may not
    static void check(Recipe.Output output) throws IOException {
        Path folder = output.folder();
        boolean exists = Files.exists(folder, LinkOption.NOFOLLOW_LINKS);
        if (exists && !output.overwrite()) {
            throw new IllegalArgumentException(
                    "%s exists: choose another -o, or give --overwrite".formatted(folder));
        }
        if (exists && !Files.isDirectory(folder)) {
            throw new IllegalArgumentException("%s is a file, not a folder".formatted(folder));
        }
        if (Files.isDirectory(folder) && !isReplaceable(folder)) {
            throw new IllegalArgumentException(
                    "%s holds no model: --overwrite replaces models only".formatted(folder));
        }
    }

    /// Whether `--overwrite` may remove the folder: it is empty, or an output of Pollard.
    private static boolean isReplaceable(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return RECORDS.stream().anyMatch(name -> Files.exists(folder.resolve(name)))
                    || files.findAny().isEmpty();
        }
    }

    /// Makes sure that nothing is overwritten that is read, and that the output can be written.
    ///
    /// @param model that the run begins with
    /// @param read the other files that it reads
    /// @throws IllegalArgumentException if not
    void requireApart(Path model, List<Path> read) throws IOException {
        Path output = Folders.real(folder);
        if (output.startsWith(Folders.real(model))) {
            throw new IllegalArgumentException(
                    "%s lies in the model's folder: choose another -o".formatted(named));
        }
        var files = new ArrayList<>(List.of(model));
        files.addAll(read);
        for (Path file : files) {
            if (Folders.real(file).startsWith(output)) {
                throw new IllegalArgumentException(
                        "%s would be removed with %s: choose another -o".formatted(file, named));
            }
        }
        if (Folders.real(work).startsWith(output)) {
            throw new IllegalArgumentException(
                    "--work %s lies in the output: choose another".formatted(work));
        }
        Folders.requireWritable(folder.getParent());
        Folders.requireWritable(work);
    }

    /// @param resume whether what an unfinished run left counts
    /// @throws WillNotFitException if a disk has too little room
    void requireRoom(long outputBytes, long workBytes, boolean resume) throws IOException {
        var output = Files.getFileStore(Folders.nearest(folder.getParent()));
        var scratch = Files.getFileStore(Folders.nearest(work));
        long there = resume ? WorkFolder.bytes(work) : 0;
        if (output.equals(scratch)) {
            requireRoom(folder, output, outputBytes + workBytes - there);
        } else {
            requireRoom(folder, output, outputBytes);
            requireRoom(work, scratch, workBytes - there);
        }
    }

    private static void requireRoom(Path path, FileStore store, long needed) throws IOException {
        long free = store.getUsableSpace();
        if (free < needed) {
            throw new WillNotFitException(
                    "%s needs about %,d MB on a disk that has %,d MB"
                            .formatted(path, (needed >> 20) + 1, free >> 20));
        }
    }

    /// Puts the finished output in its place.
    void moveIntoPlace() throws IOException {
        Folders.moveIntoPlace(partial, folder, replace);
    }

    /// Removes the output that is not in place yet, as far as that is possible.
    void discardPartial(RunListener listener) {
        try {
            Folders.delete(partial);
        } catch (IOException e) {
            listener.warn("could not remove the unfinished output: " + e.getMessage());
        }
    }
}
