package dev.pollard.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckpointTest {
    @TempDir Path temporary;

    /// A model whose `config.json` was changed after its weights were written.
    private Path changed(String architecture, String from, String to) throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), architecture, 31);
        String config = Files.readString(folder.resolve("config.json"));
        assertTrue(config.contains(from), from);
        Files.writeString(folder.resolve("config.json"), config.replace(from, to));
        return folder;
    }

    private static String complaint(Path model) {
        return assertThrows(MalformedFileException.class, () -> Checkpoint.open(model))
                .getMessage();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    "num_hidden_layers": 2 | "num_hidden_layers": 3 | tensor model.layers.2.input_layernorm.weight [32] is missing
                    "num_hidden_layers": 2 | "num_hidden_layers": 1 | has no place in the model
                    "intermediate_size": 48 | "intermediate_size": 40 | mlp.gate_proj.weight is [48, 32] where the configuration asks for [40, 32]
                    "vocab_size": 64 | "vocab_size": 65 | embed_tokens.weight is [64, 32] where the configuration asks for [65, 32]
                    "bos_token_id": 1 | "attention_bias": true | q_proj.bias [32] is missing
                    "tie_word_embeddings": false | "mlp_bias": true | mlp.gate_proj.bias [48] is missing
                    """)
    void configurationAndTensorsThatDisagreeAreRefused(String from, String to, String complaint)
            throws IOException {
        String message = complaint(changed("llama", from, to));
        assertTrue(message.contains(complaint), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    "hidden_size": 32 | "hidden_size": 0 | hidden_size must be 1 to 16777216, not 0
                    "hidden_size": 32 | "hidden_size": 33 | num_attention_heads 4 does not divide the hidden size 33
                    "hidden_size": 32 | "hidden_size": "32" | hidden_size must be a whole number, not "32"
                    "hidden_size": 32 | "hidden_size": 1e30 | hidden_size must be a whole number
                    "hidden_size": 32 | "hidden_size": 32.5 | hidden_size must be a whole number
                    "hidden_size": 32, | | hidden_size is missing
                    "num_key_value_heads": 2 | "num_key_value_heads": 3 | num_key_value_heads 3 does not divide the 4 attention heads
                    "num_hidden_layers": 2 | "num_hidden_layers": 2000000 | num_hidden_layers must be at most 10000
                    "vocab_size": 64 | "vocab_size": 2000000000 | vocab_size must be 1 to 16777216
                    "rms_norm_eps": 1e-5 | "rms_norm_eps": -1 | rms_norm_eps must be a positive number, not -1
                    "bos_token_id": 1 | "bos_token_id": 64 | bos_token_id is outside the vocabulary of 64
                    "bos_token_id": 1 | "hidden_act": "mish" | hidden_act 'mish' is not supported
                    "bos_token_id": 1 | "rope_scaling": {"rope_type": "yarn", "factor": 4.0} | rope_scaling.rope_type 'yarn' is not supported; supported: default, linear, llama3
                    "bos_token_id": 1 | "rope_scaling": {"type": "dynamic", "factor": 4.0} | rope_scaling.type 'dynamic' is not supported
                    "bos_token_id": 1 | "rope_parameters": {"rope_type": "longrope"} | rope_parameters.rope_type 'longrope' is not supported
                    "bos_token_id": 1 | "rope_scaling": {"type": "linear"} | rope_scaling.factor is missing
                    "bos_token_id": 1 | "rope_scaling": 7 | rope_scaling must be an object
                    "bos_token_id": 1 | "quantization_config": {"quant_method": "gptq"} | quantised (gptq)
                    "model_type": "llama" | "model_type": "falcon" | model_type 'falcon' is not supported; supported: opt, llama
                    "model_type": "llama", | | model_type is missing
                    """)
    void aValueWithoutSenseIsBlamedOnItsKey(String from, String to, String complaint)
            throws IOException {
        String message = complaint(changed("llama", from, to == null ? "" : to));
        assertTrue(message.contains(complaint), message);
        assertTrue(message.contains("config.json"), message);
    }

    @Test
    void whatIsNoJsonIsRefused() throws IOException {
        Path folder = TinyModels.write(temporary.resolve("model"), "llama", 32);
        for (String text :
                new String[] {"", "{\"model_type\": ", "[]", "\u0000", "[".repeat(5000)}) {
            Files.writeString(folder.resolve("config.json"), text);
            String message = complaint(folder);
            assertTrue(message.contains("config.json"), message);
        }
    }

    @Test
    void aFolderWithoutModelNamesWhatItLacks() throws IOException {
        var noConfig = assertThrows(NoSuchFileException.class, () -> Checkpoint.open(temporary));
        assertTrue(noConfig.getMessage().contains("no config.json"), noConfig.getMessage());
        Files.writeString(temporary.resolve("config.json"), TinyModels.config("llama"));
        var noWeights = assertThrows(NoSuchFileException.class, () -> Checkpoint.open(temporary));
        assertTrue(noWeights.getMessage().contains("model.safetensors"), noWeights.getMessage());
        Path nowhere = temporary.resolve("nowhere");
        assertThrows(NoSuchFileException.class, () -> Checkpoint.open(nowhere));
        Path text = Files.writeString(temporary.resolve("text.txt"), "hello");
        assertTrue(complaint(text).contains("neither a Hugging Face folder nor a .gguf file"));
    }

    @Test
    void sizesAreThoseOfTheFile() throws IOException {
        Path folder =
                TinyModels.write(
                        temporary.resolve("model"), TinyModels.config("llama"), DType.BF16, 33);
        try (var checkpoint = Checkpoint.open(folder)) {
            long attention = 2 * (32 * 32 + 16 * 32);
            long perBlock = attention + 3 * 48 * 32;
            assertEquals(2 * perBlock, checkpoint.prunableParameters());
            long all = 2 * (perBlock + 2 * 32) + 2 * 64 * 32 + 32;
            assertEquals(all, checkpoint.parameters());
            assertEquals(2 * all, checkpoint.bytes());
            assertEquals("BF16", checkpoint.storage());
            assertEquals(14, checkpoint.prunable().size());
            assertEquals(
                    "model.layers.0.self_attn.q_proj", checkpoint.prunable().getFirst().module());
        }
    }

    @Test
    void theHashTellsWeightsApart() throws IOException {
        Path one = TinyModels.write(temporary.resolve("one"), "llama", 34);
        Path same = TinyModels.write(temporary.resolve("same"), "llama", 34);
        Path other = TinyModels.write(temporary.resolve("other"), "llama", 35);
        try (var a = Checkpoint.open(one);
                var b = Checkpoint.open(same);
                var c = Checkpoint.open(other)) {
            assertEquals(64, a.sha256().length());
            assertEquals(a.sha256(), b.sha256());
            assertNotEquals(a.sha256(), c.sha256());
        }
    }
}
