package dev.pollard.config;

import dev.pollard.format.MalformedFileException;

/// GPT-NeoX and Pythia (Black et al., "GPT-NeoX-20B", arXiv 2204.06745).
///
/// @param feedForward width inside the feed-forward layers
/// @param epsilon of the layer norms
/// @param parallel whether attention and feed-forward read the same input and are summed
/// @param attentionBias whether the attention projections have biases
public record GptNeoXConfig(
        Outline outline,
        int heads,
        int feedForward,
        double epsilon,
        Activation activation,
        Rope rope,
        boolean parallel,
        boolean attentionBias)
        implements ModelConfig {
    static GptNeoXConfig read(Keys keys, String architecture) throws MalformedFileException {
        int hidden = keys.size("hidden_size");
        int heads = keys.size("num_attention_heads");
        int width = Heads.equalShare(keys, hidden, heads, "num_attention_heads");
        return new GptNeoXConfig(
                Outline.read(
                        keys,
                        architecture,
                        keys.size("vocab_size"),
                        hidden,
                        keys.size("max_position_embeddings"),
                        false),
                heads,
                keys.size("intermediate_size"),
                keys.positive(1e-5, "layer_norm_eps"),
                Activation.read(keys, Activation.GELU, "hidden_act"),
                Rope.read(keys, width, 10_000, 0.25),
                keys.flag(true, "use_parallel_residual"),
                keys.flag(true, "attention_bias"));
    }

    /// Width of an attention head.
    public int headWidth() {
        return hiddenSize() / heads;
    }

    @Override
    public WeightMap weights() {
        int hidden = hiddenSize();
        var plain = new Layout.Plain();
        var fused = new Layout.PerHead(heads);
        var map =
                WeightMap.of("layers.", "gpt_neox.", "")
                        .outside("embed_in.weight", "token_embd.weight", vocabularySize(), hidden)
                        .outside("final_layer_norm.weight", "output_norm.weight", hidden)
                        .outside("final_layer_norm.bias", "output_norm.bias", hidden)
                        .norm("input_layernorm", "attn_norm", plain, true, hidden)
                        .linear(
                                "attention.query_key_value",
                                "attn_qkv",
                                fused,
                                attentionBias,
                                3L * hidden,
                                hidden)
                        .linear(
                                "attention.dense",
                                "attn_output",
                                plain,
                                attentionBias,
                                hidden,
                                hidden)
                        .norm("post_attention_layernorm", "ffn_norm", plain, true, hidden)
                        .linear("mlp.dense_h_to_4h", "ffn_up", plain, true, feedForward, hidden)
                        .linear("mlp.dense_4h_to_h", "ffn_down", plain, true, hidden, feedForward);
        return tiedHead() ? map : map.head("embed_out.weight", vocabularySize(), hidden);
    }
}
