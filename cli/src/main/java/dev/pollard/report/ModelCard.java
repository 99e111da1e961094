package dev.pollard.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollard.recipe.RunRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The model card of the output folder, `README.md`: Markdown behind YAML that model hubs read.
///
/// It is made to be published: it names files, never the folders they lie in.
public final class ModelCard {
    // Every string is quoted: YAML 1.1 would read 2:4 as 124 and no as false.
    private static final YAMLMapper YAML =
            YAMLMapper.builder().disable(YAMLGenerator.Feature.SPLIT_LINES).build();

    /// Signs that CommonMark takes for themselves behind a backslash, but for the harmless ones.
    private static final Pattern ASCII_PUNCTUATION = Pattern.compile("[\\\\`*_{}\\[\\]<>#!|~&$^]");

    private static final Pattern BACKTICKS = Pattern.compile("`+");

    /// Ends of lines, control characters, and marks that turn the direction of what follows.
    private static final Pattern UNSEEN =
            Pattern.compile("[\\p{Cntrl}\\u2028\\u2029\\u202A-\\u202E\\u2066-\\u2069]+");

    private final RunRecord record;
    private final Outcome outcome;
    private final BaseModel base;
    private final Path folder;

    private ModelCard(RunRecord record, Path folder) throws IOException {
        this.record = Missing.filled(record);
        this.outcome = Outcome.of(this.record, LayerGrid.of(this.record.layers()));
        this.base = BaseModel.of(this.record.model().path());
        this.folder = folder;
    }

    /// Writes `README.md`, over one that may be there.
    ///
    /// @param folder the output folder, with its model already in it
    public static void write(RunRecord record, Path folder) throws IOException {
        var card = new ModelCard(record, folder);
        Files.writeString(
                folder.resolve("README.md"), card.frontMatter() + "---\n\n" + card.body());
    }

    // ---- YAML ----

    private String frontMatter() throws IOException {
        var card = new LinkedHashMap<String, Object>();
        card.put("base_model", base.name());
        card.putAll(licence());
        card.put("library_name", "transformers");
        card.put("pipeline_tag", "text-generation");
        card.put(
                "tags",
                List.of("pruned", "sparse", "pollard", record.method().name(), record.pattern()));
        var datasets =
                Stream.concat(
                                sources().stream(),
                                record.domains().stream().map(d -> Figures.sourceName(d.source())))
                        .distinct()
                        .toList();
        if (!datasets.isEmpty()) {
            card.put("datasets", datasets);
        }
        var results = results();
        if (!results.isEmpty()) {
            card.put("model-index", List.of(ordered("name", title(), "results", results)));
        }
        try {
            return YAML.writeValueAsString(card);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of plain values", e);
        }
    }

    private Map<String, String> licence() throws IOException {
        if (base.licence().containsKey("license")) {
            return base.licence();
        }
        var licence = new LinkedHashMap<String, String>();
        licenceFile()
                .ifPresent(
                        file -> {
                            licence.put("license", "other");
                            licence.put("license_name", "see-file");
                            licence.put("license_link", file);
                        });
        return licence;
    }

    /// The licence that was copied from the source folder.
    private Optional<String> licenceFile() throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith("LICENSE") || name.startsWith("LICENCE"))
                    .sorted()
                    .findFirst();
        }
    }

    private List<String> sources() {
        return record.calibration().source().stream().map(Figures::sourceName).distinct().toList();
    }

    private List<Object> results() {
        var results = new ArrayList<Object>();
        for (var e : record.evaluations()) {
            if (Double.isFinite(e.pruned())) {
                String task = new Score(e).task();
                results.add(
                        ordered(
                                "task",
                                ordered("type", "text-generation"),
                                "dataset",
                                ordered("name", task, "type", task),
                                "metrics",
                                List.of(
                                        ordered(
                                                "name", e.metric(),
                                                "type", e.metric(),
                                                "value", e.pruned()))));
            }
        }
        return results;
    }

    private static SequencedMap<String, Object> ordered(Object... namesAndValues) {
        var map = new LinkedHashMap<String, Object>();
        for (int i = 0; i < namesAndValues.length; i += 2) {
            map.put((String) namesAndValues[i], namesAndValues[i + 1]);
        }
        return map;
    }

    // ---- Markdown ----

    private String title() {
        return "%s, %s %s".formatted(base.name(), record.method().name(), record.pattern());
    }

    private String body() throws IOException {
        var text = new StringBuilder();
        text.append("# ").append(plain(title())).append("\n\n");
        text.append(
                "%s with %s of the weights in its linear layers set to zero, in one shot by %s with Pollard %s.\n"
                        .formatted(
                                code(base.name()),
                                Figures.percent(record.sparsity()),
                                code(record.method().name()),
                                code(record.pollard())));
        results(text);
        list(text, "## What was gained", outcome.gained());
        list(text, "## What was not gained", outcome.notGained());
        recipe(text);
        calibration(text);
        source(text);
        use(text);
        list(text, "## Warnings of the run", record.warnings());
        return text.toString();
    }

    private void results(StringBuilder text) {
        text.append("\n## Results\n\n");
        if (record.evaluations().isEmpty()) {
            text.append("The run evaluated nothing.\n");
            return;
        }
        boolean control = record.evaluations().stream().anyMatch(e -> e.control() != null);
        text.append("| task | metric | dense |")
                .append(control ? " control |" : "")
                .append(" pruned | difference | verdict |")
                .append(control ? " against the control |" : "")
                .append(" measured on |\n")
                .append("|---|---|---:|")
                .append(control ? "---:|" : "")
                .append("---:|---:|---|")
                .append(control ? "---|" : "")
                .append("---|\n");
        for (var score : Score.of(record.evaluations())) {
            var cells = new ArrayList<>(List.of(score.task(), score.metric()));
            cells.add(Score.with(score.dense(), score.denseError()));
            if (control) {
                cells.add(score.control());
            }
            cells.add(Score.with(score.pruned(), score.prunedError()));
            cells.add(score.difference());
            cells.add(score.verdict().words());
            if (control) {
                cells.add(score.againstControl());
            }
            cells.add(score.measuredOn());
            text.append(
                    cells.stream()
                            .map(ModelCard::plain)
                            .collect(Collectors.joining(" | ", "| ", " |\n")));
        }
        text.append(
                "\n± is one standard error. Noise is what chance alone would bring in more than one"
                        + " of twenty cases.\n");
        if (record.control() != null) {
            text.append(
                    "The control is %s%s, run beside the method with the same calibration.\n"
                            .formatted(
                                    code(record.control().name()),
                                    record.control().summary().isEmpty()
                                            ? ""
                                            : ": " + plain(record.control().summary())));
        }
    }

    private static void list(StringBuilder text, String title, List<String> sentences) {
        if (!sentences.isEmpty()) {
            text.append("\n").append(title).append("\n\n");
            sentences.forEach(said -> text.append("- ").append(plain(said)).append("\n"));
        }
    }

    private void recipe(StringBuilder text) {
        var method = record.method();
        text.append("\n## Recipe\n\n");
        item(text, "method", code(method.name()));
        item(text, "pattern", plain(Figures.pattern(record.pattern())));
        item(text, "allocation", plain(method.allocation()));
        method.settings().forEach((name, value) -> item(text, plain(name), code(value)));
        var steps = Story.of(record.layers()).chapters();
        if (steps.size() > 1) {
            item(
                    text,
                    "steps",
                    steps.stream()
                            .map(step -> code(step.step()))
                            .collect(Collectors.joining(", ")));
        }
        item(text, "layers", Figures.count(record.layers().size()));
        item(text, "inputs of the layers", "of the " + plain(method.inputs()) + " model");
        item(text, "computed in", plain(method.compute()));
        item(text, "seed", Long.toString(record.seed()));
        text.append(
                "\nThe folder `pollard` has it as a file (`recipe.yaml`) and all numbers of the run"
                        + " (`report.json`, `report.html`).\n");
    }

    private void calibration(StringBuilder text) {
        var facts = record.calibration();
        text.append("\n## Calibration\n\n");
        domains(text);
        if (facts.sequences() == 0) {
            if (record.domains().isEmpty()) {
                text.append("None: the method saw no data.\n");
            }
            return;
        }
        text.append(
                "%s of %s tokens (%s in all), %s, from %s. SHA-256 of the token ids: %s.\n"
                        .formatted(
                                Figures.count(facts.sequences(), "sequence"),
                                Figures.count(facts.length()),
                                Figures.count(facts.tokens()),
                                plain(facts.sampling()),
                                sources().stream()
                                        .map(ModelCard::code)
                                        .collect(Collectors.joining(", ")),
                                code(facts.sha256())));
    }

    private void domains(StringBuilder text) {
        for (var domain : record.domains()) {
            text.append(
                    "Domain %s, of weight %s: %s of %s tokens from %s. SHA-256 of the token ids: %s.\n\n"
                            .formatted(
                                    plain(domain.name()),
                                    Figures.brief(domain.weight()),
                                    Figures.count(domain.sequences(), "sequence"),
                                    Figures.count(domain.length()),
                                    code(Figures.sourceName(domain.source())),
                                    code(domain.sha256())));
        }
    }

    private void source(StringBuilder text) throws IOException {
        var model = record.model();
        text.append("\n## Base model\n\n");
        text.append(
                "%s (%s, %s parameters). SHA-256 of its tensors: %s.\n"
                        .formatted(
                                code(base.name()),
                                plain(model.architecture()),
                                Figures.count(model.parameters()),
                                code(model.sha256())));
        if (Outcome.isQuantised(record)) {
            text.append(
                    ("\nThe source was quantised (%s): its weights were dequantised before they were"
                                    + " pruned, and what quantisation had lost is lost here too.\n")
                            .formatted(plain(model.storage())));
        }
        var licence = licence();
        if (base.licence().containsKey("license")) {
            text.append(
                    "\nIts licence, %s, holds for this model too.\n"
                            .formatted(code(licence.get("license"))));
        } else if (!licence.isEmpty()) {
            text.append(
                    "\nIts licence holds for this model too: see %s.\n"
                            .formatted(code(licence.get("license_link"))));
        } else {
            text.append(
                    "\nIts licence is unknown: ask the base model's authors. Whatever it is, it holds"
                            + " for this model too.\n");
        }
    }

    private void use(StringBuilder text) {
        boolean tokenizer = Files.exists(folder.resolve("tokenizer.json"));
        text.append("\n## Use\n\n```python\n");
        text.append("from transformers import AutoModelForCausalLM")
                .append(tokenizer ? ", AutoTokenizer" : "")
                .append("\n\nfolder = \".\"  # where this file is\n")
                .append("model = AutoModelForCausalLM.from_pretrained(folder)\n");
        if (tokenizer) {
            text.append("tokenizer = AutoTokenizer.from_pretrained(folder)\n");
        }
        text.append("```\n");
        if (!tokenizer) {
            text.append("\nThere is no tokenizer in this folder: take the base model's.\n");
        }
    }

    private static void item(StringBuilder text, String name, String value) {
        text.append("- ").append(name).append(": ").append(value).append("\n");
    }

    /// Words of a file or a user in running text, where none of their signs means anything.
    static String plain(String words) {
        return ASCII_PUNCTUATION.matcher(oneLine(words)).replaceAll("\\\\$0");
    }

    /// The same as code, where only backticks mean something.
    static String code(String words) {
        String line = oneLine(words);
        int longest =
                BACKTICKS
                        .matcher(line)
                        .results()
                        .mapToInt(run -> run.group().length())
                        .max()
                        .orElse(0);
        if (line.isEmpty()) {
            return "(unknown)";
        }
        String fence = "`".repeat(longest + 1);
        String room = longest > 0 ? " " : "";
        return fence + room + line + room + fence;
    }

    private static String oneLine(String words) {
        return UNSEEN.matcher(words).replaceAll(" ").strip();
    }
}
