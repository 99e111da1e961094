package dev.pollard.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.eval.Item;
import dev.pollard.recipe.EvaluationRun;
import dev.pollard.recipe.Recipe;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;

/// The file of `pollard eval --json`: keys as lm-evaluation-harness writes them, and what it does
/// not have under keys of its own (`comparison`, `texts`).
final class EvaluationJson {
    private static final ObjectMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    private static final String FILTER = ",none"; // the harness's name for answers as they are

    private EvaluationJson() {}

    /// @param models the first, and the second if there are two
    static String of(
            Recipe.Evaluation asked,
            List<Path> models,
            List<EvaluationRun.Outcome> outcomes,
            boolean withSamples) {
        var root = JSON.createObjectNode();
        describe(root, asked, models.getFirst(), outcomes, 0, withSamples);
        if (models.size() > 1) {
            describe(root.putObject("other"), asked, models.get(1), outcomes, 1, withSamples);
            var comparison = root.putObject("comparison");
            outcomes.forEach(outcome -> compare(comparison.putObject(outcome.task()), outcome));
        }
        try {
            return JSON.writeValueAsString(root) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of plain values", e);
        }
    }

    private static void describe(
            ObjectNode root,
            Recipe.Evaluation asked,
            Path model,
            List<EvaluationRun.Outcome> outcomes,
            int candidate,
            boolean withSamples) {
        root.put("model", model.toString());
        var results = root.putObject("results");
        var versions = root.putObject("versions");
        var shots = root.putObject("n-shot");
        var samples = root.putObject("n-samples");
        var higher = root.putObject("higher_is_better");
        var texts = root.putObject("texts");
        for (var outcome : outcomes) {
            var values = results.putObject(outcome.task()).put("alias", outcome.task());
            var better = higher.putObject(outcome.task());
            for (var measure : outcome.results().get(candidate).measures()) {
                String key = measure.metric().key();
                values.put(key + FILTER, measure.value());
                put(values, key + "_stderr" + FILTER, measure.standardError());
                better.put(key, measure.metric().higherIsBetter());
            }
            outcome.questions()
                    .ifPresent(
                            questions -> {
                                versions.put(outcome.task(), (double) questions.task().version());
                                shots.put(outcome.task(), questions.shots());
                                samples.putObject(outcome.task())
                                        .put("original", questions.available())
                                        .put("effective", questions.items().size());
                            });
            outcome.windows()
                    .ifPresent(
                            windows -> {
                                var origin = windows.origins().getFirst();
                                texts.putObject(outcome.task())
                                        .put("windows", windows.count())
                                        .put("windows_available", origin.available())
                                        .put("length", windows.length())
                                        .put("stride", windows.stride())
                                        .put("tokens", origin.tokens())
                                        .put("bos", origin.bos().toString())
                                        .put("sha256", windows.sha256());
                            });
        }
        var config = root.putObject("config");
        asked.limit().ifPresentOrElse(n -> config.put("limit", n), () -> config.putNull("limit"));
        config.put("random_seed", asked.seed());
        config.put("temperature", asked.decoding().temperature());
        config.put("top_p", asked.decoding().topP());
        if (withSamples) {
            var all = root.putObject("samples");
            outcomes.stream()
                    .filter(outcome -> outcome.questions().isPresent())
                    .forEach(outcome -> samples(all.putArray(outcome.task()), outcome, candidate));
        }
    }

    private static void compare(ObjectNode task, EvaluationRun.Outcome outcome) {
        var measures = outcome.results().getFirst().measures();
        for (int m = 0; m < measures.size(); m++) {
            var metric = measures.get(m).metric();
            var comparison = outcome.comparison(1, m);
            var node = task.putObject(metric.key());
            node.put("difference", comparison.difference());
            put(node, "difference_stderr", comparison.standardError());
            put(node, "p_value", comparison.pValue());
            if (metric.isProportion()) {
                node.put("only_first", comparison.onlyFirst());
                node.put("only_second", comparison.onlySecond());
            }
            node.put("verdict", comparison.verdict());
        }
    }

    private static void samples(ArrayNode list, EvaluationRun.Outcome outcome, int candidate) {
        var result = outcome.results().get(candidate);
        var items = outcome.questions().orElseThrow().items();
        for (int i = 0; i < items.size(); i++) {
            var sample = list.addObject().put("doc_id", items.get(i).index());
            var answers = sample.putArray("resps");
            switch (items.get(i)) {
                case Item.Choice choice -> sample.put("target", choice.gold());
                case Item.Summary summary -> {
                    sample.put("target", summary.reference());
                    answers.addArray().add(result.written().get(i));
                }
                case Item.LastWord _, Item.Page _ -> {}
            }
            if (!result.answers().isEmpty()) {
                result.answers()
                        .get(i)
                        .forEach(
                                scored ->
                                        answers.addArray()
                                                .add(scored.logLikelihood())
                                                .add(scored.greedy()));
            }
            for (var measure : result.measures()) {
                if (measure.metric().isMean()) {
                    sample.put(measure.metric().key(), measure.contributions()[i]);
                }
            }
        }
    }

    /// A number, or what the harness writes where there is none.
    private static void put(ObjectNode node, String key, OptionalDouble value) {
        if (value.isPresent()) {
            node.put(key, value.getAsDouble());
        } else {
            node.put(key, "N/A");
        }
    }
}
