package dev.pollard.cli;

import dev.pollard.eval.Item;
import dev.pollard.eval.Metric;
import dev.pollard.eval.Task;
import dev.pollard.eval.Tasks;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "tasks",
        header = "Lists the tasks a model can be measured on, or shows a question of one.",
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard tasks",
            "  pollard tasks piqa --task-data benchmarks",
            "  pollard tasks choice:mine.jsonl",
            "",
            "Tasks that lm-evaluation-harness has are asked word by word as it asks them; LSAT and",
            "the summaries have words of our own. The data is not part of Pollard: each task says",
            "which file it looks for and where that is published.",
            "",
            "choice:FILE.jsonl is a file of your own questions: 'question' (or 'context', which is",
            "taken as it is), 'choices' and 'answer', the number of the right choice from 0 or its",
            "text. task:FILE.json is a definition of your own: see docs/evaluation.md."
        })
final class TasksCommand implements Callable<Integer> {
    private final Console console;

    @Parameters(arity = "0..1", paramLabel = "NAME", description = "The task to show.")
    private String name;

    @Mixin private TaskDataOptions data;
    @Mixin private OutputOptions output;

    TasksCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        if (name == null) {
            printAll();
        } else {
            print(Tasks.named(name));
        }
        return ExitCode.DONE.code();
    }

    private void printAll() {
        var table = new Table("TASK", ">VERSION", "METRICS", "DATA FILE", "WHAT IT ASKS");
        long subjects = 0;
        for (var task : Tasks.all()) {
            if (task.name().startsWith("mmlu_") && subjects++ > 0) {
                continue; // all alike
            }
            table.row(
                    task.name(),
                    Integer.toString(task.version()),
                    metrics(task),
                    task.files().getFirst(),
                    task.summary());
        }
        table.print(console);
        if (!output.quiet) {
            console.raw("");
            console.raw(
                    "and mmlu_SUBJECT for the other %d subjects of MMLU".formatted(subjects - 1));
            console.raw("perplexity:[rows:]FILE[:field] measures a text, window by window");
            console.raw("perplexity-strided:[2048/512:]FILE[:field] the same, windows overlapping");
            console.raw("choice:FILE.jsonl asks your own questions");
        }
    }

    private static String metrics(Task task) {
        return task.metrics().stream().map(Metric::key).collect(Collectors.joining(", "));
    }

    private void print(Task task) throws IOException {
        console.say("@|bold %s|@ %s".formatted(Console.oneLine(task.name()), task.summary()));
        console.raw("");
        var facts = new Table("", "");
        facts.row("version", Integer.toString(task.version()));
        facts.row("metrics", metrics(task));
        facts.row("data", String.join(" or ", task.files()));
        facts.row("from", task.origin());
        facts.print(console);
        console.raw("");
        try {
            var questions = task.read(data.folder(), 0);
            console.raw("%,d questions; the first:".formatted(questions.available()));
            print(questions.items().getFirst());
        } catch (NoSuchFileException e) {
            console.raw(
                    "No example: %s is not there; --task-data names its folder"
                            .formatted(e.getFile()));
        }
    }

    private void print(Item item) {
        switch (item) {
            case Item.Choice choice -> {
                for (int i = 0; i < choice.requests().size(); i++) {
                    var request = choice.requests().get(i);
                    boolean same =
                            i > 0
                                    && request.context()
                                            .equals(choice.requests().getFirst().context());
                    if (!same) {
                        text("  ", request.context());
                    }
                    text(i == choice.gold() ? "* " : "  ", "→" + request.continuation());
                }
            }
            case Item.LastWord word -> {
                text("  ", word.request().context());
                text("* ", "→" + word.request().continuation());
            }
            case Item.Page page -> text("  ", page.request().text());
            case Item.Summary summary -> {
                text("  ", summary.request().context());
                text("* ", "→ " + summary.reference());
            }
        }
    }

    /// Lines of a foreign text.
    private void text(String mark, String text) {
        String indent = mark;
        for (String line : text.lines().toList()) {
            for (String part : Table.wrap(Console.oneLine(line), console.columns() - 2)) {
                console.raw(indent + part);
                indent = "  ";
            }
        }
    }
}
