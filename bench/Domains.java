import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.recipe.RunRecord;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;

/// Texts of two domains, cut into a part to prune with and a part to measure on; and the table of
/// runs.
///
///   java bench/Domains.java texts DATA OUT     writes OUT/{health,legal}-{train,held}.jsonl
///   java bench/Domains.java table REPORT…
void main(String[] words) throws IOException {
    switch (words[0]) {
        case "texts" -> texts(Path.of(words[1]), Path.of(words[2]));
        case "table" -> table(List.of(words).subList(1, words.length));
        default -> throw new IllegalArgumentException(words[0]);
    }
}

final ObjectMapper json = new ObjectMapper();

/// PubMedQA: questions of its training fold with context and answer; held out are the contexts of
/// the 500 of its test fold. Contracts and statutes: every fourth document is held out.
void texts(Path data, Path out) throws IOException {
    Files.createDirectories(out);
    JsonNode questions = json.readTree(open(data.resolve("healthcare/pubmedqa-ori_pqal.json.gz")));
    JsonNode test = json.readTree(open(data.resolve("healthcare/pubmedqa-test_ground_truth.json.gz")));
    var train = new ArrayList<String>();
    var held = new ArrayList<String>();
    questions.properties().forEach(q -> {
        var contexts = new ArrayList<String>();
        q.getValue().get("CONTEXTS").forEach(context -> contexts.add(context.asText()));
        String context = String.join(" ", contexts);
        if (test.has(q.getKey())) {
            held.add(context);
        } else {
            train.add("%s\nQuestion: %s\nAnswer: %s. %s".formatted(
                    context,
                    q.getValue().get("QUESTION").asText(),
                    q.getValue().get("final_decision").asText(),
                    q.getValue().get("LONG_ANSWER").asText()));
        }
    });
    write(out.resolve("health-train.jsonl"), train);
    write(out.resolve("health-held.jsonl"), held);

    var documents = new ArrayList<String>();
    for (String file : List.of("contracts.jsonl.gz", "us-statutes.jsonl.gz")) {
        for (String line : new String(open(data.resolve("legal").resolve(file)).readAllBytes()).lines().toList()) {
            documents.add(json.readTree(line).get("text").asText());
        }
    }
    train.clear();
    held.clear();
    for (int i = 0; i < documents.size(); i++) {
        (i % 4 == 3 ? held : train).add(documents.get(i));
    }
    write(out.resolve("legal-train.jsonl"), train);
    write(out.resolve("legal-held.jsonl"), held);
}

InputStream open(Path file) throws IOException {
    return new GZIPInputStream(Files.newInputStream(file));
}

void write(Path file, List<String> texts) throws IOException {
    var lines = new ArrayList<String>();
    for (String text : texts) {
        lines.add(json.writeValueAsString(Map.of("text", text)));
    }
    Files.write(file, lines);
}

void table(List<String> reports) throws IOException {
    String head = null;
    for (String report : reports) {
        var run = RunRecord.read(Path.of(report));
        var names = new StringBuilder("| run |");
        var dense = new StringBuilder("| dense |");
        var row = new StringBuilder("| %s |".formatted(Path.of(report).getParent().getParent().getFileName()));
        for (var e : run.evaluations()) {
            String task = e.task().replaceFirst(":.*[/\\\\]", " ");
            names.append(" %s %s |".formatted(task, e.metric()));
            String form = e.metric().startsWith("perplexity") ? " %.2f |" : " %.4f |";
            dense.append(form.formatted(e.dense()));
            row.append(form.formatted(e.pruned()));
        }
        var s = run.seconds();
        double total = s.load() + s.capture() + s.gradients() + s.prune() + s.propagate() + s.commit();
        row.append(" %.0f | %.0f | %d |".formatted(s.gradients(), total, run.peakRssBytes() >> 20));
        if (!names.toString().equals(head)) {
            head = names.toString();
            IO.println(head + " gradients s | all passes s | peak MB |");
            IO.println("|---".repeat(run.evaluations().size() + 4) + "|");
            IO.println(dense + " | | |");
        }
        IO.println(row);
    }
}
