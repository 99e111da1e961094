package dev.pollard.config;

import dev.pollard.format.MalformedFileException;

/// OPT (Zhang et al., "OPT: Open Pre-trained Transformer Language Models", arXiv 2205.01068).
///
/// @param embeddingWidth width of the token embeddings; if it is not the hidden size, projections
///     stand before the first block and after the last
/// @param normBefore whether norms stand before attention and feed-forward (all but OPT-350M), or
///     after the residual sums
/// @param finalNorm whether a norm stands after the last block
/// @param bias whether linear layers have biases
/// @param normWeights whether norms have weights and biases
public record OptConfig(
        Outline outline,
        int heads,
        int feedForward,
        int embeddingWidth,
        boolean normBefore,
        boolean finalNorm,
        Activation activation,
        boolean bias,
        boolean normWeights)
        implements ModelConfig {
    static OptConfig read(Keys keys, String architecture) throws MalformedFileException {
        int hidden = keys.size("hidden_size");
        int heads = keys.size("num_attention_heads");
        Heads.equalShare(keys, hidden, heads, "num_attention_heads");
        boolean normBefore = keys.flag(true, "do_layer_norm_before");
        return new OptConfig(
                Outline.read(
                        keys,
                        architecture,
                        keys.size("vocab_size"),
                        hidden,
                        keys.size("max_position_embeddings"),
                        true),
                heads,
                keys.size("ffn_dim"),
                keys.sizeOr(hidden, "word_embed_proj_dim"),
                normBefore,
                normBefore && !keys.flag(false, "_remove_final_layer_norm"),
                Activation.read(keys, Activation.RELU, "activation_function"),
                keys.flag(true, "enable_bias"),
                keys.flag(true, "layer_norm_elementwise_affine"));
    }

    /// Width of an attention head.
    public int headWidth() {
        return hiddenSize() / heads;
    }

    /// Rows of the position table before position 0.
    public int positionOffset() {
        return 2;
    }

    @Override
    public WeightMap weights() {
        int hidden = hiddenSize();
        var plain = new Layout.Plain();
        var map =
                WeightMap.of("layers.", "model.decoder.", "decoder.")
                        .outside("embed_tokens.weight", "", vocabularySize(), embeddingWidth)
                        .outside(
                                "embed_positions.weight",
                                "",
                                contextLength() + positionOffset(),
                                hidden);
        if (embeddingWidth != hidden) {
            map.outside("project_in.weight", "", hidden, embeddingWidth)
                    .outside("project_out.weight", "", embeddingWidth, hidden);
        }
        if (finalNorm && normWeights) {
            map.outside("final_layer_norm.weight", "", hidden)
                    .outside("final_layer_norm.bias", "", hidden);
        }
        if (normWeights) {
            map.norm("self_attn_layer_norm", "", plain, true, hidden);
        }
        map.linear("self_attn.q_proj", "", plain, bias, hidden, hidden)
                .beside("self_attn.k_proj", "", plain, bias, hidden, hidden)
                .beside("self_attn.v_proj", "", plain, bias, hidden, hidden)
                .linear("self_attn.out_proj", "", plain, bias, hidden, hidden);
        if (normWeights) {
            map.norm("final_layer_norm", "", plain, true, hidden);
        }
        map.linear("fc1", "", plain, bias, feedForward, hidden)
                .linear("fc2", "", plain, bias, hidden, feedForward);
        return tiedHead() ? map : map.head("lm_head.weight", vocabularySize(), embeddingWidth);
    }
}
