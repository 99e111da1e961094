package dev.pollard.recipe;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.format.Sha256;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.SequencedMap;

/// Where runs leave the gradients of a domain for each other: they depend on weights and text, not
/// on ratio or score, and take most of the time of a run.
///
/// One folder for each set of gradients, named by the hash of all that decides them, with
/// `gradients.json` to say what that is. It is made beside its place and renamed, so one that
/// exists is complete.
final class GradientFolder {
    private static final String MANIFEST = "gradients.json";
    private static final int NAME_DIGITS = 16;

    private final Path folder;
    private final String manifest;

    private GradientFolder(Path folder, String manifest) {
        this.folder = folder;
        this.manifest = manifest;
    }

    /// @param all of all sets
    /// @param identity all that decides these gradients, as text by name
    static GradientFolder of(Path all, SequencedMap<String, String> identity) throws IOException {
        String manifest =
                new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(identity);
        String name = Sha256.of(manifest).substring(0, NAME_DIGITS);
        return new GradientFolder(all.resolve(name), manifest);
    }

    Path path() {
        return folder;
    }

    /// Lets a run begin behind the pass that takes the gradients, if they are here.
    ///
    /// @return whether the run got any
    boolean lend(WorkFolder store, int pass, List<Integer> blocks) throws IOException {
        boolean lent = false;
        if (Files.exists(folder.resolve(MANIFEST))) {
            for (int block : blocks) {
                if (!store.isCommitted(pass, block)) {
                    link(file(folder, block), store.file(pass, block));
                    lent = true;
                }
            }
        }
        return lent;
    }

    /// Keeps what the pass found, unless it is here.
    void keep(WorkFolder store, int pass, List<Integer> blocks) throws IOException {
        if (Files.exists(folder)) {
            return;
        }
        Files.createDirectories(folder.getParent());
        Path partial =
                folder.resolveSibling(
                        ".%s.partial-%d"
                                .formatted(folder.getFileName(), ProcessHandle.current().pid()));
        Folders.delete(partial);
        Files.createDirectory(partial);
        try {
            for (int block : blocks) {
                link(store.file(pass, block), file(partial, block));
            }
            Files.writeString(
                    partial.resolve(MANIFEST),
                    manifest,
                    StandardOpenOption.CREATE_NEW,
                    StandardOpenOption.WRITE,
                    StandardOpenOption.SYNC);
            Files.move(partial, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            boolean another = Files.exists(folder.resolve(MANIFEST)); // was faster: the same
            if (!another) {
                throw e;
            }
        } finally {
            Folders.delete(partial);
        }
    }

    private static Path file(Path folder, int block) {
        return folder.resolve("block-%04d.safetensors".formatted(block));
    }

    /// Committed files are never written again, so a second name for one is as good as a copy.
    private static void link(Path from, Path to) throws IOException {
        try {
            Files.createLink(to, from);
        } catch (UnsupportedOperationException | IOException _) { // another disk, say
            Path partial = to.resolveSibling("." + to.getFileName() + ".copy.part");
            Files.copy(from, partial, StandardCopyOption.REPLACE_EXISTING);
            try (var copied = FileChannel.open(partial, StandardOpenOption.WRITE)) {
                copied.force(true);
            }
            Files.move(partial, to, StandardCopyOption.ATOMIC_MOVE);
        }
    }
}
