import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// Prints the files of `pollard eval --json` as one Markdown table, a row for each task and metric,
/// a column for each model: `java … DomainTable.java NAME=FILE,FILE…`. The subjects of MMLU become
/// two rows, medicine and law: their mean, each subject by the number of its questions.
void main(String[] columns) throws Exception {
    var rows = new LinkedHashMap<String, SequencedMap<String, Row>>();
    var names = new ArrayList<String>();
    for (String column : columns) {
        String name = column.substring(0, column.indexOf('='));
        names.add(name);
        for (String file : column.substring(name.length() + 1).split(",")) {
            read(new ObjectMapper().readTree(new File(file)), name, rows);
        }
    }
    IO.println("| task | metric | " + String.join(" | ", names) + " |");
    IO.println("|---|---|" + "---|".repeat(names.size()));
    rows.forEach(
            (row, values) ->
                    IO.println(
                            "| %s | %s |"
                                    .formatted(
                                            row,
                                            String.join(
                                                    " | ",
                                                    names.stream()
                                                            .map(name -> "" + values.get(name))
                                                            .toList()))));
}

void read(JsonNode root, String name, SequencedMap<String, SequencedMap<String, Row>> rows) {
    for (var task : root.get("results").properties()) {
        double items = root.at("/n-samples/" + task.getKey() + "/effective").asDouble(1);
        for (var metric : root.get("higher_is_better").get(task.getKey()).properties()) {
            var value = task.getValue().get(metric.getKey() + ",none").doubleValue();
            var error = task.getValue().get(metric.getKey() + "_stderr,none").doubleValue();
            rows.computeIfAbsent(
                            label(task.getKey()) + " | " + metric.getKey(),
                            _ -> new LinkedHashMap<>())
                    .merge(name, new Row(value, error, items), Row::and);
        }
    }
}

/// A mean over so many questions.
record Row(double value, double error, double items) {
    Row and(Row other) {
        double all = items + other.items;
        return new Row(
                (value * items + other.value * other.items) / all,
                Math.hypot(error * items, other.error * other.items) / all,
                all);
    }

    @Override
    public String toString() {
        return value < 1 ? "%.3f ± %.3f".formatted(value, error) : "%.2f ± %.2f".formatted(value, error);
    }
}

/// A task without folders, a subject as its group.
String label(String task) {
    if (task.startsWith("mmlu_")) {
        boolean law = List.of("law", "jurisprudence").stream().anyMatch(task::endsWith);
        return law ? "MMLU, law" : "MMLU, medicine";
    }
    return task.replaceAll("(?<=:)[^:]*/", "");
}
