package dev.pollard.recover;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.model.Parameters;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/// Where the matrices to be trained are 0, and are to stay so: one bit for each weight.
final class Zeros {
    private final Map<Entry, long[]> where = new LinkedHashMap<>();

    /// @param kept whether there is anything to keep; otherwise [#clear_] does nothing
    Zeros(Parameters parameters, boolean kept) {
        if (kept) {
            for (var entry : parameters.trained()) {
                try (var _ = Scope.open()) {
                    where.put(entry, parameters.values(entry).zeros());
                }
            }
        }
    }

    /// Sets to +0 what belongs to a zero of the weight.
    ///
    /// @param x of the weight's shape, contiguous
    /// @return x
    Tensor clear_(Entry weight, Tensor x) {
        return where.isEmpty() ? x : x.clear_(where.get(weight));
    }
}
