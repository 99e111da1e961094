package dev.pollard.cli;

import dev.pollard.hub.Hub;
import dev.pollard.hub.Pull;
import dev.pollard.hub.RepositoryName;
import dev.pollard.report.Figures;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "pull",
        header = "Gets a model of the Hugging Face Hub.",
        description = {
            "Downloads the files that a model is opened from, checks every one against the Hub's",
            "hash, and keeps them in the cache, where every command finds the model by its name.",
            "Only what is missing or changed is fetched, and an interrupted pull goes on."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard pull HuggingFaceTB/SmolLM2-135M",
            "  pollard run HuggingFaceTB/SmolLM2-135M -o out --calib texts.jsonl:text",
            "  pollard pull EleutherAI/pythia-70m --revision step1000",
            "  pollard pull mradermacher/SmolLM2-135M-Instruct-GGUF",
            "      --file SmolLM2-135M-Instruct.Q8_0.gguf",
            "",
            "@|bold Environment|@",
            "  HF_TOKEN        a token of yours, for private and gated models; it goes to the Hub alone",
            "  HF_ENDPOINT     another Hub, such as a mirror. Default: https://huggingface.co",
            "  HF_HUB_OFFLINE  1: open no connection",
            "  POLLARD_CACHE   the cache. Default: pollard in $XDG_CACHE_HOME or ~/.cache",
            "",
            "Behind a proxy: POLLARD_JAVA_OPTIONS='-Dhttps.proxyHost=HOST -Dhttps.proxyPort=PORT'.",
            "Prints the path of what it got."
        })
final class PullCommand implements Callable<Integer> {
    private final Console console;
    private final Environment environment;

    @Spec private CommandSpec spec;

    @Parameters(paramLabel = "ORG/NAME", description = "The model's name on the Hub.")
    private String model;

    @Option(
            names = "--revision",
            order = 1,
            paramLabel = "R",
            defaultValue = "main",
            description = "A branch, a tag or a commit. Default: ${DEFAULT-VALUE}")
    private String revision;

    @Option(
            names = "--file",
            order = 2,
            paramLabel = "NAME.gguf",
            description = "Get this GGUF file instead of a Hugging Face folder.")
    private String file;

    @Mixin private OfflineOption offline;
    @Mixin private ProgressOptions progress;
    @Mixin private OutputOptions output;

    PullCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        var pull = new Pull(RepositoryName.parse(model), revision, Optional.ofNullable(file));
        if (offline.isOn(environment)) {
            Path name = Path.of(file == null ? model : model + "/" + file);
            console.raw(environment.names(offline).inCache(name).toString());
            return ExitCode.DONE.code();
        }
        long start = System.nanoTime();
        Pull.Result result;
        try (var screen = new PullScreen(console, output, progress);
                var hub = new Hub(environment.endpoint(), environment.token(), screen)) {
            // Parts of files stay; nothing else is half-written.
            var interrupt = Interrupt.watch(console, () -> CommandLines.typed(spec));
            try {
                result = pull.run(hub, environment.models());
            } finally {
                interrupt.cancel();
            }
        }
        if (!output.quiet) {
            say(result, (System.nanoTime() - start) / 1e9);
        }
        console.raw(result.path().toString());
        return ExitCode.DONE.code();
    }

    private void say(Pull.Result result, double seconds) {
        String what =
                result.fetched() == 0
                        ? "nothing to fetch: %s of commit %s there"
                                .formatted(
                                        result.files() == 1
                                                ? "the file is"
                                                : "all %d files are".formatted(result.files()),
                                        result.commit().substring(0, 10))
                        : "%d of %s fetched in %s, commit %s, %s in all"
                                .formatted(
                                        result.fetched(),
                                        Figures.count(result.files(), "file"),
                                        Figures.seconds(seconds),
                                        result.commit().substring(0, 10),
                                        Figures.bytes(result.bytes()));
        console.err().println(what);
    }
}
