package dev.pollard.report;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.CalibrationFacts;
import dev.pollard.recipe.RunRecord.EvaluationFacts;
import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.recipe.RunRecord.MethodFacts;
import dev.pollard.recipe.RunRecord.ModelFacts;
import dev.pollard.recipe.RunRecord.Seconds;
import dev.pollard.recipe.RunRecord.Size;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;

/// Records of runs that never were, with numbers as runs have them.
final class Records {
    static final List<String> LLAMA =
            List.of(
                    "model.layers.%d.self_attn.q_proj",
                    "model.layers.%d.self_attn.k_proj",
                    "model.layers.%d.self_attn.v_proj",
                    "model.layers.%d.self_attn.o_proj",
                    "model.layers.%d.mlp.gate_proj",
                    "model.layers.%d.mlp.up_proj",
                    "model.layers.%d.mlp.down_proj");

    private static final String HASH =
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    ModelFacts model =
            new ModelFacts(
                    "../models/small-instruct.Q4_1.gguf",
                    "llama",
                    "Q4_1",
                    134_515_008,
                    106_168_320,
                    98_265_600,
                    HASH);
    MethodFacts method;
    String pattern = "0.5";
    CalibrationFacts calibration =
            new CalibrationFacts(
                    List.of("../data/c4-en-part1.jsonl.gz:text"),
                    "random",
                    32,
                    512,
                    16_384,
                    HASH.replace('0', 'c'));
    List<LayerFacts> layers = layers(LLAMA, 30);
    List<EvaluationFacts> evaluations =
            List.of(evaluation("perplexity:rows:../data/wiki.test.raw.gz", 18.973, 27.104, 0.31));
    Size size = new Size(269_060_552, 163_031_040);
    Long peak = 1_450_000_000L;
    String command = "pollard run ../models/small-instruct.Q4_1.gguf -o out --calib c4.jsonl:text";
    List<String> warnings = List.of();

    Records() {
        var settings = new LinkedHashMap<String, String>();
        settings.put("damping", "0.01");
        settings.put("block", "128");
        method = new MethodFacts("sparsegpt", settings, "pruned", "float32", "uniform");
    }

    /// @param modules names with the block's place as `%d`
    static List<LayerFacts> layers(List<String> modules, int blocks) {
        var random = new Random(7);
        var layers = new ArrayList<LayerFacts>();
        for (int block = 0; block < blocks; block++) {
            for (int m = 0; m < modules.size(); m++) {
                double error = 0.004 * (1 + m) * (1 + block / 8.0) * (0.7 + random.nextDouble());
                layers.add(
                        new LayerFacts(
                                modules.get(m).formatted(block),
                                576,
                                576,
                                0.5,
                                error,
                                "output",
                                0.1 + 0.3 * random.nextDouble(),
                                List.of(),
                                List.of(),
                                null));
            }
        }
        return layers;
    }

    static LayerFacts layer(String name, double sparsity, double error) {
        return new LayerFacts(
                name, 64, 64, sparsity, error, "output", 0.1, List.of(), List.of(), null);
    }

    static EvaluationFacts evaluation(String task, double dense, double pruned, Double stderr) {
        return new EvaluationFacts(
                task,
                "perplexity",
                false,
                dense,
                pruned,
                null,
                null,
                stderr,
                null,
                null,
                null,
                null,
                null,
                287_645,
                140,
                140,
                2048,
                "none",
                HASH.replace('0', 'e'),
                false);
    }

    RunRecord make() {
        return new RunRecord(
                1,
                "0.1.0",
                command,
                "2026-11-22T03:43:16Z",
                model,
                method,
                pattern,
                0,
                calibration,
                layers,
                0.5,
                evaluations,
                List.of(),
                null,
                size,
                new Seconds(141.3, 1.2, 21.7, 48.9, 18.4, 2.2, 1.9, 0.8, 45.6),
                peak,
                null,
                warnings);
    }
}
