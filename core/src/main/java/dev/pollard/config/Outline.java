package dev.pollard.config;

import dev.pollard.format.MalformedFileException;
import java.util.OptionalInt;

/// What every decoder has.
///
/// @param architecture as the checkpoint calls it: `llama`, `gemma3_text`
/// @param vocabularySize rows of the embedding table
/// @param hiddenSize width of the residual stream
/// @param blocks number of decoder blocks
/// @param contextLength longest sequence the model was made for, in tokens
/// @param tiedHead whether the head is the embedding table itself
/// @param bos the id that begins a text, if the checkpoint names one
public record Outline(
        String architecture,
        int vocabularySize,
        int hiddenSize,
        int blocks,
        int contextLength,
        boolean tiedHead,
        OptionalInt bos) {
    private static final int MOST_BLOCKS = 10_000;

    static Outline read(
            Keys keys,
            String architecture,
            int vocabularySize,
            int hiddenSize,
            int contextLength,
            boolean tiedUnlessSaid)
            throws MalformedFileException {
        int blocks = keys.size("num_hidden_layers", "n_layer");
        keys.require(
                blocks <= MOST_BLOCKS,
                keys.has("num_hidden_layers") ? "num_hidden_layers" : "n_layer",
                "must be at most %d, not %d".formatted(MOST_BLOCKS, blocks));
        OptionalInt bos = keys.integer("bos_token_id");
        keys.require(
                bos.isEmpty() || bos.getAsInt() < vocabularySize,
                "bos_token_id",
                "is outside the vocabulary of %d".formatted(vocabularySize));
        return new Outline(
                architecture,
                vocabularySize,
                hiddenSize,
                blocks,
                contextLength,
                keys.flag(tiedUnlessSaid, "tie_word_embeddings"),
                bos.isPresent() && bos.getAsInt() < 0 ? OptionalInt.empty() : bos);
    }
}
