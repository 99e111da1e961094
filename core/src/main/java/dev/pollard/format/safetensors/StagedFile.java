package dev.pollard.format.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/// A file that appears under its name complete or not at all: written beside its target, forced to
/// disk, then renamed. Closing without commit leaves nothing behind.
final class StagedFile implements AutoCloseable {
    private final Path target;
    private final Path staging;
    private final FileChannel channel;
    private boolean committed;

    private StagedFile(Path target, Path staging) throws IOException {
        this.target = target;
        this.staging = staging;
        this.channel =
                FileChannel.open(staging, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    static StagedFile beside(Path target) throws IOException {
        String name = ".%s.%s.part".formatted(target.getFileName(), UUID.randomUUID());
        return new StagedFile(target, target.resolveSibling(name));
    }

    /// Writes all that remains in `bytes` at `position`.
    void write(ByteBuffer bytes, long position) throws IOException {
        try {
            long at = position;
            while (bytes.hasRemaining()) {
                at += channel.write(bytes, at);
            }
        } catch (IOException e) {
            throw cannotWrite(e);
        }
    }

    /// Once this returns, the target is complete and on disk.
    void commit() throws IOException {
        try {
            channel.force(true);
            channel.close();
        } catch (IOException e) {
            throw cannotWrite(e);
        }
        Files.move(
                staging,
                target,
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
        committed = true;
        Path folder = target.toAbsolutePath().getParent();
        if (Files.getFileStore(folder).supportsFileAttributeView("posix")) {
            // Elsewhere a folder cannot be opened, and renames are durable by themselves.
            try (FileChannel entry = FileChannel.open(folder, StandardOpenOption.READ)) {
                entry.force(true);
            }
        }
    }

    /// A channel says "No space left on device" without saying where.
    private IOException cannotWrite(IOException e) {
        return new IOException("cannot write " + target + ": " + e.getMessage(), e);
    }

    @Override
    public void close() throws IOException {
        channel.close();
        if (!committed) {
            Files.deleteIfExists(staging);
        }
    }
}
