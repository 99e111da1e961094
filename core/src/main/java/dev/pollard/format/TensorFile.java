package dev.pollard.format;

import java.nio.file.Path;
import java.util.SequencedMap;

/// A file, or a folder of shards, opened for reading: named tensors in file order, mapped, not
/// loaded.
public interface TensorFile extends AutoCloseable {
    /// What was opened.
    Path path();

    /// Tensors by name, in file order.
    SequencedMap<String, ? extends StoredTensor> tensors();

    /// Unmaps the file: every view taken from it is dead afterwards.
    @Override
    void close();
}
