import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPInputStream;

final ObjectMapper JSON = new ObjectMapper();

/// What of a domain a model may be fitted to, and what it is measured on.
///
///     java -cp 'cli/target/lib/*' bench/DomainTexts.java HEALTHCARE LEGAL OUT
///
/// `pubmedqa-fit.jsonl` has the records of the 500 abstracts that are not in the test set,
/// `pubmedqa-heldout.jsonl` the 500 that are. Of statutes and contracts one document of five is
/// held out, drawn by a seed: `statutes-fit.jsonl` has the others whole, `statutes-heldout.jsonl`
/// has those in pieces of some 4,000 characters, cut at line ends, in an order drawn by the seed.
/// So the first windows of a held-out file are a fair sample of it, and no document is in both
/// files.
void main(String[] arguments) throws Exception {
    var healthcare = Path.of(arguments[0]);
    var legal = Path.of(arguments[1]);
    var out = Files.createDirectories(Path.of(arguments[2]));
    pubmedqa(healthcare, out);
    documents(legal.resolve("us-statutes.jsonl.gz"), out, "statutes");
    documents(legal.resolve("contracts.jsonl.gz"), out, "contracts");
}

void pubmedqa(Path folder, Path out) throws IOException {
    JsonNode all;
    JsonNode test;
    try (var in = open(folder.resolve("pubmedqa-ori_pqal.json.gz"))) {
        all = JSON.readTree(in);
    }
    try (var in = open(folder.resolve("pubmedqa-test_ground_truth.json.gz"))) {
        test = JSON.readTree(in);
    }
    var fit = new ArrayList<JsonNode>();
    var heldOut = new ArrayList<JsonNode>();
    all.properties()
            .forEach(
                    record -> {
                        ((ObjectNode) record.getValue()).put("PMID", record.getKey());
                        (test.has(record.getKey()) ? heldOut : fit).add(record.getValue());
                    });
    write(out.resolve("pubmedqa-fit.jsonl"), fit);
    write(out.resolve("pubmedqa-heldout.jsonl"), heldOut);
}

void documents(Path file, Path out, String name) throws IOException {
    var documents = new ArrayList<JsonNode>();
    try (var in = open(file);
            var values = JSON.readerFor(JsonNode.class).<JsonNode>readValues(in)) {
        values.forEachRemaining(documents::add);
    }
    var random = new Random(0);
    Collections.shuffle(documents, random);
    int heldOut = documents.size() / 5;
    var pieces = new ArrayList<JsonNode>();
    documents.subList(0, heldOut).forEach(document -> pieces.addAll(pieces(document)));
    Collections.shuffle(pieces, random);
    write(out.resolve(name + "-fit.jsonl"), documents.subList(heldOut, documents.size()));
    write(out.resolve(name + "-heldout.jsonl"), pieces);
}

List<JsonNode> pieces(JsonNode document) {
    var pieces = new ArrayList<JsonNode>();
    var piece = new StringBuilder();
    for (String line : document.get("text").textValue().split("(?<=\n)")) {
        piece.append(line);
        if (piece.length() >= 4_000) {
            pieces.add(piece(document, piece));
        }
    }
    if (!piece.toString().isBlank()) {
        pieces.add(piece(document, piece));
    }
    return pieces;
}

JsonNode piece(JsonNode document, StringBuilder text) {
    var piece =
            JSON.createObjectNode()
                    .put("id", document.get("id").textValue())
                    .put("text", text.toString().strip());
    text.setLength(0);
    return piece;
}

InputStream open(Path file) throws IOException {
    return new GZIPInputStream(Files.newInputStream(file));
}

void write(Path file, List<? extends JsonNode> records) throws IOException {
    try (var writer = Files.newBufferedWriter(file)) {
        for (var record : records) {
            writer.write(JSON.writeValueAsString(record));
            writer.newLine();
        }
    }
    IO.println("%s: %,d records".formatted(file, records.size()));
}
