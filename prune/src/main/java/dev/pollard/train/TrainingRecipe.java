package dev.pollard.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// All that decides what a training from scratch gives, but for the number of workers.
///
/// @param model a `config.json`; the size of the vocabulary and the ids of special tokens are put
///     in from the tokenizer
/// @param vocabulary size of the vocabulary to be made of the texts, if no tokenizer is given
/// @param tokenizer a Hugging Face folder whose tokenizer is used
/// @param context ids per window
/// @param batch windows per step
/// @param together windows that a worker computes as one
/// @param clip the gradients of a step are scaled down to this norm; 0: never
/// @param evaluateEvery steps between measurements on held-out documents; 0: only at the end
/// @param evaluateWindows windows of every source's held-out documents that are measured at most
/// @param checkpointSeconds between checkpoints; does not change what the training gives
public record TrainingRecipe(
        ObjectNode model,
        int vocabulary,
        Optional<Path> tokenizer,
        List<TextSource> data,
        int context,
        int batch,
        int together,
        Schedule schedule,
        AdamW.Setting optimizer,
        double clip,
        long seed,
        int evaluateEvery,
        int evaluateWindows,
        int checkpointSeconds) {
    /// @throws IllegalArgumentException if a number makes no sense
    public TrainingRecipe {
        data = List.copyOf(data);
        if (data.isEmpty()) {
            throw new IllegalArgumentException("no data to train on");
        }
        if (context < 2) {
            throw new IllegalArgumentException("context of %d tokens".formatted(context));
        }
        if (batch < 1 || together < 1 || batch % together != 0) {
            throw new IllegalArgumentException(
                    "a batch of %d windows, %d of them computed together"
                            .formatted(batch, together));
        }
        if (!(clip >= 0)) {
            throw new IllegalArgumentException("norm to clip gradients at: " + clip);
        }
        if (evaluateEvery < 0 || evaluateWindows < 0 || checkpointSeconds < 0) {
            throw new IllegalArgumentException(
                    "evaluation every %d steps on %d windows, checkpoints every %d seconds"
                            .formatted(evaluateEvery, evaluateWindows, checkpointSeconds));
        }
    }

    /// Tokens of a step.
    public long tokensPerStep() {
        return (long) batch * context;
    }

    /// The same until another step.
    public TrainingRecipe endingAt(long steps) {
        return new TrainingRecipe(
                model,
                vocabulary,
                tokenizer,
                data,
                context,
                batch,
                together,
                schedule.endingAt(steps),
                optimizer,
                clip,
                seed,
                evaluateEvery,
                evaluateWindows,
                checkpointSeconds);
    }

    /// All that a run may not change when it is resumed, as text.
    String identity() {
        return List.of(
                        model.toString(),
                        vocabulary + " " + tokenizer,
                        data.toString(),
                        "%d %d %d".formatted(context, batch, together),
                        schedule.identity(),
                        optimizer.toString(),
                        clip + " " + seed)
                .toString();
    }
}
