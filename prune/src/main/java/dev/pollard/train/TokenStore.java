package dev.pollard.train;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.TensorView;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The token ids of all sources of a training, in one safetensors file of int32: `training.0`,
/// `held_out.0`, and so on. So a run that is resumed sees the very same ids, and at once.
record TokenStore(List<int[]> training, List<int[]> heldOut) {
    private static final String TRAINING = "training.";
    private static final String HELD_OUT = "held_out.";

    /// @param heldOut as many as `training`; may be empty
    static void write(Path file, List<int[]> training, List<int[]> heldOut) throws IOException {
        Map<String, int[]> parts = new LinkedHashMap<>();
        for (int i = 0; i < training.size(); i++) {
            parts.put(TRAINING + i, training.get(i));
            parts.put(HELD_OUT + i, heldOut.get(i));
        }
        List<Declaration> declarations = new ArrayList<>();
        parts.forEach(
                (name, ids) ->
                        declarations.add(new Declaration(name, DType.I32, Shape.of(ids.length))));
        try (var writer = SafetensorsWriter.create(file, declarations, Map.of())) {
            for (var part : parts.entrySet()) {
                try (var arena = Arena.ofConfined()) {
                    writer.write(
                            part.getKey(),
                            arena.allocateFrom(ValueLayout.JAVA_INT, part.getValue()));
                }
            }
            writer.commit();
        }
    }

    /// @throws MalformedFileException if it is not a file that [#write] wrote
    static TokenStore open(Path file) throws IOException {
        var training = new ArrayList<int[]>();
        var heldOut = new ArrayList<int[]>();
        try (var tokens = SafetensorsFile.open(file)) {
            for (int i = 0; tokens.tensors().containsKey(TRAINING + i); i++) {
                training.add(ids(file, tokens.tensors().get(TRAINING + i)));
                heldOut.add(ids(file, tokens.tensors().get(HELD_OUT + i)));
            }
        }
        if (training.isEmpty()) {
            throw new MalformedFileException(file, 0, "no tokens to train on in it");
        }
        return new TokenStore(training, heldOut);
    }

    private static int[] ids(Path file, TensorView view) throws MalformedFileException {
        if (view == null || view.dtype() != DType.I32) {
            throw new MalformedFileException(file, 0, "tokens are missing, or not int32");
        }
        MemorySegment bytes = view.data();
        return bytes.toArray(ValueLayout.JAVA_INT_UNALIGNED);
    }
}
