package dev.pollard.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.TensorView;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// Where a training stands: one safetensors file with the weights under their names, the means and
/// squares of the optimiser under `mean.` and `square.`, all float32, and in its metadata, as JSON
/// under `training`, how far it is. One file, replaced in one step: it is whole or not there.
public final class TrainingState {
    private static final String KEY = "training";
    private static final ObjectMapper JSON = new ObjectMapper();

    private TrainingState() {}

    /// Writes what the optimiser holds; after the return it survives a crash.
    ///
    /// @param weights by name, in the order of the optimiser
    /// @param progress a record of plain values: how far the training is
    public static void write(
            Path file, SequencedMap<String, Tensor> weights, AdamW optimizer, Record progress)
            throws IOException {
        var all = all(weights, optimizer);
        List<Declaration> declarations =
                all.entrySet().stream()
                        .map(e -> new Declaration(e.getKey(), DType.F32, shape(e.getValue())))
                        .toList();
        var metadata = Map.of(KEY, JSON.writeValueAsString(progress));
        try (var writer = SafetensorsWriter.create(file, declarations, metadata)) {
            for (var named : all.entrySet()) {
                writer.writeFloats(named.getKey(), named.getValue().segment());
            }
            writer.commit();
        }
    }

    /// Puts weights, means and squares back.
    ///
    /// @param type of the record that was written; what its constructor refuses is malformed
    /// @throws MalformedFileException if the file is not one that [#write] wrote of such weights
    public static <T extends Record> T read(
            Path file, SequencedMap<String, Tensor> weights, AdamW optimizer, Class<T> type)
            throws IOException {
        try (var state = SafetensorsFile.open(file)) {
            var progress = progress(file, state, type);
            for (var named : all(weights, optimizer).entrySet()) {
                read(file, state, named.getKey(), named.getValue());
            }
            return progress;
        }
    }

    private static SequencedMap<String, Tensor> all(
            SequencedMap<String, Tensor> weights, AdamW optimizer) {
        var all = new LinkedHashMap<String, Tensor>();
        int i = 0;
        for (var weight : weights.entrySet()) {
            all.put(weight.getKey(), weight.getValue());
            all.put("mean." + weight.getKey(), optimizer.means().get(i));
            all.put("square." + weight.getKey(), optimizer.squares().get(i));
            i++;
        }
        return all;
    }

    private static <T> T progress(Path file, SafetensorsFile state, Class<T> type)
            throws MalformedFileException {
        try {
            T progress = JSON.readValue(state.metadata().getOrDefault(KEY, "null"), type);
            if (progress == null) {
                throw new MalformedFileException(file, 0, "no state of a training in it");
            }
            return progress;
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(
                    file, 0, "no state of this training in it: " + e.getOriginalMessage(), e);
        }
    }

    private static void read(Path file, SafetensorsFile state, String name, Tensor target)
            throws MalformedFileException {
        TensorView view = state.tensors().get(name);
        Shape shape = shape(target);
        if (view == null || view.dtype() != DType.F32 || !view.shape().equals(shape)) {
            throw new MalformedFileException(
                    file, 0, "tensor %s %s of float32 is not in it".formatted(name, shape));
        }
        MemorySegment.copy(view.data(), 0, target.segment(), 0, view.data().byteSize());
    }

    private static Shape shape(Tensor tensor) {
        return Shape.of(tensor.shape());
    }
}
