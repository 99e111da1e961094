package dev.pollard.cli;

import dev.pollard.config.ModelConfig;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorFile;
import dev.pollard.hub.ModelNames;
import dev.pollard.hub.PullRecord;
import dev.pollard.report.Figures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "models",
        header = "Lists the models that are here, and what can be pruned.",
        description = {
            "Lists the models that have a name: those that came with Pollard and those that were",
            "pulled. Every command that takes a MODEL takes such a name. Only headers are read."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard models                        embedded and pulled models, what can be pruned",
            "  pollard models sapling                more of one",
            "  pollard models ~/models               what lies in a folder and four levels below",
            "  pollard pull HuggingFaceTB/SmolLM2-135M"
        })
final class ModelsCommand implements Callable<Integer> {
    private static final int DEPTH = 4;
    private static final long MOST_FILES = 100_000;
    private static final int SHORT_COMMIT = 10;

    private final Console console;
    private final Environment environment;

    @Mixin private OfflineOption offline;
    @Mixin private OutputOptions output;

    @Parameters(
            arity = "0..1",
            paramLabel = "MODEL|DIR",
            description = "Tell more of this model, or look for models in this folder.")
    private Path place;

    ModelsCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        var names = environment.names(offline);
        if (place == null) {
            printNamed(names);
            printSupported();
        } else if (Files.isDirectory(place) && !ModelFiles.isModelFolder(place)) {
            printFound(place);
        } else {
            printOne(names.resolve(place));
        }
        return ExitCode.DONE.code();
    }

    // ---- models with a name ----

    private void printNamed(ModelNames names) throws IOException {
        var models = new LinkedHashMap<>(names.embedded());
        models.putAll(names.pulled());
        print("MODEL", models);
        if (models.isEmpty()) {
            console.raw("No model is here yet: 'pollard pull ORG/NAME' gets one.");
        }
        for (var repository : names.cache().repositories()) {
            if (!names.cache().missing(repository).isEmpty()) {
                console.warn(
                        "%s was not pulled to its end; go on with: pollard pull %s"
                                .formatted(repository, repository));
            }
        }
        console.raw("");
    }

    private void printSupported() {
        console.say("@|bold Architectures|@ (model_type of config.json)");
        for (String line :
                Table.wrap(String.join(", ", ModelConfig.ARCHITECTURES), console.columns() - 2)) {
            console.raw("  " + line);
        }
        console.raw("");
        console.say("@|bold Formats|@");
        console.raw("  Hugging Face folder   config.json with model.safetensors, or its shards");
        console.raw("  GGUF v1 to v3         weights are dequantised; the output is a folder");
    }

    /// A table of models; one that cannot be read becomes a warning.
    ///
    /// @return how many could be read
    private int print(String title, SequencedMap<String, Path> models) throws IOException {
        var table = new Table(title, "ARCHITECTURE", ">PARAMETERS", ">BYTES", "FORMAT", "FROM");
        int read = 0;
        for (var model : models.entrySet()) {
            try (var file = ModelFiles.open(model.getValue())) {
                var tensors = file.tensors().values();
                table.row(
                        Console.oneLine(model.getKey()),
                        architecture(model.getValue(), file),
                        Figures.count(tensors.stream().mapToLong(t -> t.shape().elements()).sum()),
                        Figures.bytes(tensors.stream().mapToLong(t -> t.data().byteSize()).sum()),
                        ModelFiles.format(file),
                        origin(model.getValue()));
                read++;
            } catch (IOException e) {
                console.warn(e.getMessage());
            }
        }
        if (read > 0) {
            table.print(console);
        }
        return read;
    }

    private static String architecture(Path model, TensorFile file) throws IOException {
        Object name = ModelFiles.architecture(model, file).getOrDefault("architecture", "?");
        return Console.oneLine(name.toString());
    }

    /// Where a model came from: `embedded`, `Hub, commit 0123456789`, `a file of yours`.
    private String origin(Path model) throws IOException {
        boolean folder = Files.isDirectory(model);
        Path home = folder ? model : model.toAbsolutePath().getParent();
        var commit =
                PullRecord.of(home)
                        .flatMap(
                                record ->
                                        record.commitOf(
                                                folder
                                                        ? "config.json"
                                                        : model.getFileName().toString()));
        if (commit.isPresent()) {
            String text = Console.oneLine(commit.get());
            return "Hub, commit " + text.substring(0, Math.min(SHORT_COMMIT, text.length()));
        }
        boolean embedded = environment.saplings().filter(home::startsWith).isPresent();
        return embedded ? "embedded" : folder ? "a folder of yours" : "a file of yours";
    }

    // ---- one model ----

    private void printOne(Path model) throws IOException {
        try (var file = ModelFiles.open(model)) {
            var tensors = List.<StoredTensor>copyOf(file.tensors().values());
            console.raw(Console.oneLine(place.toString()));
            var facts = ModelFiles.architecture(model, file);
            if (!facts.isEmpty()) {
                line(
                        facts.entrySet().stream()
                                .map(fact -> fact.getKey() + " " + fact.getValue())
                                .collect(Collectors.joining(", ")));
            }
            line(
                    "%s, stored as %s"
                            .formatted(
                                    Figures.count(
                                            tensors.stream()
                                                    .mapToLong(t -> t.shape().elements())
                                                    .sum(),
                                            "parameter"),
                                    tensors.stream()
                                            .map(StoredTensor::storage)
                                            .distinct()
                                            .sorted()
                                            .collect(Collectors.joining(", "))));
            line(ModelFiles.format(file) + ", " + origin(model));
            line(model.toAbsolutePath().toString());
        }
        console.raw("");
        var table = new Table("FILE", ">BYTES");
        for (Path file : files(model)) {
            table.row(
                    Console.oneLine(file.getFileName().toString()),
                    Figures.bytes(Files.size(file)));
        }
        table.print(console);
        if (!output.quiet) {
            console.raw("");
            console.raw("'pollard inspect' shows its tensors.");
        }
    }

    private void line(String text) {
        console.raw("  " + Console.oneLine(text));
    }

    private static List<Path> files(Path model) throws IOException {
        if (!Files.isDirectory(model)) {
            return List.of(model);
        }
        try (var files = Files.list(model)) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> !file.getFileName().toString().startsWith("."))
                    .sorted()
                    .toList();
        }
    }

    // ---- models in a folder ----

    private void printFound(Path folder) throws IOException {
        var found = new LinkedHashMap<String, Path>();
        for (Path model : candidates(folder)) {
            found.put(folder.relativize(model).toString(), model);
        }
        if (print("PATH", found) == 0) {
            throw new Failure(
                    ExitCode.BAD_INPUT,
                    "%s: no model in it (a folder with model.safetensors, or a .gguf file)"
                            .formatted(folder));
        }
    }

    private static List<Path> candidates(Path folder) throws IOException {
        try (var walk = Files.walk(folder, DEPTH)) {
            var paths = new ArrayList<Path>();
            walk.limit(MOST_FILES)
                    .filter(
                            path ->
                                    path.toString().endsWith(".gguf")
                                            || Files.isDirectory(path)
                                                    && ModelFiles.isModelFolder(path))
                    .sorted()
                    .forEach(paths::add);
            return paths;
        }
    }
}
