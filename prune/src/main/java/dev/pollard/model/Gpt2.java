package dev.pollard.model;

import dev.pollard.config.Gpt2Config;
import dev.pollard.config.ModelConfig;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019).
final class Gpt2 implements Decoder {
    private final Gpt2Config config;
    private final Weights weights;
    private final Embedding embedding; // [vocabulary, hidden]
    private final Tensor positions; // [context, hidden]
    private final LayerNorm norm;
    private final Weights.Head head; // [vocabulary, hidden]
    private final Attention attention;

    Gpt2(Gpt2Config config, Weights weights) {
        this.config = config;
        this.weights = weights;
        this.embedding = weights.embedding("wte.weight");
        this.positions = weights.resident("wpe.weight");
        this.norm = weights.residentLayerNorm("ln_f", config.epsilon());
        this.head = weights.head("lm_head.weight", "wte.weight");
        this.attention = new Attention(weights.residents());
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Tensor embed(int[] ids, Rows rows) {
        Tensor x = embedding.rows(ids, rows, config.contextLength()); // [time, hidden]
        return x.add_(rows.pick(positions));
    }

    @Override
    public Block block(int index, Compute compute) {
        return new Gpt2Block(index, weights.block(index, compute));
    }

    @Override
    public Tensor logits(Tensor x) {
        try (var scope = Scope.open()) {
            return scope.release(head.logits(norm.apply(x))); // [time, vocabulary]
        }
    }

    private final class Gpt2Block implements Block {
        private final double scale;
        private final LayerNorm attentionNorm;
        private final Linear queryKeyValue; // [3 · hidden, hidden]: q, then k, then v
        private final Linear output; // [hidden, hidden]
        private final LayerNorm feedForwardNorm;
        private final Linear up; // [ffn, hidden]
        private final Linear down; // [hidden, ffn]

        Gpt2Block(int index, Weights.InBlock in) {
            scale = config.scoreScale(index);
            attentionNorm = in.layerNorm("ln_1", config.epsilon());
            queryKeyValue = in.linear("attn.c_attn", true);
            output = in.linear("attn.c_proj", true);
            feedForwardNorm = in.layerNorm("ln_2", config.epsilon());
            up = in.linear("mlp.c_fc", true);
            down = in.linear("mlp.c_proj", true);
        }

        @Override
        public List<Linear> linears() {
            return List.of(queryKeyValue, output, up, down);
        }

        @Override
        public Tensor forward(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                Tensor h = x.add(attend(attentionNorm.apply(x), rows, tap)); // [time, hidden]
                return scope.release(h.add(feedForward(feedForwardNorm.apply(h), tap)));
            }
        }

        private Tensor attend(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                int heads = config.heads();
                int width = config.headWidth();
                int hidden = config.hiddenSize();
                Tensor qkv = queryKeyValue.forward(x, tap); // [time, 3 · hidden]
                Tensor q = Attention.split(qkv.narrow(1, 0, hidden), heads, width);
                Tensor k = Attention.split(qkv.narrow(1, hidden, hidden), heads, width);
                Tensor v = Attention.split(qkv.narrow(1, 2L * hidden, hidden), heads, width);
                Tensor y = attention.causal(q, k, v, rows, scale, 0); // [heads, time, width]
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
