package dev.pollard.hub;

import dev.pollard.hub.HubException.Reason;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/// Gets a model of the Hub into the cache. Only what is missing or changed is fetched; what was
/// begun goes on; every file is checked before it gets its name.
///
/// @param revision a branch, a tag or a commit
/// @param file a GGUF file to get; empty: all that a Hugging Face folder is opened from
public record Pull(RepositoryName repository, String revision, Optional<String> file) {
    private static final String LOCK = ".pull.lock";

    /// What a pull led to.
    ///
    /// @param path a folder, or the GGUF file
    /// @param commit the revision's
    /// @param files how many the model has
    /// @param fetched how many of them came now
    /// @param bytes of all files
    public record Result(Path path, String commit, int files, int fetched, long bytes) {}

    /// @throws IllegalArgumentException if a file is named that is no GGUF file
    public Pull {
        if (file.isPresent() && !(HubFile.isPlain(file.get()) && file.get().endsWith(".gguf"))) {
            throw new IllegalArgumentException(
                    "--file '%s': give the name of a .gguf file".formatted(file.get()));
        }
    }

    /// @throws HubException if the model is not to be had, is not what the Hub lists, or does not
    ///     fit on the disk; complete files and parts of files stay for the next time
    public Result run(Hub hub, ModelCache cache) throws IOException {
        String commit = hub.commit(repository, revision);
        var selection = new Selection(repository, hub.files(repository, commit));
        if (file.isPresent()) {
            selection.single(file.get());
        } else {
            selection.companions(); // a repository without a model leaves no folder
            selection.index();
        }
        Path folder = Files.createDirectories(cache.folder(repository));
        try (var channel =
                        FileChannel.open(
                                folder.resolve(LOCK),
                                StandardOpenOption.CREATE,
                                StandardOpenOption.WRITE);
                var _ = locked(channel)) {
            return new Visit(hub, commit, PullRecord.of(folder, repository)).get(selection);
        }
    }

    private FileLock locked(FileChannel channel) throws IOException {
        FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException _) {
            lock = null;
        }
        if (lock == null) {
            throw new HubException(Reason.BUSY, repository + " is being pulled already");
        }
        return lock;
    }

    /// One run with the folder locked.
    private final class Visit {
        private final Hub hub;
        private final String commit;
        private final PullRecord record;
        private long there; // bytes of complete files
        private int fetched;

        Visit(Hub hub, String commit, PullRecord record) {
            this.hub = hub;
            this.commit = commit;
            this.record = record;
        }

        Result get(Selection selection) throws IOException {
            List<HubFile> wanted =
                    file.isPresent() ? List.of(selection.single(file.get())) : model(selection);
            var lacking = new ArrayList<HubFile>();
            long all = 0;
            long begun = 0;
            for (var one : wanted) {
                all = saturated(all, one.bytes());
                if (record.has(one, commit)) {
                    there += one.bytes();
                } else {
                    lacking.add(one);
                    begun += Download.resumable(one, record);
                }
            }
            requireRoom(all - there - begun);
            if (file.isEmpty()) {
                record.lacks(lacking);
            }
            hub.listener().begins(all, there + begun);
            for (var one : lacking) {
                fetch(one);
            }
            if (file.isEmpty()) {
                record.removeOthers(wanted);
            }
            Path path = file.map(record.folder()::resolve).orElse(record.folder());
            return new Result(path, commit, wanted.size(), fetched, all);
        }

        /// The files of a Hugging Face folder, weights last. An index is fetched on the way, for
        /// only it knows the shards.
        private List<HubFile> model(Selection selection) throws IOException {
            var model = new ArrayList<>(selection.companions());
            var index = selection.index();
            if (index.isEmpty()) {
                model.add(selection.whole());
                return model;
            }
            if (!record.has(index.get(), commit)) {
                requireRoom(index.get().bytes());
                record.lacks(with(model, index.get()));
                fetch(index.get());
                there = 0; // counted anew, with all others
            }
            model.add(index.get());
            model.addAll(selection.shards(record.folder().resolve(index.get().name())));
            return model;
        }

        private static List<HubFile> with(Collection<HubFile> files, HubFile one) {
            var all = new ArrayList<>(files);
            all.add(one);
            return all;
        }

        private void fetch(HubFile one) throws IOException {
            long before = there;
            new Download(
                            hub,
                            repository,
                            commit,
                            one,
                            record,
                            bytes -> hub.listener().received(one.name(), before + bytes))
                    .fetch();
            there = before + one.bytes();
            fetched++;
        }

        private void requireRoom(long bytes) throws IOException {
            long free = Files.getFileStore(record.folder()).getUsableSpace();
            if (bytes > free) {
                throw new HubException(
                        Reason.NO_ROOM,
                        "%s needs %,d MB more on a disk that has %,d MB (%s; POLLARD_CACHE names another place)"
                                .formatted(
                                        repository,
                                        (bytes >> 20) + 1,
                                        free >> 20,
                                        record.folder()));
            }
        }
    }

    private static long saturated(long a, long b) {
        return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
    }
}
