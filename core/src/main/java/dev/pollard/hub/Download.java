package dev.pollard.hub;

import dev.pollard.hub.HubException.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Optional;
import java.util.function.LongConsumer;

/// One file on its way: fetched into `NAME.part`, which survives whatever interrupts it, checked,
/// and renamed to `NAME`. A file of that name is complete.
final class Download {
    private static final int CHUNK = 1 << 17;

    private final Hub hub;
    private final RepositoryName repository;
    private final String commit;
    private final HubFile file;
    private final PullRecord record;
    private final Path target;
    private final Path part;
    private final LongConsumer progress;

    private long position; // bytes in the part file, all of them in `digest`
    private MessageDigest digest;
    private boolean pieced; // whether the part file came by more than one answer

    /// @param record knows what part files hold, and is told
    /// @param progress hears of the bytes that are there
    Download(
            Hub hub,
            RepositoryName repository,
            String commit,
            HubFile file,
            PullRecord record,
            LongConsumer progress) {
        this.hub = hub;
        this.repository = repository;
        this.commit = commit;
        this.file = file;
        this.record = record;
        this.target = record.folder().resolve(file.name());
        this.part = partOf(target);
        this.progress = progress;
    }

    static Path partOf(Path target) {
        return target.resolveSibling(target.getFileName() + ".part");
    }

    /// Bytes of a part file that can be gone on with.
    static long resumable(HubFile file, PullRecord record) throws IOException {
        Path part = partOf(record.folder().resolve(file.name()));
        boolean ours =
                record.part(file.name())
                        .filter(known -> known.checksum().equals(file.checksum()))
                        .isPresent();
        if (!ours || !Files.isRegularFile(part)) {
            return 0;
        }
        long bytes = Files.size(part);
        return bytes <= file.bytes() ? bytes : 0;
    }

    /// @throws HubException if it could not be had, or is not what the Hub lists; what was fetched
    ///     of it stays unless it is wrong
    void fetch() throws IOException {
        takeUp();
        hub.patience().persist(file.name(), () -> position, this::receive);
        if (!file.checksum().matches(digest)) {
            Files.delete(part);
            if (!pieced) {
                throw wrong();
            }
            // Pieces of different answers, or of a part file that the disk lost bytes of.
            hub.listener().note(file.name() + ": the pieces do not fit; again from the start");
            startOver();
            hub.patience().persist(file.name(), () -> position, this::receive);
            if (!file.checksum().matches(digest)) {
                Files.delete(part);
                throw wrong();
            }
        }
        Files.move(
                part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        record.fetched(file, commit);
    }

    private HubException wrong() {
        return new HubException(
                Reason.WRONG_BYTES,
                "%s: the %,d bytes that came are not those the Hub lists (%s %s…); nothing of them was kept"
                        .formatted(
                                file.name(),
                                file.bytes(),
                                file.checksum().kind() == Checksum.Kind.SHA256
                                        ? "sha256"
                                        : "git blob",
                                file.checksum().hex().substring(0, 12)));
    }

    private void takeUp() throws IOException {
        startOver();
        long there = resumable(file, record);
        if (there > 0) {
            position = Checksum.update(digest, part, there);
            pieced = true;
        }
    }

    private void startOver() {
        position = 0;
        digest = file.checksum().begin(file.bytes());
        pieced = false;
        progress.accept(0);
    }

    /// One attempt to get what is missing.
    private Void receive() throws IOException {
        try (var channel =
                FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            if (position < file.bytes()) {
                receive(channel);
            }
            channel.truncate(file.bytes());
            channel.force(true);
        }
        return null;
    }

    private void receive(FileChannel channel) throws IOException {
        String entityTag = record.part(file.name()).map(PullRecord.Part::entityTag).orElse("");
        try (var body = hub.open(repository, commit, file, position, entityTag)) {
            if (body.offset() != position) {
                startOver();
            }
            pieced |= position > 0;
            channel.truncate(position);
            channel.position(position);
            record.begins(file, body.entityTag());
            copy(body, channel);
        }
        if (position < file.bytes()) {
            throw new TransientException("the connection broke" + reached(), Optional.empty());
        }
    }

    private String reached() {
        return " after %,d of %,d bytes".formatted(position, file.bytes());
    }

    private void copy(Body body, FileChannel channel) throws IOException {
        byte[] chunk = new byte[CHUNK];
        for (int count = next(body, chunk); count >= 0; count = next(body, chunk)) {
            if (count > file.bytes() - position) {
                throw new HubException(
                        Reason.WRONG_BYTES,
                        "%s: more bytes came than the %,d the Hub lists"
                                .formatted(file.name(), file.bytes()));
            }
            var bytes = ByteBuffer.wrap(chunk, 0, count);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            digest.update(chunk, 0, count);
            position += count;
            progress.accept(position);
        }
    }

    private int next(Body body, byte[] chunk) throws TransientException {
        try {
            return body.read(chunk);
        } catch (TransientException e) {
            throw new TransientException(e.getMessage() + reached(), e);
        }
    }
}
