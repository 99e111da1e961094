package dev.pollard.config;

import dev.pollard.format.MalformedFileException;

/// BLOOM (BigScience, "BLOOM: A 176B-Parameter Open-Access Multilingual Language Model",
/// arXiv 2211.05100), with ALiBi in place of positions (Press et al., arXiv 2108.12409).
///
/// @param epsilon of the layer norms
/// @param residualAfterNorm whether the residual sums start from the normed input
public record BloomConfig(Outline outline, int heads, double epsilon, boolean residualAfterNorm)
        implements ModelConfig {
    static BloomConfig read(Keys keys, String architecture) throws MalformedFileException {
        int hidden = keys.size("hidden_size", "n_embed", "n_embd");
        int heads = keys.size("n_head", "num_attention_heads");
        Heads.equalShare(keys, hidden, heads, "n_head");
        return new BloomConfig(
                Outline.read(
                        keys,
                        architecture,
                        keys.size("vocab_size"),
                        hidden,
                        keys.sizeOr(2048, "seq_length", "max_position_embeddings"),
                        true),
                heads,
                keys.positive(1e-5, "layer_norm_epsilon"),
                keys.flag(false, "apply_residual_connection_post_layernorm"));
    }

    /// Width of an attention head.
    public int headWidth() {
        return hiddenSize() / heads;
    }

    /// Width inside the feed-forward layers.
    public int feedForward() {
        return 4 * hiddenSize();
    }

    /// ALiBi's slope of every head: `2^(-8/n)` and its powers for `n` heads, a power of two; other
    /// numbers of heads continue with the odd powers of the doubled set.
    public float[] slopes() {
        int whole = Integer.highestOneBit(heads);
        float[] slopes = new float[heads];
        for (int head = 0; head < heads; head++) {
            double power =
                    head < whole
                            ? 8.0 / whole * (head + 1)
                            : 4.0 / whole * (2 * (head - whole) + 1);
            slopes[head] = (float) Math.pow(2, -power);
        }
        return slopes;
    }

    @Override
    public WeightMap weights() {
        int hidden = hiddenSize();
        int feedForward = feedForward();
        var plain = new Layout.Plain();
        var fused = new Layout.PerHead(heads);
        var map =
                WeightMap.of("h.", "transformer.", "")
                        .outside(
                                "word_embeddings.weight",
                                "token_embd.weight",
                                vocabularySize(),
                                hidden)
                        .outside(
                                "word_embeddings_layernorm.weight",
                                "token_embd_norm.weight",
                                hidden)
                        .outside("word_embeddings_layernorm.bias", "token_embd_norm.bias", hidden)
                        .outside("ln_f.weight", "output_norm.weight", hidden)
                        .outside("ln_f.bias", "output_norm.bias", hidden)
                        .norm("input_layernorm", "attn_norm", plain, true, hidden)
                        .linear(
                                "self_attention.query_key_value",
                                "attn_qkv",
                                fused,
                                true,
                                3L * hidden,
                                hidden)
                        .linear("self_attention.dense", "attn_output", plain, true, hidden, hidden)
                        .norm("post_attention_layernorm", "ffn_norm", plain, true, hidden)
                        .linear("mlp.dense_h_to_4h", "ffn_up", plain, true, feedForward, hidden)
                        .linear("mlp.dense_4h_to_h", "ffn_down", plain, true, hidden, feedForward);
        return tiedHead() ? map : map.head("lm_head.weight", vocabularySize(), hidden);
    }
}
