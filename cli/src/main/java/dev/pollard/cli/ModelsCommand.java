package dev.pollard.cli;

import dev.pollard.config.ModelConfig;
import dev.pollard.format.TensorFile;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.report.Figures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "models",
        header = "Lists what can be pruned: architectures and formats, or the models in a folder.",
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard models               what Pollard can prune",
            "  pollard models ~/models      what lies there"
        })
final class ModelsCommand implements Callable<Integer> {
    private static final int DEPTH = 4;
    private static final long MOST_FILES = 100_000;

    private final Console console;

    @Mixin private OutputOptions output;

    @Parameters(
            arity = "0..1",
            paramLabel = "DIR",
            description = "Look for models in this folder and four levels below.")
    private Path folder;

    ModelsCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        if (folder == null) {
            printSupported();
        } else {
            printFound();
        }
        return ExitCode.DONE.code();
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
        console.raw("");
        console.raw("Models are files of yours: none is downloaded or bundled.");
        console.raw("'pollard models DIR' lists those in a folder.");
    }

    private void printFound() throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new NotDirectoryException(folder.toString());
        }
        var table = new Table("MODEL", "ARCHITECTURE", ">PARAMETERS", ">BYTES", "FORMAT");
        int found = 0;
        for (Path model : candidates()) {
            try (var file = ModelFiles.open(model)) {
                long parameters = 0;
                long bytes = 0;
                for (var tensor : file.tensors().values()) {
                    parameters += tensor.shape().elements();
                    bytes += tensor.data().byteSize();
                }
                table.row(
                        folder.relativize(model).toString().isEmpty()
                                ? "."
                                : folder.relativize(model).toString(),
                        architecture(model, file),
                        Figures.count(parameters),
                        Figures.bytes(bytes),
                        ModelFiles.format(file));
                found++;
            } catch (IOException e) {
                console.warn(e.getMessage());
            }
        }
        if (found == 0) {
            throw new Failure(
                    ExitCode.BAD_INPUT,
                    "%s: no model in it (a folder with model.safetensors, or a .gguf file)"
                            .formatted(folder));
        }
        table.print(console);
    }

    private List<Path> candidates() throws IOException {
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

    private static String architecture(Path model, TensorFile file) throws IOException {
        if (file instanceof GgufFile gguf) {
            return gguf.metadata().string("general.architecture").orElse("?");
        }
        Path config = model.resolve("config.json");
        return Files.exists(config) ? ModelConfig.read(config).architecture() : "no config.json";
    }
}
