package dev.pollard.cli;

import dev.pollard.config.ModelConfig;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.TensorFile;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.ShardIndex;
import dev.pollard.format.safetensors.ShardedSafetensors;
import dev.pollard.format.torch.TorchCheckpoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SequencedMap;

/// Finds out what a path holds, by its first bytes and not by its name.
final class ModelFiles {
    private static final String TORCH_FILE_NAME = "pytorch_model.bin";

    private ModelFiles() {}

    /// Opens a safetensors, GGUF or PyTorch file, or a Hugging Face folder of such.
    ///
    /// @throws NoSuchFileException if there is nothing, or no weights in the folder
    /// @throws MalformedFileException if the file is none of these, or breaks its format
    static TensorFile open(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        return Files.isDirectory(path) ? openFolder(path) : openFile(path);
    }

    private static TensorFile openFolder(Path folder) throws IOException {
        if (holdsSafetensors(folder)) {
            return ShardedSafetensors.open(folder);
        }
        Path torch = folder.resolve(TORCH_FILE_NAME);
        if (Files.exists(torch)) {
            return TorchCheckpoint.open(torch);
        }
        throw new NoSuchFileException(
                folder.toString(),
                null,
                "no %s and no %s in it"
                        .formatted(ShardedSafetensors.SINGLE_FILE_NAME, TORCH_FILE_NAME));
    }

    /// Whether a folder looks like a model to be opened.
    static boolean isModelFolder(Path folder) {
        return holdsSafetensors(folder) || Files.exists(folder.resolve(TORCH_FILE_NAME));
    }

    private static boolean holdsSafetensors(Path folder) {
        return Files.exists(folder.resolve(ShardedSafetensors.SINGLE_FILE_NAME))
                || Files.exists(folder.resolve(ShardIndex.FILE_NAME));
    }

    private static TensorFile openFile(Path file) throws IOException {
        byte[] head;
        try (var stream = Files.newInputStream(file)) {
            head = stream.readNBytes(9);
        }
        String start = new String(head, StandardCharsets.ISO_8859_1);
        if (start.startsWith("GGUF")) {
            return GgufFile.open(file);
        }
        if (start.startsWith("PK\3\4")) {
            return TorchCheckpoint.open(file);
        }
        // Eight bytes of length, then JSON.
        if (start.endsWith("{") || file.toString().endsWith(".safetensors")) {
            return SafetensorsFile.open(file);
        }
        throw new MalformedFileException(
                file,
                0,
                head.length == 0
                        ? "is empty"
                        : "is neither safetensors nor GGUF nor a PyTorch checkpoint (zip)");
    }

    /// What a file that was opened says of the architecture: nothing, if it says nothing.
    ///
    /// @throws MalformedFileException if the folder's `config.json` cannot be used
    static SequencedMap<String, Object> architecture(Path path, TensorFile file)
            throws IOException {
        var facts = new LinkedHashMap<String, Object>();
        if (file instanceof GgufFile gguf) {
            var metadata = gguf.metadata();
            var name = metadata.string("general.architecture");
            if (name.isPresent()) {
                facts.put("architecture", name.get());
                put(facts, "blocks", metadata.integer(name.get() + ".block_count"));
                put(facts, "hidden", metadata.integer(name.get() + ".embedding_length"));
                put(facts, "context", metadata.integer(name.get() + ".context_length"));
            }
            return facts;
        }
        Path config = path.resolve("config.json");
        if (Files.isDirectory(path) && Files.exists(config)) {
            var model = ModelConfig.read(config);
            facts.put("architecture", model.architecture());
            facts.put("blocks", model.blocks());
            facts.put("hidden", model.hiddenSize());
            facts.put("vocabulary", model.vocabularySize());
            facts.put("context", model.contextLength());
        }
        return facts;
    }

    private static void put(Map<String, Object> facts, String key, OptionalLong value) {
        if (value.isPresent()) {
            facts.put(key, value.getAsLong());
        }
    }

    /// What kind of file was opened: `GGUF v3`, `safetensors, 2 shards`.
    static String format(TensorFile file) {
        return switch (file) {
            case GgufFile gguf -> "GGUF v" + gguf.version();
            case ShardedSafetensors sharded when sharded.shards().size() > 1 ->
                    "safetensors, %d shards".formatted(sharded.shards().size());
            case ShardedSafetensors _, SafetensorsFile _ -> "safetensors";
            case TorchCheckpoint _ -> "PyTorch checkpoint";
            default -> throw new IllegalStateException(file.getClass().getName());
        };
    }
}
