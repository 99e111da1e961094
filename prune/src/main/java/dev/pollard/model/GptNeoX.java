package dev.pollard.model;

import dev.pollard.config.GptNeoXConfig;
import dev.pollard.config.ModelConfig;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// GPT-NeoX and Pythia (Black et al., "GPT-NeoX-20B", arXiv 2204.06745).
final class GptNeoX implements Decoder {
    private final GptNeoXConfig config;
    private final Weights weights;
    private final Embedding embedding; // [vocabulary, hidden]
    private final LayerNorm norm;
    private final Weights.Head head; // [vocabulary, hidden]
    private final Rotary rotary;
    private final Attention attention;

    GptNeoX(GptNeoXConfig config, Weights weights) {
        this.config = config;
        this.weights = weights;
        this.embedding = weights.embedding("embed_in.weight");
        this.norm = weights.residentLayerNorm("final_layer_norm", config.epsilon());
        this.head = weights.head("embed_out.weight", "embed_in.weight");
        this.rotary = new Rotary(config.rope(), weights.residents());
        this.attention = new Attention(weights.residents());
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Tensor embed(int[] ids, Rows rows) {
        return embedding.rows(ids, rows, config.contextLength()); // [time, hidden]
    }

    @Override
    public Block block(int index, Compute compute) {
        return new GptNeoXBlock(weights.block(index, compute));
    }

    @Override
    public Tensor logits(Tensor x) {
        try (var scope = Scope.open()) {
            return scope.release(head.logits(norm.apply(x))); // [time, vocabulary]
        }
    }

    private final class GptNeoXBlock implements Block {
        private final LayerNorm attentionNorm;
        private final Linear queryKeyValue; // [heads · (q, k, v) · width, hidden]
        private final Linear output; // [hidden, hidden]
        private final LayerNorm feedForwardNorm;
        private final Linear up; // [ffn, hidden]
        private final Linear down; // [hidden, ffn]

        GptNeoXBlock(Weights.InBlock in) {
            attentionNorm = in.layerNorm("input_layernorm", config.epsilon());
            queryKeyValue = in.linear("attention.query_key_value", config.attentionBias());
            output = in.linear("attention.dense", config.attentionBias());
            feedForwardNorm = in.layerNorm("post_attention_layernorm", config.epsilon());
            up = in.linear("mlp.dense_h_to_4h", true);
            down = in.linear("mlp.dense_4h_to_h", true);
        }

        @Override
        public List<Linear> linears() {
            return List.of(queryKeyValue, output, up, down);
        }

        @Override
        public Tensor forward(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                Tensor h = x.add(attend(attentionNorm.apply(x), rows, tap)); // [time, hidden]
                Tensor read = config.parallel() ? x : h;
                return scope.release(h.add(feedForward(feedForwardNorm.apply(read), tap)));
            }
        }

        private Tensor attend(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                int width = config.headWidth();
                Tensor all = queryKeyValue.forward(x, tap).branching(); // [time, heads · 3 · width]
                Tensor qkv = Attention.split(all, config.heads(), 3 * width);
                Tensor q = rotary.turn(qkv.narrow(2, 0, width), rows); // [heads, time, width]
                Tensor k = rotary.turn(qkv.narrow(2, width, width), rows);
                Tensor v = qkv.narrow(2, 2L * width, width);
                Tensor y = attention.causal(q, k, v, rows, 1 / Math.sqrt(width), 0);
                return scope.release(output.forward(Attention.join(y), tap)); // [time, hidden]
            }
        }

        private Tensor feedForward(Tensor x, Tap tap) {
            try (var scope = Scope.open()) {
                Tensor h = Nonlinearity.apply(config.activation(), up.forward(x, tap));
                return scope.release(down.forward(h, tap)); // [time, ffn] → [time, hidden]
            }
        }
    }
}
