package dev.pollard.format.safetensors;

import dev.pollard.format.MalformedFileException;
import dev.pollard.format.TensorFile;
import dev.pollard.format.TensorView;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeSet;

/// The weights of a Hugging Face folder: `model.safetensors` alone, or the shards that
/// `model.safetensors.index.json` names.
public final class ShardedSafetensors implements TensorFile {
    /// The name of the one file of a folder that is not sharded.
    public static final String SINGLE_FILE_NAME = "model.safetensors";

    private final Path folder;
    private final SequencedMap<String, SafetensorsFile> shards;
    private final SequencedMap<String, TensorView> tensors = new LinkedHashMap<>();
    private final Map<String, String> shardOf = new LinkedHashMap<>();

    private ShardedSafetensors(Path folder, SequencedMap<String, SafetensorsFile> shards) {
        this.folder = folder;
        this.shards = shards;
    }

    /// Opens all files of the folder. A single `model.safetensors` goes before an index, as it does
    /// for transformers.
    ///
    /// @throws NoSuchFileException if the folder has neither
    /// @throws MalformedFileException if a file breaks its format, the index names a shard or a
    ///     tensor that is not there, or a shard's name leads out of the folder
    public static ShardedSafetensors open(Path folder) throws IOException {
        Path index = folder.resolve(ShardIndex.FILE_NAME);
        boolean single = Files.exists(folder.resolve(SINGLE_FILE_NAME));
        if (!single && !Files.exists(index)) {
            throw new NoSuchFileException(
                    folder.toString(),
                    null,
                    "no " + SINGLE_FILE_NAME + " and no " + ShardIndex.FILE_NAME + " in it");
        }
        SequencedMap<String, ShardIndex.Place> places =
                single ? new LinkedHashMap<>() : ShardIndex.read(index);
        SequencedMap<String, SafetensorsFile> shards = new LinkedHashMap<>();
        ShardedSafetensors opened = new ShardedSafetensors(folder, shards);
        try {
            if (single) {
                shards.put(
                        SINGLE_FILE_NAME, SafetensorsFile.open(folder.resolve(SINGLE_FILE_NAME)));
            } else {
                opened.openShards(index, places);
            }
            opened.gather(places);
            opened.checkComplete(index, places);
            return opened;
        } catch (Throwable e) {
            opened.close();
            throw e;
        }
    }

    private void openShards(Path index, SequencedMap<String, ShardIndex.Place> places)
            throws IOException {
        Map<String, Long> firstMention = new LinkedHashMap<>();
        places.values().forEach(p -> firstMention.putIfAbsent(p.shard(), p.position()));
        for (String shard : new TreeSet<>(firstMention.keySet())) {
            Path file = folder.resolve(shard);
            if (!Files.isRegularFile(file)) {
                throw new MalformedFileException(
                        index, firstMention.get(shard), "shard '" + shard + "' does not exist");
            }
            shards.put(shard, SafetensorsFile.open(file));
        }
    }

    /// The index decides which shard a tensor comes from; one it does not mention still counts.
    private void gather(SequencedMap<String, ShardIndex.Place> places)
            throws MalformedFileException {
        for (Map.Entry<String, SafetensorsFile> shard : shards.entrySet()) {
            for (TensorView tensor : shard.getValue().tensors().values()) {
                ShardIndex.Place place = places.get(tensor.name());
                if (place != null && !place.shard().equals(shard.getKey())) {
                    continue;
                }
                if (tensors.putIfAbsent(tensor.name(), tensor) != null) {
                    throw new MalformedFileException(
                            shard.getValue().path(),
                            0,
                            "tensor '%s' is in shard '%s' too, and the index does not choose"
                                    .formatted(tensor.name(), shardOf.get(tensor.name())));
                }
                shardOf.put(tensor.name(), shard.getKey());
            }
        }
    }

    private void checkComplete(Path index, SequencedMap<String, ShardIndex.Place> places)
            throws MalformedFileException {
        for (Map.Entry<String, ShardIndex.Place> place : places.entrySet()) {
            if (!tensors.containsKey(place.getKey())) {
                throw new MalformedFileException(
                        index,
                        place.getValue().position(),
                        "tensor '%s' is not in its shard '%s'"
                                .formatted(place.getKey(), place.getValue().shard()));
            }
        }
    }

    /// The folder.
    @Override
    public Path path() {
        return folder;
    }

    /// Tensors by name: shards in the order of their names, then the order of the bytes.
    @Override
    public SequencedMap<String, TensorView> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    /// The files by name, sorted; their own metadata and tensors included.
    public SequencedMap<String, SafetensorsFile> shards() {
        return Collections.unmodifiableSequencedMap(shards);
    }

    /// Name of the file that holds a tensor.
    ///
    /// @throws IllegalArgumentException if there is no such tensor
    public String shardOf(String tensor) {
        String shard = shardOf.get(tensor);
        if (shard == null) {
            throw new IllegalArgumentException("no tensor '" + tensor + "' in " + folder);
        }
        return shard;
    }

    @Override
    public void close() {
        shards.values().forEach(SafetensorsFile::close);
    }
}
