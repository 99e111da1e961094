package dev.pollard.config;

import dev.pollard.format.MalformedFileException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/// Gemma 1 to 3, text (arXiv 2403.08295, 2408.00118, 2503.19786).
///
/// @param feedForward width inside the feed-forward layers
/// @param epsilon of the RMS norms
/// @param queryScale factor on query · key
/// @param attentionCap scores are squashed to `±cap` by tanh (Gemma 2)
/// @param logitCap logits are squashed to `±cap` by tanh (Gemma 2)
/// @param bias whether the attention projections have biases
/// @param outerNorms whether attention and feed-forward also end with a norm (Gemma 2 and 3)
/// @param headNorms whether every query and key head is normalised before it turns (Gemma 3)
/// @param windows per block how many positions a token sees, itself among them; 0: all before it
/// @param rope of the blocks that see everything
/// @param windowRope of the blocks with a window
public record GemmaConfig(
        Outline outline,
        Heads heads,
        int feedForward,
        double epsilon,
        Activation activation,
        double queryScale,
        OptionalDouble attentionCap,
        OptionalDouble logitCap,
        boolean bias,
        boolean outerNorms,
        boolean headNorms,
        List<Integer> windows,
        Rope rope,
        Rope windowRope)
        implements ModelConfig {
    public GemmaConfig {
        windows = List.copyOf(windows);
    }

    /// The checkpoints of Gemma 3 leave out what equals these defaults of transformers.
    static GemmaConfig read(Keys keys, String architecture) throws MalformedFileException {
        boolean second = architecture.equals("gemma2");
        boolean third = architecture.startsWith("gemma3");
        int hidden = keys.size("hidden_size");
        Outline outline =
                Outline.read(
                        keys,
                        architecture,
                        third ? keys.sizeOr(262_208, "vocab_size") : keys.size("vocab_size"),
                        hidden,
                        keys.sizeOr(third ? 131_072 : 8192, "max_position_embeddings"),
                        true);
        int query =
                third ? keys.sizeOr(8, "num_attention_heads") : keys.size("num_attention_heads");
        Heads heads =
                Heads.checked(
                        keys,
                        query,
                        keys.sizeOr(third ? 4 : query, "num_key_value_heads"),
                        keys.sizeOr(256, "head_dim"));
        double scalar =
                second || third ? keys.positive(256, "query_pre_attn_scalar") : heads.width();
        Rope rope = globalRope(keys, heads.width(), third ? 1e6 : 10_000);
        return new GemmaConfig(
                outline,
                heads,
                keys.size("intermediate_size"),
                keys.positive(1e-6, "rms_norm_eps"),
                activation(keys),
                1 / Math.sqrt(scalar),
                cap(keys, "attn_logit_softcapping", second ? 50 : 0),
                cap(keys, "final_logit_softcapping", second ? 30 : 0),
                keys.flag(false, "attention_bias"),
                second || third,
                third,
                second || third ? windows(keys, outline.blocks(), third) : noWindows(outline),
                rope,
                third ? windowRope(keys, heads.width()) : rope);
    }

    private static List<Integer> noWindows(Outline outline) {
        return Windows.of(outline.blocks(), 0, _ -> false);
    }

    private static List<Integer> windows(Keys keys, int blocks, boolean third)
            throws MalformedFileException {
        int period =
                third ? keys.sizeOr(6, "sliding_window_pattern", "_sliding_window_pattern") : 2;
        return Windows.read(
                keys,
                blocks,
                keys.sizeOr(4096, "sliding_window"),
                block -> (block + 1) % period != 0);
    }

    /// The first checkpoints say `gelu` and mean its tanh form.
    private static Activation activation(Keys keys) throws MalformedFileException {
        var written =
                Activation.read(keys, Activation.GELU_TANH, "hidden_activation", "hidden_act");
        return written == Activation.GELU && !keys.has("hidden_activation")
                ? Activation.GELU_TANH
                : written;
    }

    /// A cap that is written as `null` is off; one that is not written has its default.
    private static OptionalDouble cap(Keys keys, String name, double fallback)
            throws MalformedFileException {
        if (keys.mentions(name) || fallback == 0) {
            return keys.optionalPositive(name);
        }
        return OptionalDouble.of(fallback);
    }

    private static Rope globalRope(Keys keys, int width, double theta)
            throws MalformedFileException {
        var layered = layered(keys, "full_attention");
        return layered.isPresent()
                ? Rope.read(keys, layered, width, theta, 1)
                : Rope.read(keys, width, theta, 1);
    }

    private static Rope windowRope(Keys keys, int width) throws MalformedFileException {
        return Rope.read(
                keys,
                layered(keys, "sliding_attention"),
                width,
                keys.positive(10_000, "rope_local_base_freq"),
                1);
    }

    private static Optional<Keys> layered(Keys keys, String type) throws MalformedFileException {
        var parameters = keys.object("rope_parameters");
        return parameters.isPresent() ? parameters.get().object(type) : Optional.empty();
    }

    @Override
    public WeightMap weights() {
        int hidden = hiddenSize();
        var plain = new Layout.Plain();
        var norm = new Layout.OnePlus();
        int q = heads.queryRows();
        int kv = heads.keyValueRows();
        var map =
                WeightMap.of(
                                "layers.",
                                "model.",
                                "language_model.model.",
                                "model.language_model.",
                                "")
                        .outside(
                                "embed_tokens.weight",
                                "token_embd.weight",
                                vocabularySize(),
                                hidden)
                        .outside("norm.weight", "output_norm.weight", norm, hidden)
                        .norm("input_layernorm", "attn_norm", norm, false, hidden)
                        .linear("self_attn.q_proj", "attn_q", plain, bias, q, hidden)
                        .beside("self_attn.k_proj", "attn_k", plain, bias, kv, hidden)
                        .beside("self_attn.v_proj", "attn_v", plain, bias, kv, hidden);
        if (headNorms) {
            map.norm("self_attn.q_norm", "attn_q_norm", norm, false, heads.width())
                    .norm("self_attn.k_norm", "attn_k_norm", norm, false, heads.width());
        }
        map.linear("self_attn.o_proj", "attn_output", plain, bias, hidden, q);
        if (outerNorms) {
            map.norm("post_attention_layernorm", "post_attention_norm", norm, false, hidden)
                    .norm("pre_feedforward_layernorm", "ffn_norm", norm, false, hidden);
        } else {
            map.norm("post_attention_layernorm", "ffn_norm", norm, false, hidden);
        }
        map.linear("mlp.gate_proj", "ffn_gate", plain, false, feedForward, hidden)
                .beside("mlp.up_proj", "ffn_up", plain, false, feedForward, hidden)
                .linear("mlp.down_proj", "ffn_down", plain, false, hidden, feedForward);
        if (outerNorms) {
            map.norm("post_feedforward_layernorm", "post_ffw_norm", norm, false, hidden);
        }
        return tiedHead() ? map : map.head("lm_head.weight", vocabularySize(), hidden);
    }
}
