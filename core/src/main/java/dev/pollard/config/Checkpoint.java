package dev.pollard.config;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.config.WeightMap.Weight;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Sha256;
import dev.pollard.format.Shape;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorFile;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.format.safetensors.ShardIndex;
import dev.pollard.format.safetensors.ShardedSafetensors;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/// A model on disk: its configuration and its weights, found by the names of the architecture and
/// read in the form in which Pollard computes, whatever the file's form is.
public final class Checkpoint implements AutoCloseable {
    /// A weight of the architecture, found in the file.
    ///
    /// @param name in a Hugging Face folder: as the file says, or, for a GGUF file, as transformers
    ///     would write it
    /// @param block 0-based, or -1 outside the blocks
    public record Entry(String name, int block, Weight weight, StoredTensor stored) {
        /// The module's name: [#name] without its last part.
        public String module() {
            return name.substring(0, name.lastIndexOf('.'));
        }
    }

    private static final long HASHED_AT_ONCE = 1 << 20;

    private static final String CONFIG = "config.json";

    /// Buffers that older versions saved with the weights.
    private static final List<String> BUFFERS =
            List.of(
                    ".attn.bias",
                    ".attn.masked_bias",
                    ".attention.bias",
                    ".attention.masked_bias",
                    ".rotary_emb.inv_freq");

    private final Path path;
    private final TensorFile file;
    private final ObjectNode json;
    private final ModelConfig config;
    private final String prefix;
    private final SequencedMap<String, Entry> entries = new LinkedHashMap<>();

    private Checkpoint(Path path, TensorFile file, ObjectNode json, ModelConfig config) {
        this.path = path;
        this.file = file;
        this.json = json;
        this.config = config;
        this.prefix = config.weights().prefix(isGguf() ? Set.of() : file.tensors().keySet());
    }

    /// Opens a Hugging Face folder, a `.gguf` file, or a folder with nothing but one of these.
    /// Reads headers only.
    ///
    /// @throws NoSuchFileException if there is nothing at `path`, or the folder lacks a file
    /// @throws MalformedFileException if a file breaks its format, the architecture is not
    ///     supported, or configuration and tensors disagree
    public static Checkpoint open(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString(), null, "no such model");
        }
        if (Files.isDirectory(path)) {
            return openFolder(path);
        }
        if (isGgufName(path)) {
            return openGguf(path);
        }
        throw new MalformedFileException(path, 0, "neither a Hugging Face folder nor a .gguf file");
    }

    private static Checkpoint openFolder(Path folder) throws IOException {
        Path configFile = folder.resolve(CONFIG);
        if (!Files.isRegularFile(configFile)) {
            List<Path> ggufs = ggufs(folder);
            if (ggufs.size() == 1) {
                return openGguf(ggufs.getFirst());
            }
            throw new NoSuchFileException(folder.toString(), null, "no " + CONFIG + " in it");
        }
        ObjectNode json = ConfigReader.json(configFile);
        ModelConfig config = ConfigReader.config(configFile, json);
        boolean safetensors =
                Files.exists(folder.resolve(ShardedSafetensors.SINGLE_FILE_NAME))
                        || Files.exists(folder.resolve(ShardIndex.FILE_NAME))
                        || !TorchFolder.isThere(folder);
        TensorFile file = safetensors ? ShardedSafetensors.open(folder) : TorchFolder.open(folder);
        return bound(folder, file, json, config);
    }

    private static List<Path> ggufs(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(Checkpoint::isGgufName).toList();
        }
    }

    private static boolean isGgufName(Path file) {
        return file.getFileName().toString().endsWith(".gguf");
    }

    private static Checkpoint openGguf(Path path) throws IOException {
        GgufFile file = GgufFile.open(path);
        try {
            var read = GgufConfig.read(file);
            return bound(
                    path,
                    file,
                    read.config(),
                    ConfigReader.config(new Keys(read.config(), read.blame())));
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    private static Checkpoint bound(Path path, TensorFile file, ObjectNode json, ModelConfig config)
            throws IOException {
        try {
            var checkpoint = new Checkpoint(path, file, json, config);
            checkpoint.bind();
            return checkpoint;
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    /// Finds every weight, and complains of every tensor of a block that no weight is.
    private void bind() throws MalformedFileException {
        WeightMap map = config.weights();
        for (WeightMap.Placed placed : map.placed(prefix, config.blocks())) {
            bind(placed);
        }
        refuseStrangers(map);
    }

    private void bind(WeightMap.Placed placed) throws MalformedFileException {
        Weight weight = placed.weight();
        String inFile = isGguf() ? placed.gguf() : placed.name();
        StoredTensor stored = file.tensors().get(inFile);
        Shape expected = fileShape(weight);
        if (stored == null) {
            throw new MalformedFileException(
                    path, 0, "tensor %s %s is missing".formatted(inFile, expected));
        }
        if (!stored.shape().equals(expected)) {
            throw new MalformedFileException(
                    path,
                    0,
                    "tensor %s is %s where the configuration asks for %s"
                            .formatted(inFile, stored.shape(), expected));
        }
        try {
            stored.readFloats(0, 0, MemorySegment.ofArray(new float[0]));
        } catch (IllegalArgumentException e) {
            throw new MalformedFileException(path, 0, e.getMessage(), e);
        }
        entries.put(placed.name(), new Entry(placed.name(), placed.block(), weight, stored));
    }

    private void refuseStrangers(WeightMap map) throws MalformedFileException {
        String blocks = isGguf() ? "blk." : map.blocksPrefix(prefix);
        var known = new HashSet<String>();
        entries.values().forEach(entry -> known.add(entry.stored().name()));
        for (String name : file.tensors().keySet()) {
            if (name.startsWith(blocks) && !known.contains(name) && !isBuffer(name)) {
                throw new MalformedFileException(
                        path,
                        0,
                        "tensor %s has no place in the model that the configuration describes"
                                .formatted(name));
            }
        }
    }

    /// Whether a tensor is a constant that older versions saved with the weights.
    public static boolean isBuffer(String name) {
        return BUFFERS.stream().anyMatch(name::endsWith);
    }

    private Shape fileShape(Weight weight) {
        return !isGguf() && weight.layout() instanceof Layout.Conv1d && weight.shape().rank() == 2
                ? Shape.of(weight.shape().size(1), weight.shape().size(0))
                : weight.shape();
    }

    /// What was opened: a folder or a file.
    public Path path() {
        return path;
    }

    public TensorFile file() {
        return file;
    }

    public ModelConfig config() {
        return config;
    }

    /// Whether the weights come from a GGUF file: other names, other layouts, blocks of quantised
    /// numbers.
    public boolean isGguf() {
        return file instanceof GgufFile;
    }

    /// Name of the file in which a Hugging Face folder with the same shards holds a tensor; always
    /// `.safetensors`.
    ///
    /// @throws IllegalArgumentException if the file has no tensor of this name
    public String shardOf(String tensor) {
        return switch (file) {
            case ShardedSafetensors folder -> folder.shardOf(tensor);
            case TorchFolder folder ->
                    folder.shardOf(tensor)
                            .replaceFirst("^pytorch_model", "model")
                            .replaceFirst("\\.(bin|pt|pth)$", ".safetensors");
            default -> ShardedSafetensors.SINGLE_FILE_NAME;
        };
    }

    /// Whether a tensor of the file is a second copy of the embedding table: models with a tied
    /// head are sometimes saved with both.
    public boolean isTiedCopy(String tensor) {
        return config.tiedHead()
                && tensor.matches("(language_model\\.)?(lm_head|embed_out)\\.weight");
    }

    /// SHA-256, in hexadecimal, of configuration, names, shapes and numbers: the same weights in
    /// another shard layout have another hash. Reads the whole file.
    public String sha256() {
        var hash = new Sha256().add(json.toString());
        for (StoredTensor tensor : file.tensors().values()) {
            hash.add("\n%s %s %s\n".formatted(tensor.name(), tensor.storage(), tensor.shape()));
            MemorySegment data = tensor.data();
            for (long at = 0; at < data.byteSize(); at += HASHED_AT_ONCE) {
                long length = Math.min(HASHED_AT_ONCE, data.byteSize() - at);
                hash.add(data.asSlice(at, length).asByteBuffer());
            }
        }
        return hash.hex();
    }

    /// The `config.json`, or what it would be for a GGUF file. A copy.
    public ObjectNode configJson() {
        return json.deepCopy();
    }

    /// All weights of the architecture: those outside the blocks, every block in order of
    /// computation, a head of its own.
    public Collection<Entry> entries() {
        return Collections.unmodifiableCollection(entries.values());
    }

    /// The matrices of linear layers inside blocks, in the order in which they compute.
    public List<Entry> prunable() {
        return entries.values().stream().filter(entry -> entry.weight().prunable()).toList();
    }

    /// A weight outside the blocks by its name without prefix; the head by its whole name.
    ///
    /// @throws IllegalArgumentException if the architecture has none of that name
    public Entry outside(String name) {
        Entry entry = entries.get(prefix + name);
        return entry != null ? entry : named(name);
    }

    /// A weight of a block by its name inside the block.
    ///
    /// @throws IllegalArgumentException if the architecture has none of that name
    public Entry inBlock(int block, String name) {
        return named(config.weights().blockPrefix(prefix, block) + name);
    }

    /// A weight by its whole name in a Hugging Face folder.
    ///
    /// @throws IllegalArgumentException if the architecture has none of that name
    public Entry named(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw new IllegalArgumentException("no weight '" + name + "' in " + path);
        }
        return entry;
    }

    /// Number of weights; a head that is the embedding table counts once.
    public long parameters() {
        return elements(entries.values());
    }

    /// Number of weights in [#prunable].
    public long prunableParameters() {
        return elements(prunable());
    }

    private static long elements(Collection<Entry> entries) {
        return entries.stream().mapToLong(entry -> entry.weight().shape().elements()).sum();
    }

    /// Bytes of all tensors in the file.
    public long bytes() {
        return file.tensors().values().stream().mapToLong(t -> t.data().byteSize()).sum();
    }

    /// How most of the prunable numbers are stored, in the file's own word: `BF16`, `Q4_1`.
    public String storage() {
        Map<String, Long> counts = new TreeMap<>();
        for (Entry entry : prunable()) {
            counts.merge(entry.stored().storage(), entry.weight().shape().elements(), Long::sum);
        }
        return Collections.max(counts.entrySet(), Map.Entry.comparingByValue()).getKey();
    }

    /// Reads a weight as float32 in its shape ([Weight#shape]).
    ///
    /// @param target exactly as many float32 as the weight has, native byte order
    public void read(Entry entry, MemorySegment target) {
        Shape shape = entry.weight().shape();
        long rows = shape.size(0);
        long columns = shape.elements() / rows;
        switch (entry.weight().layout()) {
            case Layout.Plain() -> entry.stored().readFloats(0, shape.elements(), target);
            case Layout.Conv1d() -> {
                if (isGguf() || shape.rank() == 1) {
                    entry.stored().readFloats(0, shape.elements(), target);
                } else {
                    readTransposed(entry.stored(), rows, columns, target);
                }
            }
            case Layout.OnePlus() -> {
                entry.stored().readFloats(0, shape.elements(), target);
                if (isGguf()) {
                    subtractOne(target, shape.elements());
                }
            }
            case Layout.RotaryPairs _, Layout.PerHead _ -> {
                if (isGguf() && shape.rank() == 2) {
                    readReordered(entry, rows, columns, target);
                } else {
                    entry.stored().readFloats(0, shape.elements(), target);
                    if (isGguf()) {
                        reorder(entry.weight().layout(), target, rows);
                    }
                }
            }
        }
    }

    /// Rows `[from, from + count)` of a matrix that stands as it is in the file, an embedding table
    /// say.
    ///
    /// @param target at least `count · columns` float32
    public void readRows(Entry entry, long from, long count, MemorySegment target) {
        long columns = entry.weight().shape().size(1);
        entry.stored().readFloats(from * columns, count * columns, target);
    }

    /// Rows move within slabs, or slabs move as a whole: a slab is read at once and its rows are
    /// put where they belong.
    private static void readReordered(Entry entry, long rows, long columns, MemorySegment target) {
        Layout layout = entry.weight().layout();
        long slabRows = layout.slab(rows);
        long rowBytes = Float.BYTES * columns;
        MemorySegment slab = MemorySegment.ofArray(new float[Math.toIntExact(slabRows * columns)]);
        for (long first = 0; first < rows; first += slabRows) {
            long inFile = layout.ggufRow(first, rows);
            entry.stored().readFloats(inFile * columns, slabRows * columns, slab);
            for (long row = first; row < first + slabRows; row++) {
                long from = (layout.ggufRow(row, rows) - inFile) * rowBytes;
                MemorySegment.copy(slab, from, target, row * rowBytes, rowBytes);
            }
        }
    }

    private static void reorder(Layout layout, MemorySegment vector, long rows) {
        float[] stored = vector.toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
        for (long row = 0; row < rows; row++) {
            vector.setAtIndex(
                    ValueLayout.JAVA_FLOAT_UNALIGNED, row, stored[(int) layout.ggufRow(row, rows)]);
        }
    }

    private static void subtractOne(MemorySegment values, long count) {
        for (long i = 0; i < count; i++) {
            values.setAtIndex(
                    ValueLayout.JAVA_FLOAT_UNALIGNED,
                    i,
                    values.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i) - 1);
        }
    }

    /// Reads `[columns, rows]` into `[rows, columns]`, some file rows at a time so that every cache
    /// line of the target is written at once.
    private static void readTransposed(
            StoredTensor stored, long rows, long columns, MemorySegment target) {
        int tile = 16;
        float[] slab = new float[Math.toIntExact(tile * rows)];
        for (long column = 0; column < columns; column += tile) {
            int height = (int) Math.min(tile, columns - column);
            stored.readFloats(column * rows, height * rows, MemorySegment.ofArray(slab));
            for (int row = 0; row < rows; row++) {
                for (int i = 0; i < height; i++) {
                    target.setAtIndex(
                            ValueLayout.JAVA_FLOAT_UNALIGNED,
                            row * columns + column + i,
                            slab[(int) (i * rows) + row]);
                }
            }
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
