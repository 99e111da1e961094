package dev.pollard.config;

import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/// Hugging Face folders of small models with random weights, made where a test needs one.
public final class TinyModels {
    private static final Map<String, String> CONFIGS =
            new TreeMap<>(
                    Map.ofEntries(
                            Map.entry(
                                    "llama",
                                    """
                                    {"model_type": "llama", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 4, "num_key_value_heads": 2,
                                     "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
                                     "rope_theta": 10000.0, "tie_word_embeddings": false,
                                     "bos_token_id": 1, "torch_dtype": "float32"}
                                    """),
                            Map.entry(
                                    "qwen2",
                                    """
                                    {"model_type": "qwen2", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 4, "num_key_value_heads": 2,
                                     "max_position_embeddings": 256, "rms_norm_eps": 1e-6,
                                     "rope_theta": 1000000.0, "tie_word_embeddings": true,
                                     "dtype": "float32"}
                                    """),
                            Map.entry(
                                    "qwen3",
                                    """
                                    {"model_type": "qwen3", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 4, "num_key_value_heads": 2,
                                     "head_dim": 16, "max_position_embeddings": 256,
                                     "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
                                     "tie_word_embeddings": false, "dtype": "float32"}
                                    """),
                            Map.entry(
                                    "smollm3",
                                    """
                                    {"model_type": "smollm3", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 4,
                                     "num_attention_heads": 4, "num_key_value_heads": 2,
                                     "max_position_embeddings": 256, "rms_norm_eps": 1e-6,
                                     "rope_theta": 2000000.0, "tie_word_embeddings": true,
                                     "no_rope_layer_interval": 4, "dtype": "float32"}
                                    """),
                            Map.entry(
                                    "gemma",
                                    """
                                    {"model_type": "gemma", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 4, "num_key_value_heads": 1,
                                     "head_dim": 16, "max_position_embeddings": 256,
                                     "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
                                     "hidden_activation": null, "hidden_act": "gelu",
                                     "torch_dtype": "float32"}
                                    """),
                            Map.entry(
                                    "gemma2",
                                    """
                                    {"model_type": "gemma2", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 4, "num_key_value_heads": 2,
                                     "head_dim": 16, "max_position_embeddings": 256,
                                     "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
                                     "query_pre_attn_scalar": 16, "sliding_window": 8,
                                     "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0,
                                     "torch_dtype": "float32"}
                                    """),
                            Map.entry(
                                    "gemma3_text",
                                    """
                                    {"model_type": "gemma3_text", "vocab_size": 64,
                                     "hidden_size": 32, "intermediate_size": 48,
                                     "num_hidden_layers": 7, "num_attention_heads": 4,
                                     "num_key_value_heads": 2, "head_dim": 16,
                                     "max_position_embeddings": 256, "rms_norm_eps": 1e-6,
                                     "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0,
                                     "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                                     "query_pre_attn_scalar": 16, "sliding_window": 8,
                                     "sliding_window_pattern": 6, "torch_dtype": "float32"}
                                    """),
                            Map.entry(
                                    "gpt2",
                                    """
                                    {"model_type": "gpt2", "vocab_size": 64, "n_embd": 32,
                                     "n_layer": 2, "n_head": 4, "n_positions": 128, "n_inner": 80,
                                     "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}
                                    """),
                            Map.entry(
                                    "gpt_neox",
                                    """
                                    {"model_type": "gpt_neox", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 2, "max_position_embeddings": 256,
                                     "layer_norm_eps": 1e-5, "rotary_emb_base": 10000,
                                     "rotary_pct": 0.25, "use_parallel_residual": true,
                                     "hidden_act": "gelu", "torch_dtype": "float32"}
                                    """),
                            Map.entry(
                                    "bloom",
                                    """
                                    {"model_type": "bloom", "vocab_size": 64, "n_embed": 24,
                                     "n_layer": 2, "n_head": 6, "layer_norm_epsilon": 1e-5,
                                     "torch_dtype": "float32"}
                                    """),
                            Map.entry(
                                    "phi3",
                                    """
                                    {"model_type": "phi3", "vocab_size": 64, "hidden_size": 32,
                                     "intermediate_size": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 2, "num_key_value_heads": 1,
                                     "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
                                     "rope_theta": 10000.0, "partial_rotary_factor": 0.75,
                                     "sliding_window": 8, "dtype": "float32"}
                                    """),
                            Map.entry(
                                    "opt",
                                    """
                                    {"model_type": "opt", "vocab_size": 64, "hidden_size": 32,
                                     "ffn_dim": 48, "num_hidden_layers": 2,
                                     "num_attention_heads": 4, "max_position_embeddings": 128,
                                     "word_embed_proj_dim": 16, "torch_dtype": "float32"}
                                    """)));

    private TinyModels() {}

    /// The architectures there are.
    public static List<String> architectures() {
        return List.copyOf(CONFIGS.keySet());
    }

    /// A `config.json` of an architecture.
    public static String config(String architecture) {
        return CONFIGS.get(architecture);
    }

    /// Writes a model of an architecture in float32.
    public static Path write(Path folder, String architecture, long seed) throws IOException {
        return write(folder, CONFIGS.get(architecture), DType.F32, seed);
    }

    /// Writes `config.json` and `model.safetensors`: norms about 1, all else about 0.15.
    public static Path write(Path folder, String config, DType dtype, long seed)
            throws IOException {
        Files.createDirectories(folder);
        var read = ModelConfig.read(Files.writeString(folder.resolve("config.json"), config));
        var random = new Random(seed);
        List<WeightMap.Placed> weights = read.weights().placed(read.blocks());
        List<Declaration> declarations = new ArrayList<>();
        for (var placed : weights) {
            declarations.add(new Declaration(placed.name(), dtype, fileShape(placed)));
        }
        Path file = folder.resolve("model.safetensors");
        try (var writer = SafetensorsWriter.create(file, declarations, Map.of())) {
            for (var placed : weights) {
                boolean norm =
                        placed.weight().shape().rank() == 1 && placed.name().endsWith(".weight");
                boolean aboutOne = norm && !(placed.weight().layout() instanceof Layout.OnePlus);
                float[] values = new float[(int) placed.weight().shape().elements()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = (float) (0.15 * random.nextGaussian() + (aboutOne ? 1 : 0));
                }
                writer.writeFloats(placed.name(), MemorySegment.ofArray(values));
            }
            writer.commit();
        }
        return folder;
    }

    private static Shape fileShape(WeightMap.Placed placed) {
        Shape shape = placed.weight().shape();
        return placed.weight().layout() instanceof Layout.Conv1d && shape.rank() == 2
                ? Shape.of(shape.size(1), shape.size(0))
                : shape;
    }
}
