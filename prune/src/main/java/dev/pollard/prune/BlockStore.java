package dev.pollard.prune;

import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Where the new weights of finished blocks are kept while a run goes on.
public interface BlockStore {
    /// What one pass made of one block.
    ///
    /// @param weights `[out, in]` float32 by module name; those that the pass left as they were may
    ///     be missing, but not after a method's last pass
    /// @param findings for passes to come, by module name
    record Committed(
            Map<String, Tensor> weights,
            Map<String, Findings> findings,
            List<LayerReport> reports) {
        /// Weights alone.
        public Committed(Map<String, Tensor> weights, List<LayerReport> reports) {
            this(weights, Map.of(), reports);
        }
    }

    /// Keeps a finished block: after the return it survives a crash, before it nothing of it is
    /// seen.
    void commit(int pass, int block, Committed finished) throws IOException;

    /// Whether [#load] will find the block.
    boolean isCommitted(int pass, int block);

    /// The block as committed, its tensors in the current scope; empty if it was not.
    Optional<Committed> load(int pass, int block) throws IOException;
}
