package dev.pollard.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "pollard",
        synopsisSubcommandLabel = "COMMAND",
        description = {
            "Prunes pre-trained language models in one shot and tells what it cost.",
            "A model is a Hugging Face folder, a GGUF file or a name ('pollard models'); texts are",
            "local files."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard run model.gguf -o out --calib texts.jsonl.gz:text",
            "  pollard eval out --tasks perplexity:rows:wiki.test.raw.gz",
            "  pollard report out-30 out-50 out-70",
            "  pollard inspect model.gguf",
            "  pollard methods sparsegpt",
            "  pollard pull HuggingFaceTB/SmolLM2-135M",
            "  pollard doctor",
            "",
            "'pollard COMMAND --help' explains a command."
        })
final class RootCommand implements Runnable {
    @Spec private CommandSpec spec;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Show the version.")
    private boolean version;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(),
                "which command? known: " + String.join(", ", CommandLines.names(spec)));
    }
}
