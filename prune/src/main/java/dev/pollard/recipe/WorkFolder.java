package dev.pollard.recipe;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.TensorView;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.prune.Allotment;
import dev.pollard.prune.BlockStore;
import dev.pollard.prune.Findings;
import dev.pollard.prune.LayerReport;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/// Where a run keeps its finished blocks until the output is complete, so that it can be resumed.
///
/// `run.json` holds everything that decides the bytes of the result (hashes of weights and
/// calibration ids among it); `allotment.json` what each block gives, if that took a pass over the
/// model; `pass-P-block-B.safetensors` the new weights of a block in float32. Of a recovery it
/// holds checkpoint and log ([RecoveryTraining]). The folder `control`
/// inside is one of the same kind, for the method that this one is held against. Every file is
/// written beside its place, forced to disk and renamed, so a file that exists is complete. One
/// process at a time: the folder is locked while it is open.
public final class WorkFolder implements BlockStore, AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String REPORTS = "layers";

    /// Stands between the name of a layer and that of a finding.
    private static final String FOUND = " | ";

    private static final String ALLOTMENT = "allotment.json";

    private static final String LOCK = "lock";

    private static final String CONTROL = "control";

    private static final Predicate<String> FINISHED =
            Pattern.compile(
                            "allotment\\.json|pass-\\d+-block-\\d+\\.safetensors|recovery\\.safetensors")
                    .asMatchPredicate();

    private static final Predicate<String> OURS =
            Pattern.compile(
                            "(run|allotment)\\.json(\\.partial)?|(events|training)\\.jsonl"
                                    + "|activations-\\d+\\.f32"
                                    + "|(pass-\\d+-block-\\d+|recovery)\\.safetensors"
                                    + "|\\.(pass-\\d+-block-\\d+|recovery)\\.safetensors\\..*\\.part")
                    .asMatchPredicate();

    private final Path folder;
    private final FileChannel lockFile;

    private WorkFolder(Path folder, FileChannel lockFile) {
        this.folder = folder;
        this.lockFile = lockFile;
    }

    /// Opens the folder for a run.
    ///
    /// @param identity all that decides the result, as text by name
    /// @param resume go on with what is there; otherwise the folder must not hold a run
    /// @param overwrite unless it is resumed, remove the run that is there
    /// @throws IllegalArgumentException if it holds a run and neither is true, or a run to be
    ///     resumed has another identity, or another process uses it
    public static WorkFolder open(
            Path folder, SequencedMap<String, String> identity, boolean resume, boolean overwrite)
            throws IOException {
        Files.createDirectories(folder);
        var channel = lock(folder);
        try {
            Path manifest = folder.resolve("run.json");
            if (overwrite && !resume) {
                clear(folder);
            }
            if (!Files.exists(manifest)) {
                Path partial = folder.resolve("run.json.partial");
                Files.write(
                        partial, JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(identity));
                Files.move(partial, manifest, StandardCopyOption.ATOMIC_MOVE);
            } else if (resume) {
                check(folder, manifest, identity);
            } else {
                throw new IllegalArgumentException(
                        "an unfinished run lies in %s: --resume continues it, --overwrite starts anew"
                                .formatted(folder));
            }
            return new WorkFolder(folder, channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /// The work folder of the control inside this one: its run is resumed with this one, and goes
    /// with it.
    ///
    /// @param identity of this run, which decides the control's result, too
    public WorkFolder openControl(SequencedMap<String, String> identity) throws IOException {
        return open(folder.resolve(CONTROL), identity, true, false);
    }

    private static FileChannel lock(Path folder) throws IOException {
        var channel =
                FileChannel.open(
                        folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock != null) {
                return channel;
            }
        } catch (OverlappingFileLockException _) {
            // Held by this process: the same answer as for another one.
        }
        channel.close();
        throw new IllegalArgumentException("another run is using the work folder " + folder);
    }

    private static void check(Path folder, Path manifest, Map<String, String> identity)
            throws IOException {
        Map<String, String> before;
        try {
            before =
                    JSON.readValue(
                            Files.readAllBytes(manifest),
                            new TypeReference<LinkedHashMap<String, String>>() {});
        } catch (JacksonException e) {
            throw new IllegalArgumentException(
                    "%s is not a work folder of Pollard".formatted(folder), e);
        }
        var differences = new ArrayList<String>();
        var names = new LinkedHashMap<>(before);
        names.putAll(identity);
        for (String name : names.keySet()) {
            String was = before.getOrDefault(name, "(none)");
            String is = identity.getOrDefault(name, "(none)");
            if (!was.equals(is)) {
                differences.add("%s was %s, is %s".formatted(name, was, is));
            }
        }
        if (!differences.isEmpty()) {
            throw new IllegalArgumentException(
                    "the work folder %s belongs to another run: %s (--overwrite starts anew)"
                            .formatted(folder, String.join("; ", differences)));
        }
    }

    /// What each block gives, as committed; empty if it was not.
    ///
    /// @throws MalformedFileException if somebody changed the file
    public Optional<Allotment> allotment() throws IOException {
        Path file = folder.resolve(ALLOTMENT);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JSON.readValue(Files.readAllBytes(file), Allotment.class));
        } catch (JacksonException e) {
            throw new MalformedFileException(file, 0, "not what a run left there", e);
        }
    }

    /// Keeps what was decided before the first block: after the return it survives a crash.
    public void commit(Allotment allotment) throws IOException {
        Path partial = folder.resolve(ALLOTMENT + ".partial");
        try (var channel =
                FileChannel.open(
                        partial,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            var bytes = ByteBuffer.wrap(JSON.writeValueAsBytes(allotment));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            channel.force(true);
        }
        Files.move(partial, folder.resolve(ALLOTMENT), StandardCopyOption.ATOMIC_MOVE);
    }

    public Path path() {
        return folder;
    }

    Path file(int pass, int block) {
        return folder.resolve("pass-%d-block-%04d.safetensors".formatted(pass, block));
    }

    @Override
    public void commit(int pass, int block, Committed finished) throws IOException {
        var tensors = new ArrayList<SafetensorsWriter.Declaration>();
        var all = new LinkedHashMap<>(finished.weights());
        finished.findings()
                .forEach(
                        (layer, findings) ->
                                new TreeMap<>(findings.byName())
                                        .forEach(
                                                (name, found) ->
                                                        all.put(layer + FOUND + name, found)));
        all.forEach(
                (name, tensor) ->
                        tensors.add(
                                new SafetensorsWriter.Declaration(
                                        name, DType.F32, Shape.of(tensor.shape()))));
        var metadata = Map.of(REPORTS, JSON.writeValueAsString(finished.reports()));
        try (var writer = SafetensorsWriter.create(file(pass, block), tensors, metadata)) {
            for (var tensor : all.entrySet()) {
                writer.writeFloats(tensor.getKey(), tensor.getValue().segment());
            }
            writer.commit();
        }
    }

    @Override
    public Optional<Committed> load(int pass, int block) throws IOException {
        if (!Files.exists(file(pass, block))) {
            return Optional.empty();
        }
        try (var file = SafetensorsFile.open(file(pass, block))) {
            var weights = new LinkedHashMap<String, Tensor>();
            List<LayerReport> reports =
                    JSON.readValue(
                            file.metadata().get(REPORTS),
                            new TypeReference<List<LayerReport>>() {});
            var found = new LinkedHashMap<String, Map<String, Tensor>>();
            for (var stored : file.tensors().values()) {
                int end = stored.name().indexOf(FOUND);
                if (end < 0) {
                    weights.put(stored.name(), read(stored));
                } else {
                    found.computeIfAbsent(
                                    stored.name().substring(0, end), _ -> new LinkedHashMap<>())
                            .put(stored.name().substring(end + FOUND.length()), read(stored));
                }
            }
            var findings = new LinkedHashMap<String, Findings>();
            found.forEach((layer, byName) -> findings.put(layer, new Findings(byName)));
            return Optional.of(new Committed(weights, findings, reports));
        }
    }

    /// One layer of a committed block, `[out, in]` float32 in the current scope.
    ///
    /// @throws IllegalStateException if the block is not committed or has no such layer
    public Tensor loadLayer(int pass, int block, String layer) throws IOException {
        try (var file = SafetensorsFile.open(file(pass, block))) {
            var stored = file.tensors().get(layer);
            if (stored == null) {
                throw new IllegalStateException(layer + " is not in " + file.path());
            }
            return read(stored);
        }
    }

    private static Tensor read(TensorView stored) {
        var weight = Tensor.empty(stored.shape().sizes().stream().mapToLong(n -> n).toArray());
        stored.readFloats(0, weight.elements(), weight.segment());
        return weight;
    }

    /// Takes what `other` has committed in a pass, where nothing is: of runs that are alike so far.
    void take(WorkFolder other, int pass, Iterable<Integer> blocks) throws IOException {
        for (int block : blocks) {
            if (!isCommitted(pass, block)) {
                link(other.file(pass, block), file(pass, block));
            }
        }
    }

    /// Committed files are never written again, so a second name for one is as good as a copy.
    static void link(Path from, Path to) throws IOException {
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

    @Override
    public boolean isCommitted(int pass, int block) {
        return Files.exists(file(pass, block));
    }

    /// Bytes of what a run left in the folder, 0 if there is none.
    static long bytes(Path folder) throws IOException {
        return Folders.bytes(folder, folder.resolve(CONTROL));
    }

    /// Removes what a run left in the folder, and the folder if nothing else is in it.
    public static void delete(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        clear(folder);
        Files.deleteIfExists(folder.resolve(LOCK));
        try (var files = Files.list(folder)) {
            if (files.findAny().isPresent()) {
                return;
            }
        }
        Files.delete(folder);
    }

    /// Removes what a run left, but for the lock.
    private static void clear(Path folder) throws IOException {
        for (Path file : list(folder, OURS)) {
            Files.delete(file);
        }
        delete(folder.resolve(CONTROL));
    }

    private static List<Path> list(Path folder, Predicate<String> names) throws IOException {
        try (var files = Files.list(folder)) {
            return files.filter(file -> names.test(file.getFileName().toString())).toList();
        }
    }

    /// Lets others use the folder; one in which nothing is finished is of no use and goes.
    @Override
    public void close() throws IOException {
        boolean useless = list(folder, FINISHED).isEmpty();
        lockFile.close();
        if (useless) {
            delete(folder);
        }
    }
}
