package dev.pollard.recipe;

import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/// A model that a run wrote, opened again to be held against what was meant.
///
/// @param model as it was read
record WrittenModel(Model model) implements AutoCloseable {
    private static final int TOKENS = 64;

    /// @param original that the run began with
    /// @throws VerificationException if it has not as many weights
    static WrittenModel open(Path folder, Model original) throws IOException {
        var model = Model.open(folder);
        long written = model.checkpoint().parameters();
        long meant = original.checkpoint().parameters();
        if (written != meant) {
            model.close();
            throw new VerificationException(
                    "the output has %,d weights, the model %,d".formatted(written, meant));
        }
        return new WrittenModel(model);
    }

    /// @param ids of a text, of which the first are taken
    /// @throws VerificationException if the logits are not finite
    void requireFinite(int[] ids) {
        int[] first = Arrays.copyOf(ids, Math.min(ids.length, TOKENS));
        if (!model.forward(first, Compute.FLOAT32).isFinite()) {
            throw new VerificationException("the logits of the output are not finite");
        }
    }

    @Override
    public void close() {
        model.close();
    }
}
