package dev.pollard.recover;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.model.Parameters;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// Every weight of the matrices that is not 0: `W`, by the gradient `M ⊙ dL/dW`.
///
/// With a gradient of 0 the means of AdamW stay 0, so it leaves a zero where it is; after every
/// step the zeros are set once more all the same.
public final class FullMatrices implements Trainable {
    private final Parameters parameters;
    private final Zeros zeros;
    private final SequencedMap<String, Tensor> weights = new LinkedHashMap<>();
    private final Map<Entry, Tensor> sums = new LinkedHashMap<>();

    /// @param parameters whose trained weights are matrices
    /// @param keepZeros whether what is 0 now stays 0
    public FullMatrices(Parameters parameters, boolean keepZeros) {
        this.parameters = parameters;
        this.zeros = new Zeros(parameters, keepZeros);
        for (var entry : parameters.trained()) {
            try (var scope = Scope.open()) {
                Tensor values = scope.keep(parameters.values(entry));
                weights.put(entry.name(), values);
                sums.put(entry, scope.keep(Tensor.zeros(values.shape())));
            }
        }
    }

    @Override
    public SequencedMap<String, Tensor> weights() {
        return weights;
    }

    @Override
    public List<Tensor> gradients() {
        return List.copyOf(sums.values());
    }

    @Override
    public void prepare(long step, Workers workers) {
        sums.values().forEach(Tensor::zero_);
        settle(workers);
    }

    @Override
    public void take(Entry weight, int first, List<Tensor> gradients) {
        Tensor sum = sums.get(weight);
        gradients.forEach(sum::add_);
        zeros.clear_(weight, sum);
    }

    @Override
    public void settle(Workers workers) {
        var entries = parameters.trained();
        workers.forEach(
                entries.size(),
                (_, i) -> zeros.clear_(entries.get(i), parameters.values(entries.get(i))));
    }

    @Override
    public void close() {
        weights.values().forEach(Tensor::close);
        sums.values().forEach(Tensor::close);
    }
}
