package dev.pollard.cli;

import dev.pollard.prune.method.Methods;
import dev.pollard.stats.Statistic;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "methods",
        header = "Lists the pruning methods, or explains one with its settings.",
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard methods",
            "  pollard methods sparsegpt",
            "",
            "Settings are given to a run as --set NAME=VALUE."
        })
final class MethodsCommand implements Callable<Integer> {
    private final Console console;

    @Mixin private OutputOptions output;

    @Parameters(arity = "0..1", paramLabel = "NAME", description = "The method to explain.")
    private String name;

    MethodsCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        if (name == null) {
            printAll();
        } else {
            print(Methods.named(name));
        }
        return ExitCode.DONE.code();
    }

    private void printAll() {
        var table = new Table("METHOD", "PAPER", "SETTINGS", "WHAT IT DOES");
        for (var method : Methods.all()) {
            table.row(
                    method.key(),
                    "arXiv " + method.paper().arxiv(),
                    method.settings().stream()
                            .map(setting -> setting.name() + "=" + setting.byDefault())
                            .collect(Collectors.joining(" ")),
                    method.summary());
        }
        table.print(console);
        if (!output.quiet) {
            console.raw("");
            console.raw("Each takes any sparsity (0.5) and any pattern N:M (2:4: keep 2 of 4).");
        }
    }

    private void print(Methods.Entry method) {
        console.say("@|bold %s|@ %s".formatted(method.key(), method.summary()));
        console.raw("");
        for (String line :
                Table.wrap(
                        "%s: %s. arXiv %s"
                                .formatted(
                                        method.paper().authors(),
                                        method.paper().title(),
                                        method.paper().arxiv()),
                        console.columns())) {
            console.raw(line);
        }
        console.raw("Gathers " + gathered(method.needs()));
        method.domainPass()
                .ifPresent(
                        pass ->
                                console.raw(
                                        "Takes gradients of the loss on the text of --domain"
                                                + (pass.orCalibration()
                                                        ? ", or else of --calib"
                                                        : "")));
        if (!method.settings().isEmpty()) {
            console.raw("");
            var table = new Table("SETTING", ">DEFAULT", "MEANING");
            for (var setting : method.settings()) {
                table.row(
                        setting.name(),
                        String.valueOf(setting.byDefault()),
                        "%s (%s)".formatted(setting.help(), setting.range()));
            }
            table.print(console);
        }
        new TreeMap<>(method.presets())
                .forEach(
                        (preset, values) -> {
                            console.raw("");
                            String sets =
                                    new TreeMap<>(values)
                                            .entrySet().stream()
                                                    .map(set -> set.getKey() + "=" + set.getValue())
                                                    .collect(Collectors.joining(" "));
                            Table.wrap(
                                            "preset=%s sets %s".formatted(preset, sets),
                                            console.columns())
                                    .forEach(console::raw);
                        });
    }

    private static String gathered(Set<Statistic> needs) {
        return needs.isEmpty()
                ? "nothing of the layers' inputs"
                : needs.stream()
                        .map(
                                statistic ->
                                        switch (statistic) {
                                            case INPUT_MEAN_SQUARE ->
                                                    "the mean square of every input";
                                            case GRAM -> "the Gram matrix XᵀX of the inputs";
                                            case CROSS_GRAM ->
                                                    "their Gram matrix with the dense model's";
                                            case DENSE_GRAM ->
                                                    "the Gram matrix of the dense model's inputs";
                                            case INPUTS -> "the inputs themselves";
                                            case DENSE_INPUTS ->
                                                    "the inputs of the dense model themselves";
                                            case HELD_OUT ->
                                                    "the same of an eighth of the text by itself";
                                        })
                        .collect(Collectors.joining(" and "));
    }
}
