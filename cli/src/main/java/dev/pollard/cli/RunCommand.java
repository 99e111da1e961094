package dev.pollard.cli;

import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollard.data.Sampling;
import dev.pollard.eval.Decoding;
import dev.pollard.model.Compute;
import dev.pollard.prune.Allocation;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.Sparsity;
import dev.pollard.recipe.PruningRun;
import dev.pollard.recipe.Recipe;
import dev.pollard.recipe.RunRecord;
import dev.pollard.report.HtmlReport;
import dev.pollard.report.ModelCard;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

@Command(
        name = "run",
        header = "Prunes a model, verifies and evaluates the result.",
        description = {
            "Prunes a model: calibrates, prunes block by block, saves, re-opens and verifies what it",
            "saved, and evaluates dense against pruned. The output is a Hugging Face folder."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard run model.gguf -o out --calib texts.jsonl.gz:text",
            "  pollard run llama -o out --method wanda --pattern 2:4 --calib c4.jsonl:text",
            "      --eval perplexity:rows:wiki.test.raw.gz --eval-limit 40",
            "  pollard run llama -o out --method magnitude --sparsity 0.3 --exclude 'layers\\.0\\.'",
            "  pollard run llama -o out --method sds --pattern 2:4 --calib c4.jsonl:text --compute bf16",
            "  pollard run llama -o out --method dpruner --calib c4.jsonl:text",
            "      --domain health=notes.jsonl:text --eval perplexity:held-out.jsonl:text",
            "  pollard run llama -o out --calib ids.npy --dry-run      what it would take",
            "",
            "Texts: .txt, .jsonl, .json and .csv with the name of a field (FILE:field), each also .gz;",
            "token ids: .npy. 'rows:FILE' takes every line as a row of a dataset, as WikiText-2's",
            "perplexity in the papers does.",
            "",
            "An interrupted run goes on with --resume and ends with the same bytes."
        })
final class RunCommand implements Callable<Integer> {
    private static final int SAMPLES = 128;

    /// In place of something to measure.
    private static final String NOTHING = "none";

    /// Of the texts that came with the embedded models: what they hold is some 12,000 tokens.
    private static final int EMBEDDED_SAMPLES = 32;

    private static final int EMBEDDED_LENGTH = 256;

    private final Console console;
    private final Environment environment;

    @Spec private CommandSpec spec;

    @Parameters(
            paramLabel = "MODEL",
            arity = "0..1",
            description =
                    "The dense model: a Hugging Face folder, a .gguf file, or a name ('pollard"
                            + " models').")
    private Path model;

    /// How a recipe names the model.
    @Option(names = "--model", hidden = true)
    private Path recipeModel;

    @Option(
            names = "--method",
            order = 10,
            paramLabel = "NAME",
            defaultValue = "sparsegpt",
            description = "What prunes ('pollard methods'). Default: ${DEFAULT-VALUE}")
    private String method;

    private Sparsity sparsity = new Sparsity.Unstructured(0.5);
    private boolean sparsityGiven;

    @Option(
            names = "--sparsity",
            order = 11,
            paramLabel = "RATIO",
            description = "Fraction of the weights to remove, in [0, 1). Default: 0.5")
    private void setRatio(String ratio) {
        setSparsity(ratio, false);
    }

    /// What a ratio is a ratio of.
    private enum Whole {
        LAYERS,
        MODEL
    }

    @Option(
            names = "--target-sparsity-of",
            order = 12,
            paramLabel = "layers|model",
            defaultValue = "layers",
            description =
                    "What --sparsity is a ratio of: the layers to prune, or all weights of the"
                            + " model, embeddings and head included. Default: ${DEFAULT-VALUE}")
    private Whole whole;

    @Option(
            names = "--pattern",
            order = 12,
            paramLabel = "N:M",
            description =
                    "Keep N of every M consecutive weights of a row instead: 2:4, 4:8, 1:4, …")
    private void setPattern(String pattern) {
        setSparsity(pattern, true);
    }

    private Allocation allocation = new Allocation.Uniform();

    @Option(
            names = "--allocation",
            order = 12,
            paramLabel = "NAME[:KEY=VALUE,…]",
            description = {
                "How the layers share the ratio. uniform: each gives as much. owl: blocks with many"
                        + " outliers give less (arXiv 2310.05175), at the price of one more pass over"
                        + " the model; owl:lambda=0.15 sets half the distance between the highest and"
                        + " the lowest ratio (0.08), m=5 from how many times the mean a score is an"
                        + " outlier. Default: uniform"
            })
    private void setAllocation(String text) {
        try {
            allocation = Allocation.parse(text);
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
        }
    }

    @Option(
            names = "--set",
            order = 13,
            paramLabel = "KEY=VALUE",
            description = "A setting of the method ('pollard methods NAME'). Repeatable.")
    private Map<String, String> settings = new LinkedHashMap<>();

    @Option(
            names = "--inputs",
            order = 17,
            paramLabel = "pruned|dense|both",
            defaultValue = "pruned",
            description =
                    "Whose activations a layer is calibrated on: of the model pruned so far, of the"
                            + " dense one, or both: of the pruned one, towards what the dense layer"
                            + " makes of the dense one's (methods of one step). Default: ${DEFAULT-VALUE}")
    private Inputs inputs;

    @Option(
            names = "--no-control",
            order = 17,
            description =
                    "Do not run the control beside the method: the simpler one that sds is held"
                            + " against in its report. Saves its time and its room in the work"
                            + " folder; the model is the same.")
    private boolean noControl;

    @Option(
            names = "--seed",
            order = 17,
            paramLabel = "N",
            defaultValue = "0",
            description = "Of all that is drawn. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(
            names = "--calib",
            order = 20,
            paramLabel = "FILE[:field]",
            description =
                    "Calibration text or token ids; samples are drawn from the first 16 million"
                            + " characters of a text. Repeatable: sources share the samples. Default:"
                            + " none; for an embedded model, text that came with it")
    private List<String> calibration = List.of();

    @Option(
            names = "--calib-samples",
            order = 21,
            paramLabel = "N",
            description = "Calibration sequences. Default: 128")
    private Integer samples;

    @Option(
            names = "--calib-length",
            order = 22,
            paramLabel = "TOKENS",
            description =
                    "Tokens of each. Default: 2048, or the model's context if that is shorter")
    private Integer calibrationLength;

    @Option(
            names = "--calib-sampling",
            order = 23,
            paramLabel = "random|consecutive",
            defaultValue = "random",
            description = "Windows drawn by the seed, or from the start. Default: ${DEFAULT-VALUE}")
    private Sampling sampling;

    @Option(
            names = "--domain",
            order = 24,
            paramLabel = "NAME=FILE[:field][@WEIGHT]",
            description =
                    "Text of what the model shall serve, for methods that take gradients (dpruner,"
                            + " taylor, sds on either). Repeatable: scores of several domains add up"
                            + " by their weights.")
    private List<String> domains = List.of();

    @Option(
            names = "--domain-samples",
            order = 25,
            paramLabel = "N",
            defaultValue = "128",
            description = "Sequences of each domain. Default: ${DEFAULT-VALUE}")
    private int domainSamples;

    @Option(
            names = "--domain-length",
            order = 26,
            paramLabel = "TOKENS",
            description = "Tokens of each. Default: as --calib-length")
    private Integer domainLength;

    @Option(
            names = "--gradients",
            order = 26,
            paramLabel = "FOLDER",
            description =
                    "Leave the gradients of the domains (without one, of the calibration text) there"
                            + " for other runs, and take those that a"
                            + " run of the same model and text left: ratios, scores and penalties are"
                            + " then compared in a fraction of the time. 8 bytes for every weight to"
                            + " prune and domain. Default: none are kept")
    private Path gradients;

    @Option(
            names = "--eval",
            order = 30,
            paramLabel = "TASK[,TASK…]",
            split = ",",
            description =
                    "What to measure, dense against pruned: names of tasks ('pollard tasks'),"
                            + " perplexity:[rows:]FILE[:field],"
                            + " perplexity-strided:[W/S:][rows:]FILE[:field], choice:FILE.jsonl,"
                            + " task:FILE.json, or none, which leaves out the samples that both"
                            + " models write, too. Repeatable."
                            + " Default: samples only; for an embedded model, text and questions"
                            + " that came with it")
    private List<String> evaluations = List.of();

    @Option(
            names = "--eval-length",
            order = 31,
            paramLabel = "TOKENS",
            description = "Tokens of a window. Default: 2048, or the model's context if shorter")
    private Integer evaluationLength;

    @Option(
            names = "--eval-limit",
            order = 32,
            paramLabel = "N",
            description =
                    "Only the first N windows of a text, and N questions of a task, drawn by the"
                            + " seed; the report says so. Default: all")
    private Integer evaluationLimit;

    @Option(
            names = "--eval-shots",
            order = 34,
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "Solved examples in front of every question of a task. Default:"
                            + " ${DEFAULT-VALUE}")
    private int evaluationShots;

    @Mixin private TaskDataOptions taskData;

    private Map<String, Double> gates = Map.of();

    @Option(
            names = "--fail-above",
            order = 33,
            paramLabel = "perplexity=RATIO",
            description =
                    "Exit with 6 if a pruned perplexity is more than RATIO times the dense one. The"
                            + " output is kept.")
    private void setGates(Map<String, Double> gates) {
        gates.forEach(
                (metric, ratio) -> {
                    if (!metric.equals("perplexity") || !(ratio > 0)) {
                        throw new TypeConversionException(
                                "'%s=%s': give perplexity=RATIO".formatted(metric, ratio));
                    }
                });
        this.gates = gates;
    }

    @Option(
            names = "--recipe",
            order = 87,
            paramLabel = "FILE",
            description =
                    "YAML with these options by their long names, as runs leave it in"
                            + " OUT/pollard/recipe.yaml; the command line wins.")
    private Path recipe;

    @Option(
            names = "--dry-run",
            order = 88,
            description = "Show layers, memory, disk and time; write nothing.")
    private boolean dryRun;

    @Mixin private LayerOptions layers;
    @Mixin private DestinationOptions destination;
    @Mixin private ComputeOptions computing;
    @Mixin private OfflineOption offline;
    @Mixin private ProgressOptions progress;
    @Mixin private OutputOptions output;

    RunCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    private void setSparsity(String text, boolean pattern) {
        if (sparsityGiven) {
            throw new TypeConversionException("give either --sparsity or --pattern, once");
        }
        sparsityGiven = true;
        try {
            sparsity = Sparsity.parse(text);
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
        }
        if (pattern != sparsity instanceof Sparsity.SemiStructured) {
            throw new TypeConversionException(
                    pattern
                            ? "'%s' is not a pattern N:M; a ratio goes to --sparsity"
                                    .formatted(text)
                            : "'%s' is not a ratio; a pattern goes to --pattern".formatted(text));
        }
    }

    @Override
    public Integer call() throws IOException {
        model = model == null ? recipeModel : model;
        if (model == null) {
            throw new CommandLine.ParameterException(spec.commandLine(), "which MODEL?");
        }
        var names = environment.names(offline);
        Path found = names.resolve(model);
        if (names.embedded().containsValue(found)) {
            takeEmbeddedTexts(found.resolveSibling("texts"));
        }
        var recipe = recipe(found);
        computing.prepare(environment.cacheFolder());
        RunRecord record;
        try (var screen = new RunScreen(console, output, progress, method);
                var run = PruningRun.prepare(recipe, environment.results(), screen)) {
            if (dryRun) {
                PlanView.print(console, run);
                return ExitCode.DONE.code();
            }
            record = execute(run);
        }
        RecordView.print(console, record, destination.out, output.quiet);
        return gate(record).code();
    }

    /// What is not said about an embedded model: it is calibrated and measured on the texts that
    /// came with it, so that a clone can prune without any other file.
    private void takeEmbeddedTexts(Path texts) {
        if (calibration.isEmpty()) {
            calibration = List.of(texts.resolve("everyday-calibration.jsonl") + ":text");
            samples = samples == null ? EMBEDDED_SAMPLES : samples;
            calibrationLength = calibrationLength == null ? EMBEDDED_LENGTH : calibrationLength;
        }
        if (evaluations.isEmpty()) {
            evaluations =
                    List.of(
                            "perplexity:" + texts.resolve("everyday-held-out.jsonl") + ":text",
                            "choice:" + texts.resolve("everyday-questions.jsonl"));
        }
    }

    private RunRecord execute(PruningRun run) throws IOException {
        String command = CommandLines.typed(spec);
        var interrupt = Interrupt.watch(console, spec, run::discardPartial);
        try {
            return run.execute(
                    command,
                    Build.read().version(),
                    (record, folder) -> {
                        Path yaml = folder.resolve("pollard/recipe.yaml");
                        new YAMLMapper().writeValue(yaml.toFile(), effective(run));
                        ModelCard.write(record, folder);
                        HtmlReport.write(record, folder);
                    });
        } finally {
            interrupt.cancel();
        }
    }

    private Recipe recipe(Path model) {
        List<String> tasks = evaluations.stream().filter(task -> !task.equals(NOTHING)).toList();
        return new Recipe(
                model,
                new Recipe.Pruning(
                        method,
                        settings,
                        sparsity,
                        whole == Whole.MODEL,
                        allocation,
                        inputs,
                        layers.include(),
                        layers.exclude(),
                        seed,
                        !noControl),
                new Recipe.Calibration(
                        calibration,
                        samples(),
                        optional(calibrationLength),
                        sampling == Sampling.RANDOM),
                new Recipe.Domains(domains, domainSamples, optional(domainLength)),
                new Recipe.Evaluation(
                        tasks,
                        optional(evaluationLength),
                        optional(evaluationLimit),
                        taskData.folder(),
                        seed,
                        evaluationShots,
                        Decoding.GREEDY,
                        OptionalInt.empty(),
                        !evaluations.contains(NOTHING)),
                destination.resources(computing, Optional.ofNullable(gradients)),
                destination.output());
    }

    private int samples() {
        return samples == null ? SAMPLES : samples;
    }

    private static OptionalInt optional(Integer value) {
        return value == null ? OptionalInt.empty() : OptionalInt.of(value);
    }

    /// Whether the quality asked for was reached.
    private ExitCode gate(RunRecord record) {
        Double ratio = gates.get("perplexity");
        if (ratio == null) {
            return ExitCode.DONE;
        }
        for (var evaluation : record.evaluations()) {
            if (evaluation.metric().equals("perplexity")
                    && !(evaluation.pruned() <= ratio * evaluation.dense())) {
                console.error(
                        "%s is %.4g, more than %.4g times the dense %.4g"
                                .formatted(
                                        evaluation.task(),
                                        evaluation.pruned(),
                                        ratio,
                                        evaluation.dense()));
                return ExitCode.QUALITY_GATE;
            }
        }
        return ExitCode.DONE;
    }

    /// What decides the result, as `--recipe` takes it; where it goes and how it is shown is left
    /// out.
    private Map<String, Object> effective(PruningRun run) {
        var options = new LinkedHashMap<String, Object>();
        options.put("model", model.toString());
        options.put("method", method);
        put(options, "set", settings);
        options.put(
                sparsity instanceof Sparsity.SemiStructured ? "pattern" : "sparsity",
                sparsity.toString());
        options.put("target-sparsity-of", whole.name().toLowerCase(Locale.ROOT));
        options.put("allocation", allocation.toString());
        options.put("inputs", inputs.name().toLowerCase(Locale.ROOT));
        put(options, "include", layers.include().orElse(null));
        put(options, "exclude", layers.exclude().orElse(null));
        options.put("seed", seed);
        put(options, "no-control", noControl ? true : null);
        put(options, "calib", calibration);
        options.put("calib-samples", samples());
        options.put("calib-length", run.calibrationLength());
        options.put("calib-sampling", sampling.name().toLowerCase(Locale.ROOT));
        put(options, "domain", domains);
        if (!domains.isEmpty()) {
            options.put("domain-samples", domainSamples);
            options.put("domain-length", run.domainLength());
        }
        put(options, "eval", evaluations);
        options.put("eval-length", run.evaluationLength());
        put(options, "eval-limit", evaluationLimit);
        options.put("eval-shots", evaluationShots);
        put(options, "task-data", taskData.isGiven() ? taskData.folder().toString() : null);
        put(options, "fail-above", gates);
        options.put("dtype", destination.dtype);
        options.put("compute", computing.compute == Compute.BFLOAT16 ? "bf16" : "float32");
        options.put("threads", computing.threads());
        return options;
    }

    /// Puts what was given, and leaves out what was not.
    private static void put(Map<String, Object> options, String name, Object value) {
        switch (value) {
            case null -> {}
            case Collection<?> values when values.isEmpty() -> {}
            case Map<?, ?> values when values.isEmpty() -> {}
            case Pattern pattern -> options.put(name, pattern.pattern());
            default -> options.put(name, value);
        }
    }
}
