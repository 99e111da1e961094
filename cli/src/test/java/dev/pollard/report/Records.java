package dev.pollard.report;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.CalibrationFacts;
import dev.pollard.recipe.RunRecord.ControlFacts;
import dev.pollard.recipe.RunRecord.DomainFacts;
import dev.pollard.recipe.RunRecord.EnvironmentFacts;
import dev.pollard.recipe.RunRecord.EvaluationFacts;
import dev.pollard.recipe.RunRecord.Histogram;
import dev.pollard.recipe.RunRecord.LayerFacts;
import dev.pollard.recipe.RunRecord.MethodFacts;
import dev.pollard.recipe.RunRecord.ModelFacts;
import dev.pollard.recipe.RunRecord.SampleFacts;
import dev.pollard.recipe.RunRecord.Seconds;
import dev.pollard.recipe.RunRecord.Size;
import dev.pollard.recipe.RunRecord.StepFacts;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
    List<DomainFacts> domains = List.of();
    List<LayerFacts> layers = layers(LLAMA, 30);
    List<EvaluationFacts> evaluations =
            List.of(evaluation("perplexity:rows:../data/wiki.test.raw.gz", 18.973, 27.104, 0.31));
    Size size = new Size(269_060_552, 163_031_040);
    Long peak = 1_450_000_000L;
    String command = "pollard run ../models/small-instruct.Q4_1.gguf -o out --calib c4.jsonl:text";
    List<String> warnings = List.of();

    List<SampleFacts> samples = List.of();
    ControlFacts control;
    EnvironmentFacts environment;
    double sparsity = 0.5;

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
                domains,
                layers,
                sparsity,
                evaluations,
                samples,
                control,
                size,
                new Seconds(141.3, 1.2, 21.7, 0, 48.9, 18.4, 2.2, 1.9, 0.8, 45.6),
                peak,
                environment,
                warnings);
    }

    // ---- a method of several steps, with everything a record can hold ----

    static final List<String> STEPS = List.of("prune", "re-dense", "prune again", "adjust");

    static DomainFacts domain(String name, double weight, String source) {
        return new DomainFacts(name, source, weight, 64, 512, HASH.replace('0', 'd'));
    }

    /// SDS on 30 blocks: every part of a record is there.
    static Records complete() {
        var records = new Records();
        records.model =
                new ModelFacts(
                        "../models/small-instruct",
                        "llama",
                        "BF16",
                        134_515_008,
                        106_168_320,
                        269_060_552,
                        HASH);
        records.method =
                new MethodFacts(
                        "sds",
                        Map.of("base", "sparsegpt", "lambda", "0.1"),
                        "pruned",
                        "float32",
                        "uniform");
        records.layers =
                records.layers.stream().map(layer -> withSteps(layer, 0.31, STEPS)).toList();
        var byLayer = new LinkedHashMap<String, Double>();
        records.layers.forEach(
                layer ->
                        byLayer.put(layer.name(), layer.steps().getFirst().relativeError() * 1.01));
        records.control =
                new ControlFacts(
                        "sparsegpt",
                        "the base method alone, at the same sparsity",
                        byLayer.values().stream().mapToDouble(e -> e).average().orElseThrow(),
                        byLayer,
                        48.1);
        records.evaluations =
                List.of(
                        new EvaluationFacts(
                                "perplexity:rows:../data/wiki.test.raw.gz",
                                "perplexity",
                                false,
                                18.973,
                                27.104,
                                28.912,
                                0.21,
                                0.31,
                                0.12,
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
                                true),
                        accuracy("piqa", "acc", 0.6844, 0.6507, 0.6431, 0.0002, 1838),
                        accuracy("hellaswag", "acc", 0.3512, 0.3302, 0.3266, 0.00001, 10_042),
                        accuracy("hellaswag", "acc_norm", 0.4291, 0.3988, 0.3871, 0.0, 10_042),
                        accuracy("arc_easy", "acc", 0.5341, 0.5097, 0.4983, 0.004, 2376),
                        accuracy("arc_challenge", "acc", 0.2637, 0.2551, 0.2594, 0.31, 1172),
                        accuracy("winogrande", "acc", 0.5241, 0.5257, 0.5178, 0.93, 1267),
                        accuracy("boolq", "acc", 0.6015, 0.6174, 0.6061, 0.048, 3270),
                        accuracy("copa", "acc", 0.71, 0.71, 0.7, 1, 100));
        records.samples =
                List.of(
                        new SampleFacts(
                                "Once upon a time, in a village by the sea,",
                                " there lived a fisherman who had three daughters. Every morning he"
                                        + " went out with his boat, and every evening he came home"
                                        + " with a basket full of silver fish.",
                                " there was a man who lived in a small house. He was a fisherman,"
                                        + " and he was a fisherman, and he was very happy with his"
                                        + " fish and his house by the sea."),
                        new SampleFacts(
                                "The capital of France is",
                                " Paris, which lies on the Seine.",
                                " the city of Paris.\n\nThe city of Paris is the capital of the"
                                        + " region."));
        records.environment =
                new EnvironmentFacts(
                        "25.0.1+8", "2.10.0", "Linux 6.8, amd64", "A Processor 9000 @ 2.40 GHz", 2);
        records.warnings = List.of("model.layers.3.mlp.up_proj: damping raised to 0.1");
        return records;
    }

    static EvaluationFacts accuracy(
            String task,
            String metric,
            double dense,
            double pruned,
            Double control,
            double pValue,
            int items) {
        double error = Math.sqrt(pruned * (1 - pruned) / items);
        return new EvaluationFacts(
                task,
                metric,
                true,
                dense,
                pruned,
                control,
                Math.sqrt(dense * (1 - dense) / items),
                error,
                error * 0.8,
                pValue,
                items,
                0,
                1,
                0,
                0,
                0,
                0,
                "none",
                HASH.replace('0', 'd'),
                false);
    }

    static LayerFacts withSteps(LayerFacts layer, double bound, List<String> names) {
        double last = layer.relativeError();
        double[] errors = {1.35 * last, 0.4 * last, 1.2 * last, last};
        double[] sparsities = {0.5, 0.002, 0.5, 0.5};
        var steps = new ArrayList<StepFacts>();
        for (int i = 0; i < names.size(); i++) {
            steps.add(
                    new StepFacts(
                            names.get(i),
                            errors[i],
                            1.15 * errors[i],
                            sparsities[i],
                            0.1 + 0.1 * i,
                            i == 2 ? (long) (layer.rows() * layer.columns() * 0.04) : null));
        }
        var counts = new LinkedHashMap<String, long[]>();
        counts.put("dense", bell(layer, 1, 0, 0.1));
        double[] hole = {1, 0, 1, 1};
        double[] peak = {0, 0.5, 0, 0};
        for (int i = 0; i < names.size(); i++) {
            counts.put(names.get(i), bell(layer, 1 - 0.5 * hole[i] - peak[i], peak[i], 0.1));
        }
        return new LayerFacts(
                layer.name(),
                layer.rows(),
                layer.columns(),
                layer.sparsity(),
                layer.relativeError(),
                layer.error(),
                layer.seconds(),
                layer.notes(),
                steps,
                new Histogram(bound, counts));
    }

    /// Weights of a bell; where less than all are left, those in the middle are missing, and a part
    /// of them may stand at a narrow peak.
    private static long[] bell(LayerFacts layer, double left, double peak, double width) {
        int bins = 64;
        double bound = 0.31;
        double weights = layer.rows() * layer.columns();
        var counts = new long[bins];
        for (int i = 0; i < bins; i++) {
            double value = bound * ((2.0 * i + 1) / bins - 1);
            double density = Math.exp(-value * value / (2 * width * width)) / width / 2.5066;
            double share = density * 2 * bound / bins;
            if (left < 1) {
                share /= 1 + Math.exp(-(Math.abs(value) - 0.067) / 0.008);
            }
            double narrow = Math.exp(-value * value / (2 * 0.02 * 0.02)) / 0.02 / 2.5066;
            share += peak * narrow * 2 * bound / bins;
            counts[i] = Math.round(share * weights);
        }
        return counts;
    }
}
