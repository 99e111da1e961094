package dev.pollard.train;

import dev.pollard.model.Compute;
import java.util.OptionalDouble;
import java.util.SequencedMap;

/// What a training came to: enough to write a model card.
///
/// @param architecture as `config.json` has it: `llama`
/// @param parameters of the model
/// @param vocabulary its size
/// @param loss mean of the last steps, in nats a token
/// @param heldOut mean loss on held-out documents, in nats a token; empty if none were held out
/// @param heldOutBySource the same by the name of the file
/// @param seconds of all steps, those before an interruption included
/// @param compute what products were computed in
/// @param workers how many there were
public record TrainingResult(
        TrainingRecipe recipe,
        String architecture,
        long parameters,
        int vocabulary,
        OptionalDouble loss,
        OptionalDouble heldOut,
        SequencedMap<String, Double> heldOutBySource,
        double seconds,
        Compute compute,
        int workers) {}
