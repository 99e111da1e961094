package dev.pollard.cli;

import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorFile;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.format.safetensors.SafetensorsFile;
import dev.pollard.format.safetensors.ShardedSafetensors;
import dev.pollard.report.Figures;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

@Command(
        name = "inspect",
        header = "Shows what a model file or folder holds.",
        description = {
            "Architecture, tensors, shapes, storage, zeros, and whether weights satisfy 2:4 or 4:8.",
            "Fast, for nothing is loaded: files are mapped, and zeros are counted on request."
        },
        footer = {
            "",
            "@|bold Examples|@",
            "  pollard inspect model.gguf",
            "  pollard inspect out --zeros --match 'mlp'     zeros per tensor, MLP layers only",
            "  pollard inspect model.safetensors --json | jq .parameters",
            "",
            "Reads safetensors, GGUF v1 to v3, PyTorch checkpoints (.pt, .bin) and Hugging Face",
            "folders. A matrix satisfies N:M if at most N of every M consecutive weights of a row",
            "are not zero."
        })
final class InspectCommand implements Callable<Integer> {
    /// Counting zeros reads every byte; up to here it takes no noticeable time.
    private static final long QUICK_PARAMETERS = 50_000_000;

    private final Console console;
    private final Environment environment;

    @Mixin private OfflineOption offline;
    @Mixin private OutputOptions output;

    @Parameters(
            paramLabel = "PATH",
            description =
                    "A safetensors, GGUF or PyTorch file, a Hugging Face folder, or a name"
                            + " ('pollard models').")
    private Path path;

    @Option(
            names = "--zeros",
            negatable = true,
            description =
                    "Count zeros and check N:M, which reads every weight. Default: only up to 50"
                            + " million parameters")
    private Boolean zeros;

    @Option(
            names = "--match",
            paramLabel = "REGEX",
            description = "List only tensors in whose name this is found.")
    private void setMatch(String regex) {
        try {
            match = Pattern.compile(regex);
        } catch (java.util.regex.PatternSyntaxException e) {
            throw new TypeConversionException(
                    "'%s' is not a regular expression: %s".formatted(regex, e.getDescription()));
        }
    }

    private Pattern match = Pattern.compile("");

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    InspectCommand(Console console, Environment environment) {
        this.console = console;
        this.environment = environment;
    }

    @Override
    public Integer call() throws IOException {
        path = environment.names(offline).resolve(path);
        try (var file = ModelFiles.open(path)) {
            var tensors = List.<StoredTensor>copyOf(file.tensors().values());
            long parameters = tensors.stream().mapToLong(t -> t.shape().elements()).sum();
            boolean counted = zeros == null ? parameters <= QUICK_PARAMETERS : zeros;
            var shown = tensors.stream().filter(t -> match.matcher(t.name()).find()).toList();
            // Two tensors never share a result, so their order is that of the file.
            List<Optional<Census>> censuses =
                    counted
                            ? shown.parallelStream().map(Census::of).toList()
                            : shown.stream().map(_ -> Optional.<Census>empty()).toList();
            if (json) {
                printJson(file, tensors, shown, censuses);
            } else {
                print(file, tensors, shown, censuses, counted);
            }
        }
        return ExitCode.DONE.code();
    }

    private void print(
            TensorFile file,
            List<StoredTensor> tensors,
            List<StoredTensor> shown,
            List<Optional<Census>> censuses,
            boolean counted)
            throws IOException {
        console.raw(printable(path.toString()));
        console.raw(
                "  %s, %s, %s, %s"
                        .formatted(
                                ModelFiles.format(file),
                                Figures.bytes(bytes(tensors)),
                                Figures.count(tensors.size(), "tensor"),
                                Figures.count(parameters(tensors), "parameter")));
        var facts = architecture(file);
        if (!facts.isEmpty()) {
            var words = new ArrayList<String>();
            facts.forEach((key, value) -> words.add(key + " " + printable(value.toString())));
            console.raw("  " + String.join(", ", words));
        }
        console.raw("  stored as " + String.join(", ", storages(tensors)));
        if (output.verbose) {
            metadata(file).forEach((key, value) -> console.raw("  " + cut(key + " = " + value)));
        }
        console.raw("");
        if (counted) {
            printCensus(shown, censuses);
        } else {
            printTensors(shown);
        }
    }

    private void printTensors(List<StoredTensor> shown) {
        var table = new Table("TENSOR", "SHAPE", "STORAGE", ">BYTES");
        for (var tensor : shown) {
            table.row(
                    printable(tensor.name()),
                    tensor.shape().toString(),
                    tensor.storage(),
                    Figures.bytes(tensor.data().byteSize()));
        }
        table.print(console);
        if (!output.quiet) {
            console.raw("");
            console.raw("Zeros were not counted: --zeros does.");
        }
    }

    private void printCensus(List<StoredTensor> shown, List<Optional<Census>> censuses) {
        var table = new Table("TENSOR", "SHAPE", "STORAGE", ">BYTES", ">ZEROS", "SATISFIES");
        long matrices = 0;
        long matrixZeros = 0;
        long notFinite = 0;
        for (int i = 0; i < shown.size(); i++) {
            var tensor = shown.get(i);
            var census = censuses.get(i);
            long elements = tensor.shape().elements();
            if (census.isPresent()) {
                notFinite += census.get().notFinite();
                if (tensor.shape().rank() == 2) {
                    matrices += elements;
                    matrixZeros += census.get().zeros();
                }
            }
            table.row(
                    printable(tensor.name()),
                    tensor.shape().toString(),
                    tensor.storage(),
                    Figures.bytes(tensor.data().byteSize()),
                    census.map(c -> share(c.zeros(), elements)).orElse("?"),
                    census.map(InspectCommand::findings).orElse("cannot be read"));
        }
        table.print(console);
        console.raw("");
        console.raw(
                "%s of %s weights in matrices are zero (%s)"
                        .formatted(
                                Figures.count(matrixZeros),
                                Figures.count(matrices),
                                share(matrixZeros, matrices)));
        if (notFinite > 0) {
            console.warn(Figures.count(notFinite) + " numbers are NaN or infinite");
        }
    }

    private static String findings(Census census) {
        var findings = new ArrayList<>(census.patterns());
        if (census.notFinite() > 0) {
            findings.add(Figures.count(census.notFinite()) + " NaN or infinite");
        }
        return String.join(" ", findings);
    }

    private void printJson(
            TensorFile file,
            List<StoredTensor> tensors,
            List<StoredTensor> shown,
            List<Optional<Census>> censuses)
            throws IOException {
        var root = new LinkedHashMap<String, Object>();
        root.put("path", path.toString());
        root.put("format", ModelFiles.format(file));
        root.putAll(architecture(file));
        root.put("parameters", parameters(tensors));
        root.put("bytes", bytes(tensors));
        if (output.verbose) {
            root.put("metadata", metadata(file));
        }
        root.put(
                "tensors",
                IntStream.range(0, shown.size())
                        .mapToObj(i -> asMap(shown.get(i), censuses.get(i)))
                        .toList());
        console.raw(
                JsonMapper.builder()
                        .enable(SerializationFeature.INDENT_OUTPUT)
                        .build()
                        .writeValueAsString(root));
    }

    private static Map<String, Object> asMap(StoredTensor tensor, Optional<Census> census) {
        var map = new LinkedHashMap<String, Object>();
        map.put("name", tensor.name());
        map.put("shape", tensor.shape().sizes());
        map.put("storage", tensor.storage());
        map.put("bytes", tensor.data().byteSize());
        census.ifPresent(
                c -> {
                    map.put("zeros", c.zeros());
                    map.put("not_finite", c.notFinite());
                    map.put("satisfies", c.patterns());
                });
        return map;
    }

    /// What the file says of the architecture. A `config.json` that Pollard cannot use is a
    /// warning: its tensors can be looked at all the same.
    private SequencedMap<String, Object> architecture(TensorFile file) throws IOException {
        try {
            return ModelFiles.architecture(path, file);
        } catch (MalformedFileException e) {
            console.warn(e.getMessage());
            return new LinkedHashMap<>();
        }
    }

    private static Map<String, Object> metadata(TensorFile file) {
        return switch (file) {
            case GgufFile gguf -> gguf.metadata().values();
            case SafetensorsFile single -> new LinkedHashMap<>(single.metadata());
            case ShardedSafetensors sharded -> {
                var all = new LinkedHashMap<String, Object>();
                sharded.shards().values().forEach(shard -> all.putAll(shard.metadata()));
                yield all;
            }
            default -> Map.of();
        };
    }

    /// `BF16 (290 tensors, 269.1 MB)`, the most bytes first.
    private static List<String> storages(List<StoredTensor> tensors) {
        var byStorage = new TreeMap<String, List<StoredTensor>>();
        for (var tensor : tensors) {
            byStorage.computeIfAbsent(tensor.storage(), _ -> new ArrayList<>()).add(tensor);
        }
        return byStorage.entrySet().stream()
                .sorted((a, b) -> Long.compare(bytes(b.getValue()), bytes(a.getValue())))
                .map(
                        entry ->
                                "%s (%s, %s)"
                                        .formatted(
                                                entry.getKey(),
                                                Figures.count(entry.getValue().size(), "tensor"),
                                                Figures.bytes(bytes(entry.getValue()))))
                .toList();
    }

    private static long parameters(List<StoredTensor> tensors) {
        return tensors.stream().mapToLong(tensor -> tensor.shape().elements()).sum();
    }

    private static long bytes(List<StoredTensor> tensors) {
        return tensors.stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
    }

    private static String share(long part, long whole) {
        return whole == 0 ? "-" : Figures.percent((double) part / whole);
    }

    /// Names come from the file: nothing in them may steer the terminal.
    private static String printable(String text) {
        return text.replaceAll("\\p{Cntrl}", "?");
    }

    private String cut(String line) {
        String clean = printable(line);
        int room = console.columns() - 2;
        return clean.length() <= room ? clean : clean.substring(0, room - 1) + "…";
    }
}
