package dev.pollard.config;

import dev.pollard.format.MalformedFileException;

/// GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019).
///
/// @param feedForward width inside the feed-forward layers
/// @param epsilon of the layer norms
/// @param scaledByWidth whether scores are divided by the root of the head width
/// @param scaledByBlock whether scores of block `N` are also divided by `N + 1`
public record Gpt2Config(
        Outline outline,
        int heads,
        int feedForward,
        double epsilon,
        Activation activation,
        boolean scaledByWidth,
        boolean scaledByBlock)
        implements ModelConfig {
    static Gpt2Config read(Keys keys, String architecture) throws MalformedFileException {
        int hidden = keys.size("n_embd", "hidden_size");
        int heads = keys.size("n_head", "num_attention_heads");
        Heads.equalShare(keys, hidden, heads, "n_head");
        return new Gpt2Config(
                Outline.read(
                        keys,
                        architecture,
                        keys.size("vocab_size"),
                        hidden,
                        keys.size("n_positions", "max_position_embeddings"),
                        true),
                heads,
                keys.sizeOr(4 * hidden, "n_inner"),
                keys.positive(1e-5, "layer_norm_epsilon"),
                Activation.read(keys, Activation.GELU_TANH, "activation_function"),
                keys.flag(true, "scale_attn_weights"),
                keys.flag(false, "scale_attn_by_inverse_layer_idx"));
    }

    /// Width of an attention head.
    public int headWidth() {
        return hiddenSize() / heads;
    }

    /// Factor on query · key in block `index`.
    public double scoreScale(int index) {
        return (scaledByWidth ? 1 / Math.sqrt(headWidth()) : 1) / (scaledByBlock ? index + 1 : 1);
    }

    @Override
    public WeightMap weights() {
        int hidden = hiddenSize();
        var plain = new Layout.Plain();
        var conv = new Layout.Conv1d();
        var map =
                WeightMap.of("h.", "transformer.", "")
                        .outside("wte.weight", "token_embd.weight", vocabularySize(), hidden)
                        .outside("wpe.weight", "position_embd.weight", contextLength(), hidden)
                        .outside("ln_f.weight", "output_norm.weight", hidden)
                        .outside("ln_f.bias", "output_norm.bias", hidden)
                        .norm("ln_1", "attn_norm", plain, true, hidden)
                        .linear("attn.c_attn", "attn_qkv", conv, true, 3L * hidden, hidden)
                        .linear("attn.c_proj", "attn_output", conv, true, hidden, hidden)
                        .norm("ln_2", "ffn_norm", plain, true, hidden)
                        .linear("mlp.c_fc", "ffn_up", conv, true, feedForward, hidden)
                        .linear("mlp.c_proj", "ffn_down", conv, true, hidden, feedForward);
        return tiedHead() ? map : map.head("lm_head.weight", vocabularySize(), hidden);
    }
}
