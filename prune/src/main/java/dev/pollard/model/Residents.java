package dev.pollard.model;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/// Tensors that stay in memory as long as a model is open, whatever scope they were made in.
final class Residents implements AutoCloseable {
    private final List<Tensor> tensors = new ArrayList<>();

    /// Makes a tensor and keeps it. What else `make` allocates is freed.
    Tensor keep(Supplier<Tensor> make) {
        try (var scope = Scope.open()) {
            Tensor tensor = scope.keep(make.get());
            synchronized (this) {
                tensors.add(tensor);
            }
            return tensor;
        }
    }

    @Override
    public synchronized void close() {
        tensors.forEach(Tensor::close);
        tensors.clear();
    }
}
