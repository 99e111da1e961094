package dev.pollard.config;

import dev.pollard.format.MalformedFileException;

/// Phi-3 and Phi-4-mini (Abdin et al., "Phi-3 Technical Report", arXiv 2404.14219).
///
/// @param feedForward width inside the feed-forward layers
/// @param epsilon of the RMS norms
/// @param window how many positions a token sees, itself among them; 0: all before it
public record Phi3Config(
        Outline outline,
        Heads heads,
        int feedForward,
        double epsilon,
        Activation activation,
        Rope rope,
        int window)
        implements ModelConfig {
    static Phi3Config read(Keys keys, String architecture) throws MalformedFileException {
        int hidden = keys.size("hidden_size");
        Heads heads = Heads.read(keys, hidden);
        return new Phi3Config(
                Outline.read(
                        keys,
                        architecture,
                        keys.size("vocab_size"),
                        hidden,
                        keys.sizeOr(4096, "max_position_embeddings"),
                        false),
                heads,
                keys.size("intermediate_size"),
                keys.positive(1e-5, "rms_norm_eps"),
                Activation.read(keys, Activation.SILU, "hidden_act"),
                Rope.read(keys, heads.width(), 10_000, 1),
                keys.sizeOr(0, "sliding_window"));
    }

    @Override
    public WeightMap weights() {
        int hidden = hiddenSize();
        var plain = new Layout.Plain();
        int q = heads.queryRows();
        int qkv = q + 2 * heads.keyValueRows();
        var map =
                WeightMap.of("layers.", "model.", "")
                        .outside(
                                "embed_tokens.weight",
                                "token_embd.weight",
                                vocabularySize(),
                                hidden)
                        .outside("norm.weight", "output_norm.weight", hidden)
                        .norm("input_layernorm", "attn_norm", plain, false, hidden)
                        .linear("self_attn.qkv_proj", "attn_qkv", plain, false, qkv, hidden)
                        .linear("self_attn.o_proj", "attn_output", plain, false, hidden, q)
                        .norm("post_attention_layernorm", "ffn_norm", plain, false, hidden)
                        .linear(
                                "mlp.gate_up_proj",
                                "ffn_up",
                                plain,
                                false,
                                2L * feedForward,
                                hidden)
                        .linear("mlp.down_proj", "ffn_down", plain, false, hidden, feedForward);
        return tiedHead() ? map : map.head("lm_head.weight", vocabularySize(), hidden);
    }
}
