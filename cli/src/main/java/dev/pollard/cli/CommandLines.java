package dev.pollard.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.pollard.format.Nearest;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.IExecutionStrategy;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/// The tree of commands, and what becomes of whatever goes wrong in it.
final class CommandLines {
    private CommandLines() {}

    /// Runs one command line to its end.
    ///
    /// @return the exit code
    static int run(Console console, Environment environment, String... args) {
        try {
            return commands(console, environment).execute(RecipeFile.expand(args));
        } catch (IOException
                | RuntimeException e) { // of the recipe; commands answer for themselves
            return failed(console, e, List.of(args).contains("-v"));
        }
    }

    /// Names of the commands of `spec`, sorted.
    static List<String> names(CommandSpec spec) {
        return spec.subcommands().keySet().stream().sorted().toList();
    }

    /// The root command with all others below it.
    static CommandLine commands(Console console, Environment environment) {
        var root = new CommandLine(new RootCommand());
        root.addSubcommand(new RunCommand(console, environment));
        root.addSubcommand(new FinetuneCommand(console, environment));
        root.addSubcommand(new EvalCommand(console, environment));
        root.addSubcommand(new GenerateCommand(console, environment));
        root.addSubcommand(new TrainCommand(console, environment));
        root.addSubcommand(new ReportCommand(console));
        root.addSubcommand(new InspectCommand(console, environment));
        root.addSubcommand(new MethodsCommand(console));
        root.addSubcommand(new TasksCommand(console));
        root.addSubcommand(new ModelsCommand(console, environment));
        root.addSubcommand(new PullCommand(console, environment));
        root.addSubcommand(new DoctorCommand(console));
        root.getCommandSpec().version("pollard " + Build.read().version());

        var exitCodes = new TreeMap<Integer, String>();
        for (var code : ExitCode.values()) {
            exitCodes.put(code.code(), code.meaning());
        }
        root.getCommandSpec().usageMessage().exitCodeListHeading("%n@|bold Exit codes|@%n");
        root.getCommandSpec().usageMessage().exitCodeList(asText(exitCodes));

        root.getSubcommands().values().forEach(CommandLines::addHelp);
        for (var line : root.getSubcommands().values()) {
            frame(line.getCommandSpec());
        }
        frame(root.getCommandSpec());
        root.setCaseInsensitiveEnumValuesAllowed(true);
        root.setUsageHelpAutoWidth(false);
        root.setUsageHelpWidth(Math.clamp(console.columns(), 60, 100));
        root.setColorScheme(Help.defaultColorScheme(console.outStyle()));
        root.setOut(new java.io.PrintWriter(console.out(), true));
        root.setErr(new java.io.PrintWriter(console.err(), true));
        root.setExecutionStrategy(verbosely(new RunLast()));
        root.setParameterExceptionHandler((e, _) -> misused(console, e));
        root.setExecutionExceptionHandler(
                (failure, _, parsed) -> failed(console, failure, isVerbose(parsed)));
        return root;
    }

    private static void addHelp(CommandLine line) {
        line.getCommandSpec()
                .addOption(
                        OptionSpec.builder("-h", "--help")
                                .usageHelp(true)
                                .order(99)
                                .description("Show this help.")
                                .build());
    }

    private static void frame(CommandSpec spec) {
        spec.usageMessage()
                .synopsisHeading("%n@|bold Usage:|@ ")
                .descriptionHeading("%n")
                .parameterListHeading("%n@|bold Arguments|@%n")
                .optionListHeading("%n@|bold Options|@%n")
                .commandListHeading("%n@|bold Commands|@%n")
                .abbreviateSynopsis(true)
                .sortOptions(false);
    }

    private static Map<String, String> asText(Map<Integer, String> exitCodes) {
        var text = new java.util.LinkedHashMap<String, String>();
        exitCodes.forEach((code, meaning) -> text.put(" %3d".formatted(code), meaning));
        return text;
    }

    /// Lets our own loggers speak before the command runs, if it was asked to be verbose.
    private static IExecutionStrategy verbosely(IExecutionStrategy strategy) {
        return parsed -> {
            if (isVerbose(parsed)
                    && LoggerFactory.getLogger("dev.pollard") instanceof Logger logger) {
                logger.setLevel(Level.DEBUG);
            }
            return strategy.execute(parsed);
        };
    }

    private static boolean isVerbose(ParseResult parsed) {
        return parsed.hasMatchedOption("--verbose")
                || parsed.hasSubcommand() && isVerbose(parsed.subcommand());
    }

    /// A command line that cannot be understood.
    private static int misused(Console console, ParameterException e) {
        var spec = e.getCommandLine().getCommandSpec();
        String message =
                e instanceof UnmatchedArgumentException unmatched
                        ? unmatched(spec, unmatched.getUnmatched().getFirst())
                        : lowerFirst(reason(e));
        console.error("%s; see '%s --help'".formatted(message, spec.qualifiedName()));
        return ExitCode.USAGE.code();
    }

    /// What the method that takes an option said of its value, where picocli has wrapped that into
    /// the whole command line and the name of the exception's class.
    private static String reason(ParameterException e) {
        boolean wrapped = e.getMessage().startsWith(TypeConversionException.class.getSimpleName());
        for (Throwable cause = e.getCause(); wrapped && cause != null; cause = cause.getCause()) {
            if (cause instanceof TypeConversionException said) {
                return said.getMessage();
            }
        }
        return e.getMessage();
    }

    private static String unmatched(CommandSpec spec, String word) {
        if (word.startsWith("-")) {
            var options =
                    spec.options().stream()
                            .filter(option -> !option.hidden())
                            .map(OptionSpec::longestName)
                            .sorted()
                            .toList();
            return Nearest.unknown("option", word, options);
        }
        return spec.subcommands().isEmpty()
                ? "one argument too many: '%s'".formatted(word)
                : Nearest.unknown("command", word, names(spec));
    }

    /// A command that was understood and went wrong.
    private static int failed(Console console, Throwable failure, boolean verbose) {
        console.error(explain(failure));
        if (verbose) {
            failure.printStackTrace(console.err());
        }
        return ExitCode.of(failure).code();
    }

    private static String explain(Throwable failure) {
        return switch (failure) {
            case java.io.UncheckedIOException unchecked -> explain(unchecked.getCause());
            case java.nio.file.NoSuchFileException missing ->
                    missing.getFile()
                            + ": "
                            + (missing.getReason() == null ? "no such file" : missing.getReason());
            case java.nio.file.NotDirectoryException file -> file.getFile() + ": not a folder";
            case java.nio.file.AccessDeniedException denied ->
                    denied.getFile() + ": permission denied";
            case java.nio.file.FileAlreadyExistsException there ->
                    there.getFile() + ": exists already";
            case java.nio.charset.CharacterCodingException _ ->
                    "not UTF-8 text: " + failure.getMessage();
            case OutOfMemoryError full ->
                    "out of Java heap (%s); give more with POLLARD_JAVA_OPTIONS=-Xmx…"
                            .formatted(full.getMessage());
            default ->
                    failure.getMessage() == null || failure.getMessage().isBlank()
                            ? failure.getClass().getSimpleName()
                            : failure.getMessage();
        };
    }

    /// The command of `spec` as typed, fit for a shell.
    static String typed(CommandSpec spec) {
        return "pollard "
                + spec.commandLine().getParent().getParseResult().originalArgs().stream()
                        .map(CommandLines::quoted)
                        .collect(Collectors.joining(" "));
    }

    /// The same with `--resume`.
    static String resuming(String command) {
        return command.contains(" --resume") ? command : command + " --resume";
    }

    private static String quoted(String word) {
        return word.matches("[\\w@%+=:,./-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
    }

    private static String lowerFirst(String text) {
        return text.isEmpty() ? text : Character.toLowerCase(text.charAt(0)) + text.substring(1);
    }
}
