package dev.pollard.cli;

import dev.pollard.eval.Decoding;
import dev.pollard.eval.Generator;
import dev.pollard.eval.Perplexity;
import dev.pollard.model.Model;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "generate",
        header = "Writes text with a model, or with two side by side.",
        description = {
            "Writes on after a prompt: the most probable token each time, or drawn with",
            "--temperature. Two models get the same prompt, and their texts stand side by side."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard generate model.gguf -p \"The tree in front of the house\"",
            "  pollard generate model.gguf out -p \"Water boils at\" --max-tokens 20",
            "  pollard generate out -p \"Once upon a time\" --temperature 0.8 --top-p 0.95 --seed 3",
            "",
            "The model's blocks stay in memory while it writes, if they fit in --memory; a larger",
            "model is read again for every token."
        })
final class GenerateCommand implements Callable<Integer> {
    private static final String GAP = " | ";

    private final Console console;
    private final Environment environment;

    @Parameters(
            arity = "1..2",
            paramLabel = "MODEL",
            description =
                    "A Hugging Face folder, a .gguf file, or a name ('pollard models'); one or"
                            + " two.")
    private List<Path> models;

    @Option(
            names = {"-p", "--prompt"},
            required = true,
            order = 1,
            paramLabel = "TEXT",
            description = "What the text begins with.")
    private String prompt;

    @Option(
            names = "--max-tokens",
            order = 2,
            paramLabel = "N",
            defaultValue = "64",
            description =
                    "Tokens to write, unless the model ends before. Default: ${DEFAULT-VALUE}")
    private int most;

    @Option(
            names = "--temperature",
            order = 3,
            paramLabel = "T",
            defaultValue = "0",
            description =
                    "0: always the most probable token. More: tokens are drawn, the higher the"
                            + " more freely. Default: ${DEFAULT-VALUE}")
    private double temperature;

    @Option(
            names = "--top-p",
            order = 4,
            paramLabel = "P",
            defaultValue = "1",
            description =
                    "Draw only among the most probable tokens that reach this probability"
                            + " together. Default: ${DEFAULT-VALUE}")
    private double topP;

    @Option(
            names = "--seed",
            order = 5,
            paramLabel = "N",
            defaultValue = "0",
            description = "The same seed draws the same text. Default: ${DEFAULT-VALUE}")
    private long seed;

    private long memory = Memory.physicalBytes() / 2;

    @Option(
            names = "--memory",
            order = 83,
            paramLabel = "SIZE",
            description =
                    "What the blocks of a model may take: 8g, 800m, 50%%. Default: 50%% of this"
                            + " machine")
    private void setMemory(String size) {
        memory = Memory.parse(size);
    }

    @Mixin private ComputeOptions computing;
    @Mixin private OfflineOption offline;
    @Mixin private OutputOptions output;

    GenerateCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        var decoding = new Decoding(temperature, topP, seed);
        if (most < 1) {
            throw new IllegalArgumentException("--max-tokens %d: give 1 or more".formatted(most));
        }
        var paths = new ArrayList<Path>();
        for (Path model : models) {
            paths.add(environment.names(offline).resolve(model));
        }
        computing.prepare(environment.cacheFolder());
        var texts = new ArrayList<String>();
        for (Path path : paths) {
            texts.add(write(path, decoding));
        }
        if (texts.size() == 1) {
            printable(texts.getFirst()).forEach(console::raw);
        } else {
            sideBySide(texts);
        }
        return ExitCode.DONE.code();
    }

    private String write(Path path, Decoding decoding) throws IOException {
        try (var model = Model.open(path);
                var workers = new Workers(computing.threads())) {
            var tokenizer =
                    model.tokenizer()
                            .orElseThrow(
                                    () ->
                                            new IllegalArgumentException(
                                                    path + " has no tokenizer to write with"));
            return new Generator(model.decoder(), tokenizer, computing.compute, workers, memory)
                    .write(List.of(prompt), most, decoding, Perplexity.Progress.NONE)
                    .getFirst();
        }
    }

    /// The lines of a text, without the control characters that a model may write as well.
    private static List<String> printable(String text) {
        return text.lines().map(line -> line.replaceAll("\\p{Cntrl}", " ")).toList();
    }

    private void sideBySide(List<String> texts) {
        int width = (console.columns() - GAP.length()) / 2;
        var left = column(models.get(0), texts.get(0), width);
        var right = column(models.get(1), texts.get(1), width);
        for (int i = 0; i < Math.max(left.size(), right.size()); i++) {
            String a = i < left.size() ? left.get(i) : "";
            String b = i < right.size() ? right.get(i) : "";
            String padding = " ".repeat(Math.max(0, width - a.length()));
            console.raw((a + padding + GAP + b).stripTrailing());
        }
    }

    private static List<String> column(Path model, String text, int width) {
        var lines = new ArrayList<>(Table.wrap(Console.oneLine(model.toString()), width));
        lines.add("-".repeat(width));
        for (String line : printable(text)) {
            lines.addAll(Table.wrap(line, width));
        }
        return lines;
    }
}
