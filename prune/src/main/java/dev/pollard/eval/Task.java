package dev.pollard.eval;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.data.RecordFile;
import dev.pollard.data.Template;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// A benchmark: where its questions lie, how they are asked, what is computed of the answers. All
/// of it comes from a definition in JSON; there is no code of a single task.
public final class Task {
    private static final String LABEL = "label";

    private final TaskDefinition definition;
    private final String name;
    private final Optional<Path> file; // of a user's own task
    private final List<Form> forms;
    private final List<Metric> metrics;

    /// @throws IllegalArgumentException if the definition is not sound
    Task(TaskDefinition definition) {
        this(definition, definition.name(), Optional.empty());
    }

    /// The task of `definition`, under another name and of one file.
    Task(TaskDefinition definition, String name, Path file) {
        this(definition, name, Optional.of(file));
    }

    private Task(TaskDefinition definition, String name, Optional<Path> file) {
        this.definition = definition;
        this.name = name;
        this.file = file;
        var steps = definition.steps();
        this.forms = definition.forms().stream().map(form -> new Form(form, steps)).toList();
        this.metrics = definition.metrics().stream().map(Metric::named).toList();
        for (var metric : metrics) {
            for (var form : forms) {
                check(metric, form);
            }
        }
    }

    private static void check(Metric metric, Form form) {
        if (!metric.isOf(form.kind())) {
            throw new IllegalArgumentException(
                    "metric '%s' cannot be computed of a form of this kind"
                            .formatted(metric.key()));
        }
        if (metric.isOfClasses() && !form.hasClasses()) {
            throw new IllegalArgumentException(
                    "metric '%s' needs 'choices' that are the same for every record"
                            .formatted(metric.key()));
        }
    }

    public String name() {
        return name;
    }

    /// Of the definition: raised when requests or metrics change.
    public int version() {
        return definition.version();
    }

    public String summary() {
        return definition.summary();
    }

    /// Where the data is published.
    public String origin() {
        return definition.origin();
    }

    public List<Metric> metrics() {
        return metrics;
    }

    /// Names under which the data is looked for, each also with `.gz`.
    public List<String> files() {
        return file.map(path -> List.of(path.toString())).orElse(definition.files());
    }

    /// The file with the questions.
    ///
    /// @param folder in which, or in whose folders, it is looked for
    /// @throws NoSuchFileException if it is not there
    public Path find(Path folder) throws IOException {
        return file.isPresent() ? file.get() : find(folder, definition.files());
    }

    private Path find(Path folder, List<String> names) throws IOException {
        for (Path place : places(folder)) {
            for (String candidate : names) {
                for (String ending : List.of("", ".gz")) {
                    Path path = place.resolve(candidate + ending);
                    if (Files.isRegularFile(path)) {
                        return path;
                    }
                }
            }
        }
        throw new NoSuchFileException(
                folder.resolve(names.getFirst()).toString(),
                null,
                "not there, nor %s.gz%s; %s needs it: %s. Name its folder with --task-data"
                        .formatted(
                                names.getFirst(),
                                names.stream()
                                        .skip(1)
                                        .map(other -> ", nor " + other)
                                        .collect(Collectors.joining()),
                                name,
                                definition.origin().isEmpty()
                                        ? "its definition does not say where to get it"
                                        : "get it from " + definition.origin()));
    }

    /// The folder and the folders in it.
    private static List<Path> places(Path folder) throws IOException {
        var places = new ArrayList<>(List.of(folder));
        if (Files.isDirectory(folder)) {
            try (var inside = Files.list(folder)) {
                inside.filter(Files::isDirectory).sorted().forEach(places::add);
            }
        }
        return places;
    }

    /// Reads all questions.
    ///
    /// @param folder where data files are looked for
    /// @param shots solved examples in front of every question: the first of the task's file of
    ///     examples
    /// @throws NoSuchFileException if a data file is missing
    /// @throws dev.pollard.format.MalformedFileException if a record is not what it should be
    /// @throws IllegalArgumentException if the task has no examples, or fewer
    public Questions read(Path folder, int shots) throws IOException {
        var data = new RecordFile(find(folder));
        var records = records(data);
        join(folder, data, records);
        String before = definition.description() + examples(folder, shots);
        var items = new ArrayList<Item>();
        for (int i = 0; i < records.size(); i++) {
            items.add(item(data, records.get(i), i, before));
        }
        return new Questions(this, shots, items, items.size());
    }

    private List<RecordFile.Entry> records(RecordFile data) throws IOException {
        String file = data.file().getFileName().toString();
        boolean plain = !file.matches("(?i).*\\.(jsonl|ndjson|json|csv)(\\.gz)?");
        if (plain && definition.heading() != null) {
            return data.parts(Pattern.compile(definition.heading()), "page");
        }
        return data.read(definition.columns());
    }

    /// Leaves only the records that count, and gives them the labels that lie in another file.
    private void join(Path folder, RecordFile data, List<RecordFile.Entry> records)
            throws IOException {
        if (definition.only() != null && !records.getFirst().key().isEmpty()) {
            var keys =
                    new RecordFile(find(folder, List.of(definition.only())))
                            .read(List.of()).stream()
                                    .map(RecordFile.Entry::key)
                                    .collect(Collectors.toSet());
            records.removeIf(record -> !keys.contains(record.key()));
        }
        if (definition.labels() == null || records.getFirst().fields().has(LABEL)) {
            return;
        }
        var file = new RecordFile(find(folder, List.of(definition.labels())));
        var labels = file.lines();
        if (labels.size() != records.size()) {
            throw data.malformed(
                    records.getLast(),
                    "is the last of %,d records, but %s has %,d labels"
                            .formatted(records.size(), file.file(), labels.size()));
        }
        for (int i = 0; i < labels.size(); i++) {
            fields(data, records.get(i)).put(LABEL, labels.get(i).strip());
        }
    }

    private static ObjectNode fields(RecordFile data, RecordFile.Entry record) throws IOException {
        if (record.fields() instanceof ObjectNode fields) {
            return fields;
        }
        throw data.malformed(record, "is no object with fields");
    }

    private Item item(RecordFile data, RecordFile.Entry record, int index, String before)
            throws IOException {
        ObjectNode fields = fields(data, record);
        var form = form(data, record, fields);
        try {
            return form.item(index, fields, before);
        } catch (Template.UnfitException e) {
            throw data.malformed(record, e.getMessage());
        }
    }

    private Form form(RecordFile data, RecordFile.Entry record, ObjectNode fields)
            throws IOException {
        for (var form : forms) {
            if (form.fits(fields)) {
                return form;
            }
        }
        if (forms.size() == 1) {
            String missing =
                    forms.getFirst().fields().stream()
                            .filter(field -> !fields.hasNonNull(field))
                            .map("'%s'"::formatted)
                            .collect(Collectors.joining(", "));
            throw data.malformed(record, "lacks %s, which %s needs".formatted(missing, name));
        }
        throw data.malformed(
                record,
                "does not have the fields of %s: %s"
                        .formatted(
                                name,
                                forms.stream()
                                        .map(form -> String.join(", ", form.fields()))
                                        .collect(Collectors.joining("; or "))));
    }

    /// The solved questions that stand in front.
    private String examples(Path folder, int shots) throws IOException {
        if (shots == 0) {
            return "";
        }
        if (definition.examples().isEmpty()) {
            throw new IllegalArgumentException(
                    "%s has no file of examples: it is asked without".formatted(name));
        }
        var data = new RecordFile(find(folder, definition.examples()));
        var records = data.read(definition.columns());
        if (records.size() < shots) {
            throw new IllegalArgumentException(
                    "%s has %d examples, not %d".formatted(data.file(), records.size(), shots));
        }
        var text = new StringBuilder();
        for (int i = 0; i < shots; i++) {
            if (item(data, records.get(i), i, "") instanceof Item.Choice choice) {
                var solved = choice.requests().get(choice.gold());
                text.append(solved.context()).append(solved.continuation()).append("\n\n");
            }
        }
        return text.toString();
    }
}
