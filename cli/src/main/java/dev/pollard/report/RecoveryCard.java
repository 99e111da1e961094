package dev.pollard.report;

import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollard.recipe.RecoveryRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.Collectors;

/// The model card of a model that was trained under its mask, `README.md`. Like [ModelCard] it is
/// made to be published: it names files, never the folders they lie in.
public final class RecoveryCard {
    private static final YAMLMapper YAML =
            YAMLMapper.builder().disable(YAMLGenerator.Feature.SPLIT_LINES).build();

    private RecoveryCard() {}

    /// Writes `README.md`.
    ///
    /// @param folder the output folder
    public static void write(RecoveryRecord record, Path folder) throws IOException {
        var base = BaseModel.of(record.model().path());
        Files.writeString(
                folder.resolve("README.md"),
                frontMatter(record, base) + "---\n\n" + body(record, base));
    }

    private static String frontMatter(RecoveryRecord record, BaseModel base) throws IOException {
        var card = new LinkedHashMap<String, Object>();
        card.put("base_model", base.name());
        card.putAll(base.licence());
        card.put("library_name", "transformers");
        card.put("pipeline_tag", "text-generation");
        card.put("tags", List.of("pruned", "sparse", "pollard", "finetuned", record.method()));
        card.put("datasets", sources(record));
        return YAML.writeValueAsString(card);
    }

    private static List<String> sources(RecoveryRecord record) {
        return record.data().source().stream().map(Figures::sourceName).distinct().toList();
    }

    private static String body(RecoveryRecord record, BaseModel base) {
        var text = new StringBuilder();
        text.append("# %s, recovered\n\n".formatted(ModelCard.plain(base.name())));
        text.append(
                "%s trained by Pollard %s on %s tokens: %s. %s of the weights in the layers that were trained are zero; before the training it was %s.\n"
                        .formatted(
                                ModelCard.code(base.name()),
                                ModelCard.code(record.pollard()),
                                Figures.count(record.data().trainedTokens()),
                                record.method().equals("lora")
                                        ? "low-rank adapters, merged under the mask they were trained with"
                                        : "the weights of the linear layers themselves",
                                Figures.percent(record.sparsity().after()),
                                Figures.percent(record.sparsity().before())));
        text.append("\n## Results\n\n| measured | before | after |\n|---|---:|---:|\n");
        row(
                text,
                "loss of a token, windows held out",
                record.loss().heldOutBefore(),
                record.loss().heldOutAfter());
        for (var measured : record.evaluations()) {
            String task = Score.task(measured.task());
            row(text, task + ", " + measured.metric(), measured.before(), measured.after());
        }
        text.append("\n## Recipe\n\n");
        record.settings()
                .forEach(
                        (name, value) -> {
                            if (!value.toString().isEmpty()) {
                                text.append("- %s: ".formatted(ModelCard.plain(name)))
                                        .append(ModelCard.code(value.toString()))
                                        .append("\n");
                            }
                        });
        text.append(
                "\n%s of %s tokens from %s. SHA-256 of the token ids: %s; of the base model's tensors: %s. The folder `pollard` has all numbers (`finetune.json`, `training.jsonl`).\n"
                        .formatted(
                                Figures.count(
                                        record.data().windows() + record.data().heldOut(),
                                        "window"),
                                Figures.count(record.data().length()),
                                sources(record).stream()
                                        .map(ModelCard::code)
                                        .collect(Collectors.joining(", ")),
                                ModelCard.code(record.data().sha256()),
                                ModelCard.code(record.model().sha256())));
        text.append("\n## Licence\n\n")
                .append(
                        base.licence().containsKey("license")
                                ? "That of the base model, %s, holds for this model too.\n"
                                        .formatted(ModelCard.code(base.licence().get("license")))
                                : "That of the base model holds for this model too.\n");
        return text.toString();
    }

    private static void row(StringBuilder text, String what, double before, double after) {
        text.append(
                "| %s | %s | %s |\n"
                        .formatted(
                                ModelCard.plain(what),
                                ModelCard.plain(Figures.number(before)),
                                ModelCard.plain(Figures.number(after))));
    }
}
