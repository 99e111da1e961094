package dev.pollard.recipe;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.format.Sha256;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Method;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Consumer;

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
    private final int pass;
    private final List<Integer> blocks;
    private final Consumer<String> warnings;

    private GradientFolder(
            Path folder,
            String manifest,
            int pass,
            List<Integer> blocks,
            Consumer<String> warnings) {
        this.folder = folder;
        this.manifest = manifest;
        this.pass = pass;
        this.blocks = blocks;
        this.warnings = warnings;
    }

    /// The folder of the gradients that a run of `method` takes; empty if it takes none that
    /// another run could use: after tuning steps everything decides them.
    ///
    /// @param all of all sets
    /// @param blocks that are pruned
    /// @param identity all that decides these gradients, as text by name
    /// @param warnings takes what a reader of the result should know
    static Optional<GradientFolder> of(
            Path all,
            Method method,
            List<Integer> blocks,
            SequencedMap<String, String> identity,
            Consumer<String> warnings)
            throws IOException {
        var pass = Driver.domainPass(method);
        if (pass.isEmpty() || pass.get().tuning().isPresent()) {
            warnings.accept(
                    "no gradients are left in %s: %s"
                            .formatted(
                                    all,
                                    pass.isEmpty()
                                            ? "this run takes none"
                                            : "after tuning they are of no use to other runs"));
            return Optional.empty();
        }
        String manifest =
                new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(identity);
        String name = Sha256.of(manifest).substring(0, NAME_DIGITS);
        int index = method.passes().indexOf(pass.get());
        return Optional.of(
                new GradientFolder(all.resolve(name), manifest, index, blocks, warnings));
    }

    /// Lets a run begin behind the pass that takes the gradients, if they are here.
    void lend(WorkFolder store) throws IOException {
        if (!Files.exists(folder.resolve(MANIFEST))) {
            return;
        }
        boolean lent = false;
        for (int block : blocks) {
            if (!store.isCommitted(pass, block)) {
                WorkFolder.link(file(folder, block), store.file(pass, block));
                lent = true;
            }
        }
        if (lent) {
            warnings.accept(
                    "gradients are those that an earlier run left in %s; their time is not counted here"
                            .formatted(folder));
        }
    }

    /// Keeps what the pass found, unless it is here. A disk that is full must not cost a pruning
    /// that is done: it ends in a warning.
    void keep(WorkFolder store) {
        try {
            tryToKeep(store);
        } catch (IOException e) {
            warnings.accept("no gradients are left in %s: %s".formatted(folder, e));
        }
    }

    private void tryToKeep(WorkFolder store) throws IOException {
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
                WorkFolder.link(store.file(pass, block), file(partial, block));
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
}
