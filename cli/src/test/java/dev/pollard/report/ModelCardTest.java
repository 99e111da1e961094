package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollard.recipe.RunRecord.CalibrationFacts;
import dev.pollard.recipe.RunRecord.ModelFacts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelCardTest {
    @TempDir private Path folder;

    private final Records records = new Records();
    private Path out;

    @BeforeEach
    void makeFolders() throws IOException {
        out = Files.createDirectory(folder.resolve("out"));
    }

    private String card() throws IOException {
        ModelCard.write(records.make(), out);
        return Files.readString(out.resolve("README.md"));
    }

    private JsonNode yaml() throws IOException {
        String card = card();
        assertTrue(card.startsWith("---\n"), card);
        return new YAMLMapper().readTree(card.substring(4, card.indexOf("\n---\n", 4)));
    }

    private void sourceFolder(String readme) throws IOException {
        Path source = Files.createDirectory(folder.resolve("llama-tiny"));
        Files.writeString(source.resolve("README.md"), readme);
        records.model = new ModelFacts(source.toString(), "llama", "F16", 1000, 800, 2000, "");
    }

    @Test
    void frontMatterIsWhatModelHubsRead() throws IOException {
        var yaml = yaml();
        assertEquals("small-instruct.Q4_1", yaml.get("base_model").textValue());
        assertEquals("transformers", yaml.get("library_name").textValue());
        assertEquals("text-generation", yaml.get("pipeline_tag").textValue());
        assertEquals(
                "[\"pruned\",\"sparse\",\"pollard\",\"sparsegpt\",\"0.5\"]",
                yaml.get("tags").toString());
        assertEquals("[\"c4-en-part1.jsonl.gz\"]", yaml.get("datasets").toString());
        var result = yaml.get("model-index").get(0).get("results").get(0);
        assertEquals("wiki.test.raw.gz", result.get("dataset").get("name").textValue());
        assertEquals(27.104, result.get("metrics").get(0).get("value").doubleValue());
    }

    /// Without quotes YAML 1.1 reads 2:4 as 124.
    @Test
    void patternIsQuoted() throws IOException {
        records.pattern = "2:4";
        assertTrue(card().contains("- \"2:4\"\n"));
    }

    @Test
    void saysThatAQuantisedSourceWasDequantised() throws IOException {
        assertTrue(card().contains("The source was quantised (Q4\\_1)"));
        records.model = new ModelFacts("m", "llama", "F16", 1000, 800, 2000, "");
        assertFalse(card().contains("quantised"));
    }

    @Test
    void resultsAreATable() throws IOException {
        assertTrue(
                card().contains(
                                "| wiki.test.raw.gz | perplexity | 18.97 | 27.10 ± 0.31 | +42.9 % |"
                                        + " error unknown | 140 of 140 windows of 2,048 tokens, BOS"
                                        + " none |\n"));
    }

    @Test
    void resultsNameTheControlAndTheSteps() throws IOException {
        var complete = Records.complete();
        records.evaluations = complete.evaluations;
        records.control = complete.control;
        records.layers = complete.layers;
        String card = card();
        assertTrue(
                card.contains(
                        "| piqa | acc | 68.44 % ± 1.08 | 64.31 % | 65.07 % ± 1.11 | -3.37 points ±"
                                + " 0.89 | worse (p \\< 0.001) | 18 % of its loss won back | 1,838"
                                + " questions, 0-shot, version 1 |\n"),
                card);
        assertTrue(card.contains("The control is `sparsegpt`: the base method alone"), card);
        assertTrue(card.contains("- steps: `prune`, `re-dense`, `prune again`, `adjust`\n"), card);
    }

    @Test
    void namesTheDomains() throws IOException {
        records.domains = List.of(Records.domain("health", 0.5, "/d/notes.jsonl:{a}: {b}"));
        String card = card();
        assertTrue(card.contains("- \"notes.jsonl\"\n"), card);
        assertTrue(
                card.contains(
                        "Domain health, of weight 0.5: 64 sequences of 512 tokens from"
                                + " `notes.jsonl`. SHA-256"),
                card);
        records.calibration = new CalibrationFacts(List.of(), "none", 0, 0, 0, "");
        assertFalse(card().contains("saw no data"), card());
    }

    @Test
    void namesNoFolders() throws IOException {
        assertFalse(card().contains("../"), "a path");
    }

    @Test
    void licenceComesFromTheCardOfTheSource() throws IOException {
        sourceFolder(
                """
                ---
                license: other
                license_name: llama3.2
                license_link: https://example.org/licence
                tags: [x]
                ---
                # Tiny
                """);
        var yaml = yaml();
        assertEquals("other", yaml.get("license").textValue());
        assertEquals("llama3.2", yaml.get("license_name").textValue());
        assertEquals("https://example.org/licence", yaml.get("license_link").textValue());
        assertEquals("llama-tiny", yaml.get("base_model").textValue());
        assertTrue(card().contains("Its licence, `other`, holds"));
    }

    @Test
    void aFileWithTheLicenceIsPointedTo() throws IOException {
        sourceFolder("no front matter");
        Files.writeString(out.resolve("LICENSE.txt"), "words");
        assertEquals("other", yaml().get("license").textValue());
        assertEquals("LICENSE.txt", yaml().get("license_link").textValue());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "license: [a, {b\n\t---: :",
                "license: \u0000\u0007",
                "license: {a: b}",
                "license: 7",
                "just words",
                "- license",
                "? [",
                "",
                "!!java/lang.Object x",
                "%YAML 9.9"
            })
    void aCardThatCannotBeReadIsNoLicence(String matter) throws IOException {
        sourceFolder("---\n" + matter + "\n---\n");
        assertFalse(yaml().has("license"));
        assertTrue(card().contains("Its licence is unknown: ask the base model's authors."));
    }

    @Test
    void aCardNestedDeeplyIsNoLicence() throws IOException {
        sourceFolder("---\nlicense: " + "[".repeat(200_000) + "\n---\n");
        assertFalse(yaml().has("license"));
    }

    @Test
    @Tag("shared")
    void licenceComesFromTheMetadataOfAGguf() throws IOException {
        Path model =
                Path.of(System.getProperty("pollard.shared"))
                        .resolve("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
        records.model = new ModelFacts(model.toString(), "llama", "Q4_1", 10, 5, 20, "");
        assertEquals("apache-2.0", yaml().get("license").textValue());
        assertEquals("SmolLM2-135M-Instruct.Q4_1", yaml().get("base_model").textValue());
    }

    @Test
    void opensWithOrWithoutTokenizer() throws IOException {
        assertTrue(card().contains("There is no tokenizer in this folder"));
        Files.writeString(out.resolve("tokenizer.json"), "{}");
        assertTrue(card().contains("AutoTokenizer.from_pretrained"));
    }

    @Test
    void oddNamesBreakNeitherYamlNorMarkdown() throws IOException {
        String evil = "a\": [\n---\n# <script>`x`</script> | \u202Eq 模型 " + "n".repeat(500);
        records.model = new ModelFacts(evil, evil, evil, 10, 5, 20, evil);
        records.calibration = new CalibrationFacts(List.of(evil), evil, 1, 1, 1, evil);
        records.evaluations = List.of(Records.evaluation(evil, 1, 2, null));
        records.warnings = List.of(evil);
        records.pattern = evil;
        var yaml = yaml();
        assertEquals(evil.substring(evil.lastIndexOf('/') + 1), yaml.get("base_model").textValue());
        assertEquals(evil, yaml.get("tags").get(4).textValue());
        String body = card().substring(card().indexOf("\n---\n", 4) + 5);
        assertFalse(body.contains("\n---\n"));
        assertFalse(body.contains("\u202E"));
        String running =
                body.replaceAll("(?s)```python.*?```", "")
                        .replaceAll("(?<!`)(`+)(?!`).*?(?<!`)\\1(?!`)", "CODE");
        assertTrue(running.contains("CODE"));
        assertFalse(running.matches("(?s).*(?<!\\\\)[<`].*"), running);
    }

    @Test
    void codeIsFencedByMoreBackticksThanItHas() {
        assertEquals("`a`", ModelCard.code("a"));
        assertEquals("``` a``b ```", ModelCard.code("a``b"));
        assertEquals("a\\|b \\<i\\>", ModelCard.plain("a|b\n<i>"));
    }

    @Test
    void missingPartsAreSaid() throws IOException {
        records.evaluations = List.of(Records.evaluation("perplexity:a", 1, Double.NaN, null));
        records.calibration = null;
        var yaml = yaml();
        assertFalse(yaml.has("datasets"));
        assertFalse(yaml.has("model-index"));
        assertTrue(card().contains("None: the method saw no data."));
        records.evaluations = List.of();
        assertTrue(card().contains("The run evaluated nothing."));
    }
}
