package dev.pollard.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.tensor.Workers;
import dev.pollard.tokenizer.BpeTrainer;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// From a recipe to all that the first step begins with, in a folder: `config.json`, tokenizer,
/// first weights, and the token ids of the texts.
final class Preparation {
    private static final String BEGIN = "<|begin|>";
    private static final String END = "<|end|>";

    /// Of one source for one of another, beyond which the vocabulary does not care.
    private static final int MOST_PASSES = 100_000;

    private final TrainingRecipe recipe;
    private final Path folder;
    private final Workers workers;
    private final Training.Listener listener;

    Preparation(TrainingRecipe recipe, Path folder, Workers workers, Training.Listener listener) {
        this.recipe = recipe;
        this.folder = folder;
        this.workers = workers;
        this.listener = listener;
    }

    /// @param tokens where the token ids go
    /// @throws IllegalArgumentException if the model cannot hold a window, or a source is shorter
    ///     than one
    void run(Path tokens) throws IOException {
        requireModel();
        var documents = new ArrayList<TextSource.Documents>();
        for (TextSource source : recipe.data()) {
            listener.begin("reading " + source.file().getFileName());
            documents.add(source.read());
        }
        try (var tokenizer = tokenizer(documents)) {
            tokenizer.saveTo(folder);
            Initialization.write(folder, config(tokenizer), recipe.seed());
            tokenize(documents, tokenizer, tokens);
        }
    }

    /// Finds out now, and not when the vocabulary is made, what is wrong with the `config.json`.
    private void requireModel() throws IOException {
        var config = recipe.model().deepCopy().put("vocab_size", recipe.vocabulary());
        int longest = Initialization.writeConfig(folder, config).contextLength();
        if (longest < recipe.context()) {
            throw new IllegalArgumentException(
                    "a context of %,d tokens in a model made for %,d"
                            .formatted(recipe.context(), longest));
        }
    }

    private Tokenizer tokenizer(List<TextSource.Documents> documents) throws IOException {
        if (recipe.tokenizer().isPresent()) {
            return Tokenizer.fromHuggingFaceFolder(recipe.tokenizer().get());
        }
        listener.begin("making a vocabulary of %,d tokens".formatted(recipe.vocabulary()));
        var trainer = new BpeTrainer(recipe.vocabulary(), BEGIN, END);
        double[] passes = passes(documents);
        double least = Arrays.stream(passes).min().orElseThrow();
        for (int i = 0; i < passes.length; i++) {
            int weight = Math.clamp(Math.round(passes[i] / least), 1, MOST_PASSES);
            documents.get(i).training().forEach(document -> trainer.add(document, weight));
        }
        return trainer.train();
    }

    /// How often the characters of every source are seen, up to a factor: what they count for the
    /// vocabulary.
    private double[] passes(List<TextSource.Documents> documents) {
        double[] passes = new double[documents.size()];
        for (int i = 0; i < passes.length; i++) {
            long characters = documents.get(i).training().stream().mapToLong(String::length).sum();
            passes[i] = recipe.data().get(i).weight() / characters;
        }
        return passes;
    }

    private ObjectNode config(Tokenizer tokenizer) {
        ObjectNode config = recipe.model().deepCopy();
        config.put("vocab_size", tokenizer.vocabularySize());
        tokenizer.bos().ifPresent(id -> config.put("bos_token_id", id));
        tokenizer.eos().ifPresent(id -> config.put("eos_token_id", id));
        return config;
    }

    private void tokenize(List<TextSource.Documents> documents, Tokenizer tokenizer, Path tokens)
            throws IOException {
        listener.begin("tokenising");
        int[][] training = new int[documents.size()][];
        int[][] heldOut = new int[documents.size()][];
        workers.forEach(
                training.length,
                (_, i) -> {
                    training[i] = Mixture.join(documents.get(i).training(), tokenizer);
                    heldOut[i] = Mixture.join(documents.get(i).heldOut(), tokenizer);
                });
        for (int i = 0; i < training.length; i++) {
            if (training[i].length < recipe.context()) {
                throw new IllegalArgumentException(
                        "%s holds %,d tokens to train on, one window takes %,d"
                                .formatted(
                                        recipe.data().get(i).file(),
                                        training[i].length,
                                        recipe.context()));
            }
        }
        TokenStore.write(tokens, List.of(training), List.of(heldOut));
    }
}
