package dev.pollard.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.config.Checkpoint;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.config.Layout;
import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.format.safetensors.ShardIndex;
import dev.pollard.format.safetensors.ShardedSafetensors;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// Saves a model with some of its linear layers replaced, as a Hugging Face folder: shards, names
/// and dtypes of the source, one tensor in memory at a time.
///
/// What is not replaced is copied byte for byte. A GGUF source becomes one `model.safetensors` of
/// one dtype with the names, orientations and `config.json` that transformers knows. A tied head is
/// written once, as the embedding table.
public final class ModelWriter {
    /// New weights for linear layers.
    @FunctionalInterface
    public interface Replacements {
        /// The new weight of a layer, `[out, in]` float32, or nothing if it stays as it is.
        ///
        /// @param layer the checkpoint's name of the module
        Optional<Tensor> weight(String layer) throws IOException;
    }

    private static final int CHUNK = 1 << 16;

    private static final Map<String, DType> DTYPES =
            Map.of("float32", DType.F32, "float16", DType.F16, "bfloat16", DType.BF16);

    /// Files of a Hugging Face folder that describe the model and are not its weights.
    private static final Pattern COMPANIONS =
            Pattern.compile(
                    "(generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab"
                            + "|chat_template|preprocessor_config|processor_config)\\.json"
                            + "|merges\\.txt|vocab\\.txt|chat_template\\.jinja"
                            + "|[A-Za-z0-9_-]+\\.model|(LICENSE|LICENCE|NOTICE|USE_POLICY)[A-Za-z0-9._-]*");

    private final Checkpoint source;
    private final Optional<DType> dtype; // of all tensors; empty: each keeps its own

    /// @param dtype `float32`, `float16`, `bfloat16`, or `keep`: as the source, where a quantised
    ///     GGUF becomes float16
    /// @throws IllegalArgumentException if the dtype is none of these
    public ModelWriter(Checkpoint source, String dtype) {
        if (!dtype.equals("keep") && !DTYPES.containsKey(dtype)) {
            throw new IllegalArgumentException(
                    "unknown dtype '%s': keep, float32, float16 or bfloat16".formatted(dtype));
        }
        this.source = source;
        this.dtype =
                dtype.equals("keep")
                        ? source.isGguf()
                                ? Optional.of(widened(source.storage()))
                                : Optional.empty()
                        : Optional.of(DTYPES.get(dtype));
    }

    private static DType widened(String storage) {
        return switch (storage) {
            case "F32" -> DType.F32;
            case "BF16" -> DType.BF16;
            default -> DType.F16;
        };
    }

    /// The weight as it will be read from the saved model: rounded to its dtype, to nearest even,
    /// every zero positive.
    ///
    /// @param layer the checkpoint's name of the module
    /// @param weight `[out, in]` float32
    /// @return a tensor of the same shape, in the current scope
    /// @throws OverflowException if a number is too large for the dtype
    public Tensor rounded(String layer, Tensor weight) {
        Entry entry = source.named(layer + ".weight");
        Tensor rounded = Tensor.empty(weight.shape());
        rounded.copy_(weight);
        round(replacedDType(entry), entry.name(), rounded.segment());
        return rounded;
    }

    /// Writes the folder.
    ///
    /// @param folder made if it is not there; files of the same names are replaced
    /// @throws OverflowException if a number is too large for its dtype: names the tensor
    /// @throws IllegalArgumentException if a replacement has another shape than its layer
    public void write(Path folder, Replacements replacements) throws IOException {
        Files.createDirectories(folder);
        if (source.isGguf()) {
            writeGguf(folder, replacements);
        } else {
            writeShards(folder, replacements);
        }
        writeConfig(folder);
        writeCompanions(folder);
    }

    // ---- a Hugging Face source ----

    private void writeShards(Path folder, Replacements replacements) throws IOException {
        SequencedMap<String, List<StoredTensor>> shards = new LinkedHashMap<>();
        SequencedMap<String, String> index = new LinkedHashMap<>();
        long bytes = 0;
        for (StoredTensor tensor : source.file().tensors().values()) {
            if (!source.isTiedCopy(tensor.name())) {
                String shard = source.shardOf(tensor.name());
                shards.computeIfAbsent(shard, _ -> new ArrayList<>()).add(tensor);
                index.put(tensor.name(), shard);
            }
        }
        Map<String, Entry> layers = new LinkedHashMap<>();
        source.prunable().forEach(entry -> layers.put(entry.name(), entry));
        for (var shard : shards.entrySet()) {
            List<Declaration> declarations = new ArrayList<>();
            for (StoredTensor tensor : shard.getValue()) {
                DType kept = keptDType(tensor, layers.containsKey(tensor.name()));
                declarations.add(new Declaration(tensor.name(), kept, tensor.shape()));
                bytes += kept.bytes(tensor.shape().elements());
            }
            Path file = folder.resolve(shard.getKey());
            try (var writer =
                    SafetensorsWriter.create(file, declarations, metadata(shard.getKey()))) {
                for (Declaration declaration : declarations) {
                    StoredTensor tensor = source.file().tensors().get(declaration.name());
                    Entry layer = layers.get(declaration.name());
                    if (layer == null || !replace(writer, layer, declaration, replacements)) {
                        copy(writer, tensor, declaration);
                    }
                }
                writer.commit();
            }
        }
        if (shards.size() > 1 || !shards.containsKey(ShardedSafetensors.SINGLE_FILE_NAME)) {
            ShardIndex.write(folder, index, bytes);
        }
    }

    private Map<String, String> metadata(String shard) {
        return source.file() instanceof ShardedSafetensors sharded
                ? sharded.shards().get(shard).metadata()
                : Map.of();
    }

    /// A tensor that is not replaced: its bytes, or its numbers in another dtype.
    private void copy(SafetensorsWriter writer, StoredTensor tensor, Declaration declaration)
            throws IOException {
        DType target = declaration.dtype();
        if (target.name().equals(tensor.storage())) {
            writer.write(tensor.name(), tensor.data());
            return;
        }
        try (var arena = Arena.ofConfined()) {
            long elements = tensor.shape().elements();
            MemorySegment bytes = arena.allocate(target.bytes(elements));
            MemorySegment floats = arena.allocate(4L * CHUNK, Long.BYTES);
            for (long done = 0; done < elements; done += CHUNK) {
                long count = Math.min(CHUNK, elements - done);
                MemorySegment chunk = floats.asSlice(0, 4 * count);
                tensor.readFloats(done, count, chunk);
                round(target, tensor.name(), chunk);
                target.narrow(chunk, count, bytes.asSlice(target.bytes(done)));
            }
            writer.write(declaration.name(), bytes);
        }
    }

    // ---- a GGUF source ----

    private void writeGguf(Path folder, Replacements replacements) throws IOException {
        DType target = dtype.orElseThrow();
        List<Declaration> declarations = new ArrayList<>();
        for (Entry entry : source.entries()) {
            declarations.add(new Declaration(entry.name(), target, fileShape(entry)));
        }
        Path file = folder.resolve(ShardedSafetensors.SINGLE_FILE_NAME);
        try (var writer = SafetensorsWriter.create(file, declarations, Map.of())) {
            int next = 0;
            for (Entry entry : source.entries()) {
                Declaration declaration = declarations.get(next++);
                boolean layer = entry.weight().prunable();
                if (layer && replace(writer, entry, declaration, replacements)) {
                    continue;
                }
                if (entry.weight().layout() instanceof Layout.Plain) {
                    copy(writer, new Renamed(entry), declaration);
                } else {
                    try (var _ = Scope.open()) {
                        Tensor weight = Tensor.empty(sizes(entry.weight().shape()));
                        source.read(entry, weight.segment());
                        put(writer, entry, declaration, weight);
                    }
                }
            }
            writer.commit();
        }
    }

    /// A tensor under the name it gets in the output.
    private record Renamed(Entry entry) implements StoredTensor {
        @Override
        public String name() {
            return entry.name();
        }

        @Override
        public Shape shape() {
            return entry.stored().shape();
        }

        @Override
        public String storage() {
            return entry.stored().storage();
        }

        @Override
        public MemorySegment data() {
            return entry.stored().data();
        }

        @Override
        public void readFloats(long from, long count, MemorySegment target) {
            entry.stored().readFloats(from, count, target);
        }
    }

    // ---- replaced layers ----

    private boolean replace(
            SafetensorsWriter writer,
            Entry layer,
            Declaration declaration,
            Replacements replacements)
            throws IOException {
        try (var _ = Scope.open()) {
            Optional<Tensor> weight = replacements.weight(layer.module());
            if (weight.isEmpty()) {
                return false;
            }
            Shape expected = layer.weight().shape();
            Shape actual = Shape.of(weight.get().shape());
            if (!actual.equals(expected)) {
                throw new IllegalArgumentException(
                        "%s is %s, not %s".formatted(layer.name(), expected, actual));
            }
            put(writer, layer, declaration, weight.get());
            return true;
        }
    }

    /// Writes a weight `[out, in]` in the orientation of Hugging Face files.
    private static void put(
            SafetensorsWriter writer, Entry entry, Declaration declaration, Tensor weight)
            throws IOException {
        boolean turned = entry.weight().layout() instanceof Layout.Conv1d && weight.rank() == 2;
        Tensor oriented = Tensor.empty(sizes(declaration.shape()));
        oriented.copy_(turned ? weight.transpose(0, 1) : weight);
        round(declaration.dtype(), entry.name(), oriented.segment());
        writer.writeFloats(declaration.name(), oriented.segment());
    }

    private static Shape fileShape(Entry entry) {
        Shape shape = entry.weight().shape();
        return entry.weight().layout() instanceof Layout.Conv1d && shape.rank() == 2
                ? Shape.of(shape.size(1), shape.size(0))
                : shape;
    }

    private static long[] sizes(Shape shape) {
        return shape.sizes().stream().mapToLong(Long::longValue).toArray();
    }

    // ---- dtypes ----

    private DType replacedDType(Entry entry) {
        return keptDType(entry.stored(), true);
    }

    /// The dtype of a tensor in the output. Numbers of a dtype that float32 cannot be rounded to
    /// (float64, eight-bit floats) stay what they are in tensors that nobody replaces, and become
    /// float32 in layers.
    private DType keptDType(StoredTensor tensor, boolean layer) {
        Optional<DType> stored = DType.named(tensor.storage());
        boolean real = stored.isEmpty() || stored.get().narrows() || stored.get() == DType.F64;
        if (dtype.isPresent() && (real || layer)) {
            return dtype.get();
        }
        DType own = stored.orElseThrow();
        return layer && !own.narrows() ? DType.F32 : own;
    }

    /// Rounds numbers in place, to nearest even, every zero positive.
    private static void round(DType dtype, String tensor, MemorySegment floats) {
        long elements = floats.byteSize() / Float.BYTES;
        float[] values = new float[(int) Math.min(CHUNK, elements)];
        MemorySegment chunk = MemorySegment.ofArray(values);
        MemorySegment narrow = MemorySegment.ofArray(new byte[(int) dtype.bytes(values.length)]);
        for (long done = 0; done < elements; done += values.length) {
            int count = (int) Math.min(values.length, elements - done);
            MemorySegment part = floats.asSlice(Float.BYTES * done, (long) Float.BYTES * count);
            dtype.narrow(part, count, narrow);
            dtype.widen(narrow, 0, count, chunk);
            for (int i = 0; i < count; i++) {
                if (!Float.isFinite(values[i])) {
                    throw new OverflowException(
                            tensor,
                            part.get(StoredTensor.FLOAT, (long) Float.BYTES * i),
                            name(dtype));
                }
                values[i] += 0f; // -0 + 0 = +0
            }
            part.copyFrom(chunk.asSlice(0, part.byteSize()));
        }
    }

    private static String name(DType dtype) {
        return switch (dtype) {
            case F32 -> "float32";
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            default -> dtype.name();
        };
    }

    // ---- the other files ----

    private void writeConfig(Path folder) throws IOException {
        Path target = folder.resolve("config.json");
        if (dtype.isEmpty()) {
            Files.write(target, Files.readAllBytes(source.path().resolve("config.json")));
            return;
        }
        ObjectNode json = source.configJson();
        String key = json.has("dtype") ? "dtype" : "torch_dtype";
        json.put(key, name(dtype.get()));
        if (json.path("text_config") instanceof ObjectNode text && text.has(key)) {
            text.put(key, name(dtype.get()));
        }
        Files.writeString(
                target,
                new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(json)
                        + "\n");
    }

    private void writeCompanions(Path folder) throws IOException {
        if (source.file() instanceof GgufFile gguf) {
            if (gguf.metadata().contains("tokenizer.ggml.model")) {
                try (var tokenizer = Tokenizer.fromGguf(gguf)) {
                    tokenizer.saveTo(folder);
                }
            }
            return;
        }
        try (Stream<Path> files = Files.list(source.path())) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                String name = file.getFileName().toString();
                if (COMPANIONS.matcher(name).matches()) {
                    Files.write(folder.resolve(name), Files.readAllBytes(file));
                }
            }
        }
    }
}
