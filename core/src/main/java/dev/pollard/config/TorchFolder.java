package dev.pollard.config;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorFile;
import dev.pollard.format.torch.TorchCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SequencedSet;
import java.util.TreeSet;

/// The weights of an older Hugging Face folder: `pytorch_model.bin` alone, or the shards that
/// `pytorch_model.bin.index.json` names.
final class TorchFolder implements TensorFile {
    private static final String SINGLE = "pytorch_model.bin";
    private static final String INDEX = "pytorch_model.bin.index.json";

    private final Path folder;
    private final SequencedMap<String, TorchCheckpoint> shards = new LinkedHashMap<>();
    private final SequencedMap<String, StoredTensor> tensors = new LinkedHashMap<>();
    private final Map<String, String> shardOf = new LinkedHashMap<>();

    private TorchFolder(Path folder) {
        this.folder = folder;
    }

    /// Whether the folder has weights in this form.
    static boolean isThere(Path folder) {
        return Files.exists(folder.resolve(SINGLE)) || Files.exists(folder.resolve(INDEX));
    }

    /// @throws MalformedFileException if a file breaks its format, a shard is missing or leads out
    ///     of the folder, or two shards hold the same tensor
    static TorchFolder open(Path folder) throws IOException {
        var opened = new TorchFolder(folder);
        try {
            for (String shard : shards(folder)) {
                opened.add(shard, TorchCheckpoint.open(folder.resolve(shard)));
            }
            return opened;
        } catch (Throwable e) {
            opened.close();
            throw e;
        }
    }

    private static SequencedSet<String> shards(Path folder) throws IOException {
        var names = new TreeSet<String>();
        if (Files.exists(folder.resolve(SINGLE))) {
            names.add(SINGLE);
            return names;
        }
        Path index = folder.resolve(INDEX);
        for (JsonNode shard : ConfigReader.json(index).path("weight_map")) {
            String name = shard.asText();
            if (!name.matches("[A-Za-z0-9_][A-Za-z0-9_.-]*")) {
                throw new MalformedFileException(
                        index, 0, "shard '" + name + "' is not a plain file name");
            }
            if (!Files.isRegularFile(folder.resolve(name))) {
                throw new MalformedFileException(index, 0, "shard '" + name + "' does not exist");
            }
            names.add(name);
        }
        if (names.isEmpty()) {
            throw new MalformedFileException(index, 0, "weight_map names no shard");
        }
        return names;
    }

    private void add(String shard, TorchCheckpoint file) throws MalformedFileException {
        shards.put(shard, file);
        for (var tensor : file.tensors().entrySet()) {
            if (tensors.putIfAbsent(tensor.getKey(), tensor.getValue()) != null) {
                throw new MalformedFileException(
                        folder.resolve(shard),
                        0,
                        "tensor %s is in another shard too".formatted(tensor.getKey()));
            }
            shardOf.put(tensor.getKey(), shard);
        }
    }

    /// Name of the file that holds a tensor.
    String shardOf(String tensor) {
        return shardOf.get(tensor);
    }

    @Override
    public Path path() {
        return folder;
    }

    @Override
    public SequencedMap<String, StoredTensor> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    @Override
    public void close() {
        shards.values().forEach(TorchCheckpoint::close);
    }
}
