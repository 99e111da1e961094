package dev.pollard.config;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.gguf.GgmlType;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.format.gguf.GgufMetadata;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The metadata of a GGUF file, said as a `config.json`.
///
/// Keys are written in the older spelling (`rope_theta`, `rope_scaling`), which every version of
/// transformers reads.
final class GgufConfig {
    /// `general.architecture`s that [#read] knows.
    private static final List<String> ARCHITECTURES =
            List.of(
                    "llama", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3", "gpt2",
                    "gptneox", "bloom", "phi3");

    private final GgufFile file;
    private final GgufMetadata metadata;
    private final String architecture;
    private final ObjectNode config = JsonNodeFactory.instance.objectNode();

    /// Key of config.json → key of the metadata it came from.
    private final Map<String, String> origins = new HashMap<>();

    private GgufConfig(GgufFile file, String architecture) {
        this.file = file;
        this.metadata = file.metadata();
        this.architecture = architecture;
    }

    /// The configuration, and what names the metadata key when a value of it is wrong.
    record Result(ObjectNode config, Keys.Blame blame) {}

    /// @throws MalformedFileException if the architecture is not supported or a key that it needs
    ///     is missing
    static Result read(GgufFile file) throws MalformedFileException {
        var architecture = file.metadata().string("general.architecture");
        if (architecture.isEmpty()) {
            throw file.metadata().missing("general.architecture");
        }
        var reader = new GgufConfig(file, architecture.get());
        reader.translate();
        return new Result(reader.config, reader::blame);
    }

    private MalformedFileException blame(String key, String reason) {
        return metadata.malformed(origins.getOrDefault(key, key), reason);
    }

    private void translate() throws MalformedFileException {
        switch (architecture) {
            case "llama" -> {
                model("llama", "LlamaForCausalLM");
                refuseExperts();
                hiddenNames();
                attention("rms_norm_eps", "attention.layer_norm_rms_epsilon");
                config.put("hidden_act", "silu");
                config.put("attention_bias", has("blk.0.attn_q.bias"));
                config.put("mlp_bias", has("blk.0.ffn_up.bias"));
                rope();
            }
            case "qwen2", "qwen3", "smollm3" -> {
                model(
                        architecture,
                        switch (architecture) {
                            case "qwen2" -> "Qwen2ForCausalLM";
                            case "qwen3" -> "Qwen3ForCausalLM";
                            default -> "SmolLM3ForCausalLM";
                        });
                hiddenNames();
                attention("rms_norm_eps", "attention.layer_norm_rms_epsilon");
                config.put("hidden_act", "silu");
                config.put("use_sliding_window", false);
                if (!architecture.equals("qwen2")) {
                    config.put("attention_bias", has("blk.0.attn_q.bias"));
                }
                rope();
            }
            case "gemma", "gemma2", "gemma3" -> gemma();
            case "gpt2" -> {
                model("gpt2", "GPT2LMHeadModel");
                copy("n_embd", "embedding_length");
                copy("n_layer", "block_count");
                copy("n_head", "attention.head_count");
                copy("n_positions", "context_length");
                copy("n_inner", "feed_forward_length");
                copy("layer_norm_epsilon", "attention.layer_norm_epsilon");
                config.put("activation_function", "gelu_new");
            }
            case "gptneox" -> {
                model("gpt_neox", "GPTNeoXForCausalLM");
                hiddenNames();
                attention("layer_norm_eps", "attention.layer_norm_epsilon");
                copyIfThere("use_parallel_residual", "use_parallel_residual");
                config.put("hidden_act", "gelu");
                config.put("attention_bias", has("blk.0.attn_qkv.bias"));
                rope();
                rename("rope_theta", "rotary_emb_base");
                rename("partial_rotary_factor", "rotary_pct");
            }
            case "bloom" -> {
                model("bloom", "BloomForCausalLM");
                copy("hidden_size", "embedding_length");
                copy("n_layer", "block_count");
                copy("n_head", "attention.head_count");
                copy("seq_length", "context_length");
                copy("layer_norm_epsilon", "attention.layer_norm_epsilon");
                config.put("apply_residual_connection_post_layernorm", false);
            }
            case "phi3" -> {
                model("phi3", "Phi3ForCausalLM");
                hiddenNames();
                attention("rms_norm_eps", "attention.layer_norm_rms_epsilon");
                copyIfThere(
                        "original_max_position_embeddings", "rope.scaling.original_context_length");
                config.put("hidden_act", "silu");
                window();
                if (has("rope_factors_long.weight")) {
                    throw metadata.malformed(
                            "rope_factors_long.weight", "(longrope scaling) is not supported");
                }
                rope();
            }
            default ->
                    throw metadata.malformed(
                            "general.architecture",
                            "'%s' is not supported; supported: %s"
                                    .formatted(architecture, String.join(", ", ARCHITECTURES)));
        }
    }

    private void model(String type, String name) throws MalformedFileException {
        config.put("model_type", type);
        origins.put("model_type", "general.architecture");
        config.putArray("architectures").add(name);
        var embeddings = file.tensors().get("token_embd.weight");
        if (embeddings == null || embeddings.shape().rank() != 2) {
            throw metadata.malformed("token_embd.weight", "is not there, or no matrix");
        }
        config.put("vocab_size", embeddings.shape().size(0));
        config.put("tie_word_embeddings", !has("output.weight"));
        special("bos_token_id", "tokenizer.ggml.bos_token_id");
        special("eos_token_id", "tokenizer.ggml.eos_token_id");
        special("pad_token_id", "tokenizer.ggml.padding_token_id");
    }

    private void special(String name, String key) {
        if (metadata.values().get(key) instanceof Long id) {
            config.put(name, id);
            origins.put(name, key);
        }
    }

    private void hiddenNames() throws MalformedFileException {
        copy("hidden_size", "embedding_length");
        copy("intermediate_size", "feed_forward_length");
        copy("num_hidden_layers", "block_count");
        copy("max_position_embeddings", "context_length");
    }

    private void attention(String epsilonName, String epsilonKey) throws MalformedFileException {
        copy("num_attention_heads", "attention.head_count");
        copyIfThere("num_key_value_heads", "attention.head_count_kv");
        copyIfThere("head_dim", "attention.key_length");
        copy(epsilonName, epsilonKey);
    }

    private void gemma() throws MalformedFileException {
        boolean third = architecture.equals("gemma3");
        model(
                third ? "gemma3_text" : architecture,
                switch (architecture) {
                    case "gemma" -> "GemmaForCausalLM";
                    case "gemma2" -> "Gemma2ForCausalLM";
                    default -> "Gemma3ForCausalLM";
                });
        hiddenNames();
        attention("rms_norm_eps", "attention.layer_norm_rms_epsilon");
        config.put(
                architecture.equals("gemma") ? "hidden_act" : "hidden_activation",
                "gelu_pytorch_tanh");
        if (!architecture.equals("gemma")) {
            window();
            config.put("query_pre_attn_scalar", queryScalar());
        }
        if (architecture.equals("gemma2")) {
            copyIfThere("attn_logit_softcapping", "attn_logit_softcapping");
            copyIfThere("final_logit_softcapping", "final_logit_softcapping");
        }
        if (third) {
            // GGUF does not say these; they are the same in every Gemma 3.
            config.put("rope_local_base_freq", 10_000.0);
            config.put("sliding_window_pattern", 6);
        }
        rope();
        if (third && !config.has("rope_theta")) {
            config.put("rope_theta", 1e6);
        }
    }

    /// GGUF does not say it: the head width, but hidden size / heads in the models of 27 billion,
    /// which are known by their number of blocks.
    private long queryScalar() throws MalformedFileException {
        long blocks = needed("block_count");
        boolean largest = blocks == (architecture.equals("gemma2") ? 46 : 62);
        return largest || !config.has("head_dim")
                ? needed("embedding_length") / Math.max(1, needed("attention.head_count"))
                : config.get("head_dim").longValue();
    }

    private long needed(String key) throws MalformedFileException {
        var value = metadata.integer(architecture + "." + key);
        if (value.isEmpty()) {
            throw metadata.missing(architecture + "." + key);
        }
        return value.getAsLong();
    }

    private void window() {
        copyIfThere("sliding_window", "attention.sliding_window");
        if (config.path("sliding_window").asLong(1) == 0) {
            config.putNull("sliding_window");
        }
    }

    private void refuseExperts() throws MalformedFileException {
        if (metadata.integer("llama.expert_count").orElse(0) > 0) {
            throw metadata.malformed(
                    "llama.expert_count", "says this is a mixture of experts: not supported");
        }
    }

    private void rope() throws MalformedFileException {
        copyIfThere("rope_theta", "rope.freq_base");
        var dimensions = metadata.integer(architecture + ".rope.dimension_count");
        long heads = needed("attention.head_count");
        long width =
                config.has("head_dim")
                        ? config.get("head_dim").asLong()
                        : heads < 1 ? 0 : needed("embedding_length") / heads;
        if (dimensions.isPresent() && width > 0 && dimensions.getAsLong() != width) {
            config.put("partial_rotary_factor", (double) dimensions.getAsLong() / width);
            origins.put("partial_rotary_factor", architecture + ".rope.dimension_count");
        }
        String type = metadata.string(architecture + ".rope.scaling.type").orElse("none");
        if (has("rope_freqs.weight")) {
            config.set("rope_scaling", llama3Scaling(width));
        } else if (!type.equals("none")) {
            var scaling = config.putObject("rope_scaling");
            scaling.put("rope_type", type);
            origins.put("rope_scaling.rope_type", architecture + ".rope.scaling.type");
            var factor = metadata.number(architecture + ".rope.scaling.factor");
            if (factor.isPresent()) {
                scaling.put("factor", factor.getAsDouble());
                origins.put("rope_scaling.factor", architecture + ".rope.scaling.factor");
            }
        }
    }

    /// GGUF holds Llama 3.1's scaling as one divisor per frequency. All published models share the
    /// ramp (1, 4, 8192) and differ in the factor, which the longest wavelength shows.
    private ObjectNode llama3Scaling(long width) throws MalformedFileException {
        var stored = file.tensors().get("rope_freqs.weight");
        if (stored.shape().elements() != width / 2 || width < 2 || stored.type() != GgmlType.F32) {
            throw metadata.malformed(
                    "rope_freqs.weight",
                    "is %s %s for heads of width %d"
                            .formatted(stored.storage(), stored.shape(), width));
        }
        float[] divisors = stored.toFloats();
        double theta = config.path("rope_theta").asDouble(10_000);
        double factor = divisors[divisors.length - 1];
        var plain = new Rope(theta, (int) width, new Rope.Unscaled()).inverseFrequencies();
        var scaled =
                new Rope(theta, (int) width, new Rope.Llama3(factor, 1, 4, 8192))
                        .inverseFrequencies();
        for (int i = 0; i < divisors.length; i++) {
            if (!(Math.abs(plain[i] / scaled[i] - divisors[i]) <= 1e-3 * divisors[i])) {
                throw metadata.malformed(
                        "rope_freqs.weight", "is not the scaling of any Llama 3: not supported");
            }
        }
        var scaling = JsonNodeFactory.instance.objectNode();
        scaling.put("rope_type", "llama3");
        scaling.put("factor", factor);
        scaling.put("low_freq_factor", 1.0);
        scaling.put("high_freq_factor", 4.0);
        scaling.put("original_max_position_embeddings", 8192);
        return scaling;
    }

    private void copy(String name, String key) throws MalformedFileException {
        copyIfThere(name, key);
        if (!config.has(name)) {
            throw metadata.missing(architecture + "." + key);
        }
    }

    /// Values keep their type, whatever it is: who reads the configuration judges it.
    private void copyIfThere(String name, String key) {
        String full = architecture + "." + key;
        origins.put(name, full);
        switch (metadata.values().get(full)) {
            case null -> {}
            case Long value -> config.put(name, value);
            // The shortest decimal that is this float32: 1e-5, not 9.999999747378752e-6.
            case Float value -> config.put(name, Double.parseDouble(value.toString()));
            case Double value -> config.put(name, value);
            case Boolean value -> config.put(name, value);
            case Object value -> config.put(name, value.toString());
        }
    }

    private void rename(String from, String to) {
        if (config.has(from)) {
            config.set(to, config.remove(from));
        }
    }

    private boolean has(String tensor) {
        return file.tensors().containsKey(tensor);
    }
}
