package dev.pollard.train;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Sums of gradients over the samples of a step, one for every weight, added up in the order of the
/// samples.
final class GradientSums implements GradientPass.Receiver, AutoCloseable {
    private final Map<Entry, Integer> indices = new LinkedHashMap<>();
    private final List<Tensor> sums = new ArrayList<>();

    GradientSums(List<Entry> weights) {
        for (Entry weight : weights) {
            indices.put(weight, indices.size());
            long[] shape =
                    weight.weight().shape().sizes().stream().mapToLong(Long::longValue).toArray();
            try (var scope = Scope.open()) {
                sums.add(scope.keep(Tensor.zeros(shape)));
            }
        }
    }

    @Override
    public void take(Entry weight, int first, List<Tensor> gradients) {
        Tensor sum = sums.get(indices.get(weight));
        for (int i = 0; i < gradients.size(); i++) {
            if (first + i == 0) {
                sum.copy_(gradients.get(i));
            } else {
                sum.add_(gradients.get(i));
            }
        }
    }

    /// In the order of the weights.
    List<Tensor> sums() {
        return sums;
    }

    /// The Euclidean norm of all sums together.
    double norm(Workers workers) {
        double[] squares = new double[sums.size()];
        workers.forEach(squares.length, (_, i) -> squares[i] = sums.get(i).square().sum().item());
        return Math.sqrt(Arrays.stream(squares).sum());
    }

    @Override
    public void close() {
        sums.forEach(Tensor::close);
    }
}
