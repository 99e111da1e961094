package dev.pollard.report;

import dev.pollard.model.Compute;
import dev.pollard.train.TextSource;
import dev.pollard.train.TrainingResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/// The model card of a model that was trained from nothing, `README.md`.
///
/// It is made to be published: it names files, never the folders they lie in.
public final class TrainingCard {
    private final TrainingResult result;
    private final StringBuilder text = new StringBuilder();

    private TrainingCard(TrainingResult result) {
        this.result = result;
    }

    /// @param version of Pollard
    /// @param folder the model's, where the card goes
    public static void write(TrainingResult result, String version, Path folder)
            throws IOException {
        var card = new TrainingCard(result);
        card.begin(version);
        card.heldOut();
        card.texts();
        card.recipe();
        Files.writeString(folder.resolve("README.md"), card.text.toString());
    }

    private void begin(String version) {
        text.append(
                """
                ---
                library_name: "transformers"
                pipeline_tag: "text-generation"
                tags: ["pollard", "trained-from-scratch"]
                ---

                # A small %s model, trained from nothing

                %s parameters in bfloat16, a vocabulary of %s tokens, trained with Pollard %s on windows of %s tokens, %s
                tokens in all. It has seen nothing but the texts below, was not taught to follow instructions, and is too
                small to know facts: do not rely on what it writes.
                """
                        .formatted(
                                ModelCard.plain(result.architecture()),
                                Figures.count(result.parameters()),
                                Figures.count(result.vocabulary()),
                                ModelCard.code(version),
                                Figures.count(result.recipe().context()),
                                Figures.count(tokens())));
    }

    private long tokens() {
        return result.recipe().schedule().steps() * result.recipe().tokensPerStep();
    }

    private void heldOut() {
        if (result.heldOut().isEmpty()) {
            return;
        }
        text.append("\n## On documents it was not trained on\n\n");
        text.append("| text | loss, nats a token | perplexity |\n|---|---:|---:|\n");
        result.heldOutBySource().forEach((name, loss) -> row(ModelCard.plain(name), loss));
        row("all windows", result.heldOut().getAsDouble());
    }

    private void row(String name, double loss) {
        text.append(
                String.format(Locale.ROOT, "| %s | %.3f | %.2f |\n", name, loss, Math.exp(loss)));
    }

    private void texts() {
        double weights = result.recipe().data().stream().mapToDouble(TextSource::weight).sum();
        text.append("\n## Texts\n\n");
        text.append("| file | share of the tokens | held out |\n|---|---:|---|\n");
        for (TextSource source : result.recipe().data()) {
            text.append(
                    "| %s | %s | %s |\n"
                            .formatted(
                                    ModelCard.plain(source.file().getFileName().toString()),
                                    Figures.percent(source.weight() / weights),
                                    source.heldOut() == 0
                                            ? "none"
                                            : "every %dth document".formatted(source.heldOut())));
        }
    }

    private void recipe() {
        var recipe = result.recipe();
        var schedule = recipe.schedule();
        text.append("\n## Recipe\n\n");
        item("steps", "%,d of %,d tokens".formatted(schedule.steps(), recipe.tokensPerStep()));
        item(
                "optimiser",
                "AdamW, betas %s and %s, weight decay %s, gradients clipped at norm %s"
                        .formatted(
                                recipe.optimizer().beta1(),
                                recipe.optimizer().beta2(),
                                recipe.optimizer().decay(),
                                recipe.clip()));
        item(
                "learning rate",
                "%s, %s %s"
                        .formatted(
                                schedule.peak(),
                                switch (schedule.shape()) {
                                    case COSINE -> "a cosine";
                                    case LINEAR -> "a line";
                                    case WSD ->
                                            "a plateau and a descent of %,d steps"
                                                    .formatted(schedule.decay());
                                },
                                "after %,d steps of warm-up, down to %s of it"
                                        .formatted(schedule.warmUp(), schedule.floor())));
        item("products computed in", result.compute() == Compute.BFLOAT16 ? "bfloat16" : "float32");
        item("seed", Long.toString(recipe.seed()));
        item("workers", Integer.toString(result.workers()));
        item("time", Figures.seconds(result.seconds()));
        result.loss().ifPresent(loss -> item("training loss at the end", Figures.number(loss)));
        text.append(
                "\n`training.yaml` is the recipe as a file, `training.jsonl` the course of the loss.\n");
    }

    private void item(String name, String value) {
        text.append("- ").append(name).append(": ").append(value).append('\n');
    }
}
