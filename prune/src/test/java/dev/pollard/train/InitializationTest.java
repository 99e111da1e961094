package dev.pollard.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.format.MalformedFileException;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.Parameters;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass.Activations;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InitializationTest {
    private static final int VOCABULARY = 200;

    @TempDir private Path folder;

    private static ObjectNode config(String json) throws IOException {
        return new ObjectMapper().readValue(json, ObjectNode.class);
    }

    private static ObjectNode llama(int blocks) throws IOException {
        return config(
                """
                {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": %d,
                 "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
                 "vocab_size": 200, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
                 "attention_bias": true, "tie_word_embeddings": false}"""
                        .formatted(blocks));
    }

    /// Whatever the family: the folder opens, its weights get gradients, and a model that has
    /// learnt nothing finds all tokens about equally likely.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'model_type': 'llama', 'hidden_size': 32, 'num_hidden_layers': 2,"
                        + " 'num_attention_heads': 4, 'intermediate_size': 64, 'rms_norm_eps': 1e-5,"
                        + " 'max_position_embeddings': 32, 'tie_word_embeddings': true}",
                "{'model_type': 'opt', 'hidden_size': 32, 'num_hidden_layers': 2,"
                        + " 'num_attention_heads': 4, 'ffn_dim': 64, 'max_position_embeddings': 32}",
                "{'model_type': 'gpt2', 'n_embd': 32, 'n_layer': 2, 'n_head': 4, 'n_positions': 32}",
                "{'model_type': 'gemma', 'hidden_size': 32, 'num_hidden_layers': 2,"
                        + " 'num_attention_heads': 4, 'num_key_value_heads': 1, 'head_dim': 8,"
                        + " 'intermediate_size': 64, 'rms_norm_eps': 1e-6,"
                        + " 'max_position_embeddings': 32, 'hidden_act': 'gelu_pytorch_tanh'}",
                "{'model_type': 'gpt_neox', 'hidden_size': 32, 'num_hidden_layers': 2,"
                        + " 'num_attention_heads': 4, 'intermediate_size': 64, 'rotary_pct': 0.25,"
                        + " 'layer_norm_eps': 1e-5, 'max_position_embeddings': 32}",
                "{'model_type': 'bloom', 'hidden_size': 32, 'n_layer': 2, 'n_head': 4}",
                "{'model_type': 'phi3', 'hidden_size': 32, 'num_hidden_layers': 2,"
                        + " 'num_attention_heads': 4, 'num_key_value_heads': 2,"
                        + " 'intermediate_size': 64, 'rms_norm_eps': 1e-5,"
                        + " 'max_position_embeddings': 32}"
            })
    void everyFamilyOpensAndKnowsNothing(String json) throws IOException {
        Initialization.write(
                folder, config(json.replace('\'', '"')).put("vocab_size", VOCABULARY), 5);
        int[] ids = new Random(1).ints(24, 0, VOCABULARY).toArray();
        try (var model = Model.open(folder);
                var parameters = Parameters.of(model, _ -> true);
                var workers = new Workers(1)) {
            var pass = new GradientPass(parameters, Activations.KEPT, Compute.FLOAT32, workers);
            var sums = new GradientSums(parameters.trained());
            try (sums) {
                double loss = pass.run(List.<int[][]>of(new int[][] {ids}), sums)[0];
                assertEquals(Math.log(VOCABULARY), loss, 0.2);
                assertTrue(sums.norm(workers) > 0.01);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.02, 0.5})
    void matricesAreNormalAndThoseBeforeTheResidualSmaller(double range) throws IOException {
        int blocks = 8;
        var config = llama(blocks);
        if (range != 0.02) { // which is what it is without being said
            config.put("initializer_range", range);
        }
        Initialization.write(folder, config, 11);
        try (var model = Model.open(folder);
                var parameters = Parameters.of(model, _ -> true)) {
            for (var entry : parameters.entries()) {
                float[] values = parameters.values(entry).detach().toFloats();
                if (entry.weight().shape().rank() < 2) {
                    float expected = entry.name().endsWith("norm.weight") ? 1 : 0;
                    for (float value : values) {
                        assertEquals(expected, value, entry.name());
                    }
                    continue;
                }
                double squares = 0;
                double sum = 0;
                for (float value : values) {
                    squares += (double) value * value;
                    sum += value;
                }
                boolean residual = entry.name().matches(".*(o_proj|down_proj)\\.weight");
                double deviation = residual ? range / 4 : range; // √(2 · 8) = 4
                double root = Math.sqrt(values.length);
                assertEquals(0, sum / values.length, 5 * deviation / root, entry.name());
                assertEquals(
                        1,
                        Math.sqrt(squares / values.length) / deviation,
                        5 / (root * Math.sqrt(2)),
                        entry.name());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-0.1", "\"wide\"", "null"})
    void aRangeThatIsNoPositiveNumberIsRefused(String range) throws IOException {
        var config = llama(2);
        config.set("initializer_range", new ObjectMapper().readTree(range));
        var refused =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> Initialization.write(folder, config, 1));
        assertTrue(refused.getMessage().contains("initializer_range"), refused.getMessage());
        assertFalse(Files.exists(folder.resolve("config.json")));
    }

    @Test
    void theSeedDecidesEveryByte() throws IOException {
        byte[] one = weights("one", 1);
        assertArrayEquals(one, weights("again", 1));
        assertFalse(java.util.Arrays.equals(one, weights("two", 2)));
    }

    private byte[] weights(String name, long seed) throws IOException {
        Initialization.write(folder.resolve(name), llama(2), seed);
        return Files.readAllBytes(folder.resolve(name).resolve("model.safetensors"));
    }

    @Test
    void aConfigurationThatMakesNoSenseIsNamed() throws IOException {
        var config = llama(2);
        config.put("num_attention_heads", 5);
        var e =
                assertThrows(
                        MalformedFileException.class,
                        () -> Initialization.write(folder, config, 0));
        assertTrue(e.getMessage().contains("num_attention_heads"), e.getMessage());
        assertFalse(Files.exists(folder.resolve("model.safetensors")));
    }
}
