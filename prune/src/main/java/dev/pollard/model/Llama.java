package dev.pollard.model;

import dev.pollard.config.Heads;
import dev.pollard.config.LlamaConfig;
import dev.pollard.config.ModelConfig;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// LLaMA (Touvron et al., arXiv 2302.13971) and its close kin: Mistral, Qwen2, Qwen3, SmolLM.
final class Llama implements Decoder {
    private final LlamaConfig config;
    private final Weights weights;
    private final Embedding embedding; // [vocabulary, hidden]
    private final RmsNorm norm;
    private final Weights.Head head; // [vocabulary, hidden]
    private final Rotary rotary;
    private final Attention attention;

    Llama(LlamaConfig config, Weights weights) {
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
        return new LlamaBlock(index, weights.block(index, compute));
    }

    @Override
    public Tensor logits(Tensor x) {
        try (var scope = Scope.open()) {
            return scope.release(head.logits(norm.apply(x))); // [time, vocabulary]
        }
    }

    private final class LlamaBlock implements Block {
        private final Heads heads = config.heads();
        private final int window;
        private final boolean rotated;
        private final RmsNorm attentionNorm;
        private final Linear query; // [heads · width, hidden]
        private final Linear key; // [kv heads · width, hidden]
        private final Linear value; // [kv heads · width, hidden]
        private final RmsNorm queryNorm; // [width], or null
        private final RmsNorm keyNorm; // [width], or null
        private final Linear output; // [hidden, heads · width]
        private final RmsNorm feedForwardNorm;
        private final Linear gate; // [ffn, hidden]
        private final Linear up; // [ffn, hidden]
        private final Linear down; // [hidden, ffn]

        LlamaBlock(int index, Weights.InBlock in) {
            double epsilon = config.epsilon();
            boolean bias = config.feedForwardBias();
            window = config.windows().get(index);
            rotated = !config.unrotated().contains(index);
            attentionNorm = in.rmsNorm("input_layernorm", epsilon);
            query = in.linear("self_attn.q_proj", config.inputBias());
            key = in.linear("self_attn.k_proj", config.inputBias());
            value = in.linear("self_attn.v_proj", config.inputBias());
            queryNorm = config.headNorm() ? in.rmsNorm("self_attn.q_norm", epsilon) : null;
            keyNorm = config.headNorm() ? in.rmsNorm("self_attn.k_norm", epsilon) : null;
            output = in.linear("self_attn.o_proj", config.outputBias());
            feedForwardNorm = in.rmsNorm("post_attention_layernorm", epsilon);
            gate = in.linear("mlp.gate_proj", bias);
            up = in.linear("mlp.up_proj", bias);
            down = in.linear("mlp.down_proj", bias);
        }

        @Override
        public List<Linear> linears() {
            return List.of(query, key, value, output, gate, up, down);
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
                Tensor q = Attention.split(query.forward(x, tap), heads.query(), width);
                Tensor k = Attention.split(key.forward(x, tap), heads.keyValue(), width);
                Tensor v = Attention.split(value.forward(x, tap), heads.keyValue(), width);
                q = turn(q, rows, queryNorm); // [heads, time, width]
                k = turn(k, rows, keyNorm); // [kv heads, time, width]
                Tensor y = attention.causal(q, k, v, rows, 1 / Math.sqrt(width), window);
                return scope.release(output.forward(Attention.join(y), tap)); // [time, hidden]
            }
        }

        private Tensor turn(Tensor x, Rows rows, RmsNorm headNorm) {
            Tensor normed = headNorm == null ? x : headNorm.apply(x);
            return rotated ? rotary.turn(normed, rows) : normed;
        }

        private Tensor feedForward(Tensor x, Tap tap) {
            try (var scope = Scope.open()) {
                Tensor g = gate.forward(x, tap); // [time, ffn]
                Tensor h = Nonlinearity.gated(config.activation(), g, up.forward(x, tap));
                return scope.release(down.forward(h, tap)); // [time, hidden]
            }
        }
    }
}
