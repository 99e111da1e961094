package dev.pollard.model;

import dev.pollard.config.BloomConfig;
import dev.pollard.config.ModelConfig;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// BLOOM (BigScience, arXiv 2211.05100): distances in place of positions, see
/// [Attention#linearlyBiased], and so sequences of any length.
final class Bloom implements Decoder {
    private final BloomConfig config;
    private final Weights weights;
    private final Embedding embedding; // [vocabulary, hidden]
    private final LayerNorm embeddingNorm;
    private final LayerNorm norm;
    private final Weights.Head head; // [vocabulary, hidden]
    private final float[] slopes; // [heads]
    private final Attention attention;

    Bloom(BloomConfig config, Weights weights) {
        this.config = config;
        this.weights = weights;
        this.embedding = weights.embedding("word_embeddings.weight");
        this.embeddingNorm =
                weights.residentLayerNorm("word_embeddings_layernorm", config.epsilon());
        this.norm = weights.residentLayerNorm("ln_f", config.epsilon());
        this.head = weights.head("lm_head.weight", "word_embeddings.weight");
        this.slopes = config.slopes();
        this.attention = new Attention(weights.residents());
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Tensor embed(int[] ids, Rows rows) {
        return embeddingNorm.apply(embedding.rows(ids)); // [time, hidden]
    }

    @Override
    public Block block(int index, Compute compute) {
        return new BloomBlock(weights.block(index, compute));
    }

    @Override
    public Tensor logits(Tensor x) {
        try (var scope = Scope.open()) {
            return scope.release(head.logits(norm.apply(x))); // [time, vocabulary]
        }
    }

    private final class BloomBlock implements Block {
        private final LayerNorm attentionNorm;
        private final Linear queryKeyValue; // [heads · (q, k, v) · width, hidden]
        private final Linear output; // [hidden, hidden]
        private final LayerNorm feedForwardNorm;
        private final Linear up; // [ffn, hidden]
        private final Linear down; // [hidden, ffn]

        BloomBlock(Weights.InBlock in) {
            attentionNorm = in.layerNorm("input_layernorm", config.epsilon());
            queryKeyValue = in.linear("self_attention.query_key_value", true);
            output = in.linear("self_attention.dense", true);
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
                boolean normed = config.residualAfterNorm();
                Tensor a = attentionNorm.apply(x); // [time, hidden]
                Tensor h = (normed ? a : x).add(attend(a, rows, tap)); // [time, hidden]
                Tensor f = feedForwardNorm.apply(h); // [time, hidden]
                return scope.release((normed ? f : h).add(feedForward(f, tap)));
            }
        }

        private Tensor attend(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                int width = config.headWidth();
                Tensor qkv = // [heads, time, 3 · width]
                        Attention.split(queryKeyValue.forward(x, tap), config.heads(), 3 * width);
                Tensor q = qkv.narrow(2, 0, width); // [heads, time, width]
                Tensor k = qkv.narrow(2, width, width);
                Tensor v = qkv.narrow(2, 2L * width, width);
                Tensor y = attention.linearlyBiased(q, k, v, rows, 1 / Math.sqrt(width), slopes);
                return scope.release(output.forward(Attention.join(y), tap)); // [time, hidden]
            }
        }

        private Tensor feedForward(Tensor x, Tap tap) {
            try (var scope = Scope.open()) {
                Tensor h = up.forward(x, tap).geluTanh(); // [time, ffn]
                return scope.release(down.forward(h, tap)); // [time, hidden]
            }
        }
    }
}
