package dev.pollard.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.pollard.format.MalformedFileException;
import dev.pollard.recipe.RunRecord;
import dev.pollard.report.ComparisonPage;
import dev.pollard.report.HtmlReport;
import dev.pollard.report.ModelCard;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "report",
        header = "Rebuilds a report, or puts several runs on one page.",
        description = {
            "Of one folder it writes pollard/report.html and README.md anew, from the numbers in",
            "pollard/report.json. Of several it makes one page that compares them: quality, size and",
            "seconds against sparsity, one line for each method."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard report out                        its report and model card anew",
            "  pollard report out-30 out-50 out-70       one page: ./report.html",
            "  pollard report runs/*/pollard/report.json -o comparison.html --overwrite",
            "",
            "Runs of different base models get a part of the page each: they do not compare."
        })
final class ReportCommand implements Callable<Integer> {
    private static final Path RECORD = Path.of("pollard", "report.json");
    private static final int SCHEMA = 1;

    private final Console console;

    @Parameters(
            paramLabel = "OUT",
            arity = "1..*",
            description = "Output folders of 'pollard run', or their report.json.")
    private List<Path> outs;

    @Option(
            names = {"-o", "--output"},
            order = 1,
            paramLabel = "FILE.html",
            description =
                    "Where the page goes. Default: ./report.html; of one folder, into that folder")
    private Path page;

    @Option(
            names = "--overwrite",
            order = 2,
            description = "Replace the page if it exists. A folder's own is always replaced.")
    private boolean overwrite;

    @Mixin private OutputOptions output;

    ReportCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        if (outs.size() == 1 && page == null && Files.isDirectory(outs.getFirst())) {
            rebuild(outs.getFirst());
            return ExitCode.DONE.code();
        }
        Path target = page == null ? Path.of("report.html") : page;
        check(target);
        var runs = read();
        String text =
                runs.size() == 1
                        ? HtmlReport.page(runs.firstEntry().getValue())
                        : ComparisonPage.page(runs);
        Files.writeString(target, text);
        wrote(target);
        return ExitCode.DONE.code();
    }

    private void rebuild(Path folder) throws IOException {
        var record = read(folder);
        HtmlReport.write(record, folder);
        ModelCard.write(record, folder);
        wrote(folder.resolve("pollard/report.html"));
        wrote(folder.resolve("README.md"));
    }

    private void wrote(Path file) {
        if (!output.quiet) {
            console.raw("wrote " + Console.oneLine(file.toString()));
        }
    }

    /// Before anything is read: whether the page may be written.
    private void check(Path target) throws IOException {
        if (Files.isDirectory(target)) {
            throw new IllegalArgumentException(
                    "%s is a folder: give -o FILE.html".formatted(target));
        }
        if (Files.exists(target) && !overwrite) {
            throw new IllegalArgumentException(
                    "%s exists: choose another -o, or give --overwrite".formatted(target));
        }
        Path parent = target.toAbsolutePath().getParent();
        if (!Files.isDirectory(parent)) {
            throw new NoSuchFileException(parent.toString());
        }
    }

    /// All runs by the names that tell them apart: of the folders where these differ, else paths.
    private SequencedMap<String, RunRecord> read() throws IOException {
        boolean distinct = outs.stream().map(ReportCommand::name).distinct().count() == outs.size();
        var runs = new LinkedHashMap<String, RunRecord>();
        var seen = new HashSet<Path>();
        for (Path out : outs) {
            if (Files.exists(out) && !seen.add(file(out).toRealPath())) {
                throw new IllegalArgumentException("%s is given twice".formatted(out));
            }
            runs.put(distinct ? name(out) : out.toString(), read(out));
        }
        return runs;
    }

    /// `out` of `runs/out` and of `runs/out/pollard/report.json`.
    private static String name(Path out) {
        Path absolute = out.toAbsolutePath().normalize();
        Path folder =
                absolute.endsWith(RECORD) && absolute.getNameCount() > RECORD.getNameCount()
                        ? absolute.getParent().getParent()
                        : absolute;
        return folder.getFileName() == null ? folder.toString() : folder.getFileName().toString();
    }

    /// The record that a user means by a folder or a file.
    private static Path file(Path out) throws NoSuchFileException {
        if (!Files.isDirectory(out)) {
            return out;
        }
        Path file = out.resolve(RECORD);
        if (!Files.exists(file)) {
            throw new NoSuchFileException(
                    out.toString(), null, "no %s in it: no output of a run".formatted(RECORD));
        }
        return file;
    }

    private static RunRecord read(Path out) throws IOException {
        if (!Files.exists(out)) {
            throw new NoSuchFileException(out.toString());
        }
        Path file = file(out);
        RunRecord record;
        try {
            record = RunRecord.read(file);
        } catch (JsonProcessingException e) {
            long offset =
                    e.getLocation() == null ? 0 : Math.max(0, e.getLocation().getByteOffset());
            throw new MalformedFileException(
                    file, offset, "is no report of a run: " + e.getOriginalMessage(), e);
        }
        if (record == null || record.schema() != SCHEMA) {
            throw new MalformedFileException(
                    file,
                    0,
                    record == null || record.schema() == 0
                            ? "is no report of a run: it names no schema"
                            : "is of schema %d; this Pollard reads %d"
                                    .formatted(record.schema(), SCHEMA));
        }
        return record;
    }
}
