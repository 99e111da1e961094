package dev.pollard.format.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import dev.pollard.format.MalformedFileException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/// `model.safetensors.index.json`: which shard of a folder holds which tensor.
public final class ShardIndex {
    /// Its name in the folder.
    public static final String FILE_NAME = "model.safetensors.index.json";

    /// As transformers lays it out, the same on every system.
    private static final Separators LAYOUT =
            Separators.createDefaultInstance()
                    .withObjectFieldValueSpacing(Separators.Spacing.AFTER);

    private static final DefaultIndenter INDENT = new DefaultIndenter("  ", "\n");

    /// @param position offset of the tensor's name in the index file
    /// @param shard a plain file name, checked to stay in the folder
    record Place(long position, String shard) {}

    private ShardIndex() {}

    /// Tensor name → place, in file order.
    static SequencedMap<String, Place> read(Path file) throws IOException {
        long size = Files.size(file);
        if (size > StrictJson.MAX_BYTES) {
            throw new MalformedFileException(
                    file, StrictJson.MAX_BYTES, "an index of " + size + " bytes is too long");
        }
        SequencedMap<String, Place> places = null;
        try (StrictJson json = new StrictJson(file, 0, Files.readAllBytes(file))) {
            json.enterObject("shard index");
            while (json.nextName()) {
                if (!json.name().equals("weight_map")) {
                    json.skipValue();
                } else if (places == null) {
                    places = readWeightMap(json);
                } else {
                    throw json.malformed("'weight_map' occurs twice");
                }
            }
            json.end();
            if (places == null) {
                throw json.malformed("shard index without a weight_map");
            }
            return places;
        }
    }

    private static SequencedMap<String, Place> readWeightMap(StrictJson json) throws IOException {
        SequencedMap<String, Place> places = new LinkedHashMap<>();
        json.enterObject("weight_map");
        while (json.nextName()) {
            long position = json.position();
            String tensor = json.name();
            String shard = json.string("shard of tensor '" + tensor + "'");
            if (!isPlainFileName(shard)) {
                throw json.malformed("shard '" + shard + "' is not a plain file name");
            }
            if (places.put(tensor, new Place(position, shard)) != null) {
                throw json.malformed(position, "'" + tensor + "' occurs twice in weight_map");
            }
        }
        return places;
    }

    /// Whether the name stays in its folder on every system: no separator, no drive, not a step up.
    static boolean isPlainFileName(String name) {
        boolean step = name.isEmpty() || name.equals(".") || name.equals("..");
        return !step && name.chars().noneMatch(c -> c < ' ' || "/\\:".indexOf(c) >= 0);
    }

    /// Writes the index of a folder whose shards are written already.
    ///
    /// @param shardOf tensor name → file name of its shard, in the order to be written
    /// @param totalBytes bytes of all tensors, headers not counted
    /// @throws IllegalArgumentException if a shard is not a plain file name
    public static void write(Path folder, SequencedMap<String, String> shardOf, long totalBytes)
            throws IOException {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.setPrettyPrinter(new DefaultPrettyPrinter(LAYOUT).withObjectIndenter(INDENT));
            json.writeStartObject();
            json.writeObjectFieldStart("metadata");
            json.writeNumberField("total_size", totalBytes);
            json.writeEndObject();
            json.writeObjectFieldStart("weight_map");
            for (Map.Entry<String, String> place : shardOf.entrySet()) {
                if (!isPlainFileName(place.getValue())) {
                    throw new IllegalArgumentException(
                            "shard '" + place.getValue() + "' is not a plain file name");
                }
                json.writeStringField(place.getKey(), place.getValue());
            }
            json.writeEndObject();
            json.writeEndObject();
        }
        text.write('\n');
        try (StagedFile file = StagedFile.beside(folder.resolve(FILE_NAME))) {
            file.write(ByteBuffer.wrap(text.toByteArray()), 0);
            file.commit();
        }
    }
}
