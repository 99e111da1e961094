package dev.pollard.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.TensorView;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.model.Parameters;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Where a training stands: one safetensors file with the weights under their names, the means and
/// squares of the optimiser under `mean.` and `square.`, all float32, and in its metadata, as JSON
/// under `training`, how far it is. One file, replaced in one step: it is whole or not there.
final class TrainingState {
    private static final String KEY = "training";
    private static final ObjectMapper JSON = new ObjectMapper();

    /// How far a training is.
    ///
    /// @param step steps done
    /// @param steps at which it was to end
    /// @param windows of the mixture that were used
    /// @param seconds spent on training
    /// @param identity of recipe and texts, in hexadecimal
    /// @param workers the number of workers, on which the order of sums depends
    record Progress(
            long step, long steps, long windows, double seconds, String identity, int workers) {}

    private TrainingState() {}

    static void write(Path file, Parameters parameters, AdamW optimizer, Progress progress)
            throws IOException {
        var names = new LinkedHashMap<String, Tensor>();
        var entries = parameters.trained();
        try (var _ = Scope.open()) {
            for (int i = 0; i < entries.size(); i++) {
                Entry entry = entries.get(i);
                names.put(entry.name(), parameters.values(entry));
                names.put("mean." + entry.name(), optimizer.means().get(i));
                names.put("square." + entry.name(), optimizer.squares().get(i));
            }
            List<Declaration> declarations = new ArrayList<>();
            names.forEach(
                    (name, tensor) ->
                            declarations.add(
                                    new Declaration(name, DType.F32, Shape.of(tensor.shape()))));
            var metadata = Map.of(KEY, JSON.writeValueAsString(progress));
            try (var writer = SafetensorsWriter.create(file, declarations, metadata)) {
                for (var named : names.entrySet()) {
                    writer.writeFloats(named.getKey(), named.getValue().segment());
                }
                writer.commit();
            }
        }
    }

    /// Puts weights, means and squares back.
    ///
    /// @throws MalformedFileException if the file is not one that [#write] wrote for this model
    static Progress read(Path file, Parameters parameters, AdamW optimizer) throws IOException {
        try (var state = SafetensorsFile.open(file);
                var _ = Scope.open()) {
            var progress = progress(file, state);
            var entries = parameters.trained();
            for (int i = 0; i < entries.size(); i++) {
                String name = entries.get(i).name();
                read(file, state, name, parameters.values(entries.get(i)));
                read(file, state, "mean." + name, optimizer.means().get(i));
                read(file, state, "square." + name, optimizer.squares().get(i));
            }
            return progress;
        }
    }

    private static Progress progress(Path file, SafetensorsFile state)
            throws MalformedFileException {
        Progress progress;
        try {
            progress = JSON.readValue(state.metadata().getOrDefault(KEY, "null"), Progress.class);
        } catch (JsonProcessingException e) {
            throw new MalformedFileException(file, 0, "no state of a training in it", e);
        }
        if (progress == null || progress.identity() == null) {
            throw new MalformedFileException(file, 0, "no state of a training in it");
        }
        if (progress.step() < 0 || progress.steps() < progress.step() || progress.seconds() < 0) {
            throw new MalformedFileException(
                    file,
                    0,
                    "step %,d of %,d after %s seconds"
                            .formatted(progress.step(), progress.steps(), progress.seconds()));
        }
        return progress;
    }

    private static void read(Path file, SafetensorsFile state, String name, Tensor target)
            throws MalformedFileException {
        TensorView view = state.tensors().get(name);
        Shape shape = Shape.of(target.shape());
        if (view == null || view.dtype() != DType.F32 || !view.shape().equals(shape)) {
            throw new MalformedFileException(
                    file, 0, "tensor %s %s of float32 is not in it".formatted(name, shape));
        }
        MemorySegment.copy(view.data(), 0, target.segment(), 0, view.data().byteSize());
    }
}
