package dev.pollard.recipe;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashSet;

/// Whole folders: removed, and put in the place of another.
final class Folders {
    private Folders() {}

    /// Removes a folder and all that is in it; links are removed, not followed.
    static void delete(Path folder) throws IOException {
        if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(
                folder,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(Path directory, IOException failure)
                            throws IOException {
                        if (failure != null) {
                            throw failure;
                        }
                        Files.delete(directory);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }

    /// Renames `finished` to `target`; what was there is removed only after that worked.
    ///
    /// @param replace whether something may be there
    /// @throws FileAlreadyExistsException if something is there and may not
    static void moveIntoPlace(Path finished, Path target, boolean replace) throws IOException {
        if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            Files.move(finished, target, StandardCopyOption.ATOMIC_MOVE);
            return;
        }
        if (!replace) {
            throw new FileAlreadyExistsException(target.toString());
        }
        Path name = target.getFileName();
        Path aside = Files.createTempDirectory(target.getParent(), name + ".old-");
        Path old = Files.move(target, aside.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        try {
            Files.move(finished, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.move(old, target, StandardCopyOption.ATOMIC_MOVE);
            throw e;
        } finally {
            delete(aside);
        }
    }

    /// The path itself, or the nearest folder above that exists.
    static Path nearest(Path path) {
        Path there = path.toAbsolutePath().normalize();
        while (!Files.exists(there)) {
            there = there.getParent(); // the root exists
        }
        return there;
    }

    /// The path without links, as far as it exists.
    static Path real(Path path) throws IOException {
        Path there = nearest(path);
        return there.toRealPath().resolve(there.relativize(path.toAbsolutePath().normalize()));
    }

    /// @throws IllegalArgumentException if the folder is not there and cannot be made, or files
    ///     cannot be made in it
    static void requireWritable(Path folder) {
        Path there = nearest(folder);
        if (!Files.isDirectory(there)) {
            throw new IllegalArgumentException("%s is a file, not a folder".formatted(there));
        }
        if (!Files.isWritable(there)) {
            throw new IllegalArgumentException("%s cannot be written to".formatted(there));
        }
    }

    /// Bytes of the files in those of the folders that exist; a file of two names counts once.
    static long bytes(Path... folders) throws IOException {
        var counted = new HashSet<Object>();
        long bytes = 0;
        for (Path folder : folders) {
            if (!Files.isDirectory(folder)) {
                continue;
            }
            try (var files = Files.newDirectoryStream(folder, Files::isRegularFile)) {
                for (Path file : files) {
                    var facts = Files.readAttributes(file, BasicFileAttributes.class);
                    if (facts.fileKey() == null || counted.add(facts.fileKey())) {
                        bytes += facts.size();
                    }
                }
            }
        }
        return bytes;
    }
}
