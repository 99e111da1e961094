package dev.pollard.model;

import dev.pollard.config.Heads;
import dev.pollard.config.ModelConfig;
import dev.pollard.config.Phi3Config;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// Phi-3 and Phi-4-mini (Abdin et al., arXiv 2404.14219).
final class Phi3 implements Decoder {
    private final Phi3Config config;
    private final Weights weights;
    private final Embedding embedding; // [vocabulary, hidden]
    private final RmsNorm norm;
    private final Weights.Head head; // [vocabulary, hidden]
    private final Rotary rotary;
    private final Attention attention;

    Phi3(Phi3Config config, Weights weights) {
        this.config = config;
        this.weights = weights;
        this.embedding = weights.embedding("embed_tokens.weight");
        this.norm = new RmsNorm(weights.resident("norm.weight"), config.epsilon());
        this.head = weights.head("lm_head.weight", "embed_tokens.weight");
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
        return new Phi3Block(weights.block(index, compute));
    }

    @Override
    public Tensor logits(Tensor x) {
        try (var scope = Scope.open()) {
            return scope.release(head.logits(norm.apply(x))); // [time, vocabulary]
        }
    }

    private final class Phi3Block implements Block {
        private final Heads heads = config.heads();
        private final RmsNorm attentionNorm;
        private final Linear queryKeyValue; // [q + k + v rows, hidden]
        private final Linear output; // [hidden, heads · width]
        private final RmsNorm feedForwardNorm;
        private final Linear gateUp; // [2 · ffn, hidden]: gate, then up
        private final Linear down; // [hidden, ffn]

        Phi3Block(Weights.InBlock in) {
            attentionNorm = in.rmsNorm("input_layernorm", config.epsilon());
            queryKeyValue = in.linear("self_attn.qkv_proj", false);
            output = in.linear("self_attn.o_proj", false);
            feedForwardNorm = in.rmsNorm("post_attention_layernorm", config.epsilon());
            gateUp = in.linear("mlp.gate_up_proj", false);
            down = in.linear("mlp.down_proj", false);
        }

        @Override
        public List<Linear> linears() {
            return List.of(queryKeyValue, output, gateUp, down);
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
                int width = heads.width();
                int q = heads.queryRows();
                int kv = heads.keyValueRows();
                Tensor qkv = queryKeyValue.forward(x, tap).branching(); // [time, q + 2 kv]
                Tensor queries = Attention.split(qkv.narrow(1, 0, q), heads.query(), width);
                Tensor keys = Attention.split(qkv.narrow(1, q, kv), heads.keyValue(), width);
                Tensor values = Attention.split(qkv.narrow(1, q + kv, kv), heads.keyValue(), width);
                Tensor y = // [heads, time, width]
                        attention.causal(
                                rotary.turn(queries, rows),
                                rotary.turn(keys, rows),
                                values,
                                rows,
                                1 / Math.sqrt(width),
                                config.window());
                return scope.release(output.forward(Attention.join(y), tap)); // [time, hidden]
            }
        }

        private Tensor feedForward(Tensor x, Tap tap) {
            try (var scope = Scope.open()) {
                int width = config.feedForward();
                Tensor both = gateUp.forward(x, tap); // [time, 2 · ffn]
                Tensor gate = Nonlinearity.apply(config.activation(), both.narrow(1, 0, width));
                Tensor h = gate.mul(both.narrow(1, width, width)); // [time, ffn]
                return scope.release(down.forward(h, tap)); // [time, hidden]
            }
        }
    }
}
