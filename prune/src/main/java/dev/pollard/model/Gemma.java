package dev.pollard.model;

import dev.pollard.config.GemmaConfig;
import dev.pollard.config.Heads;
import dev.pollard.config.ModelConfig;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// Gemma 1 to 3, text (arXiv 2403.08295, 2408.00118, 2503.19786).
///
/// Its RMS norms multiply by `1 + w`; the 1 is added when a norm is loaded.
final class Gemma implements Decoder {
    private final GemmaConfig config;
    private final Weights weights;
    private final Embedding embedding; // [vocabulary, hidden]
    private final Tensor norm; // [hidden]
    private final Weights.Head head; // [vocabulary, hidden]
    private final Rotary rotary;
    private final Rotary windowRotary;
    private final Attention attention;

    Gemma(GemmaConfig config, Weights weights) {
        this.config = config;
        this.weights = weights;
        this.embedding = weights.embedding("embed_tokens.weight");
        this.norm = weights.resident("norm.weight");
        this.head = weights.head("lm_head.weight", "embed_tokens.weight");
        this.rotary = new Rotary(config.rope(), weights.residents());
        this.windowRotary = new Rotary(config.windowRope(), weights.residents());
        this.attention = new Attention(weights.residents());
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Tensor embed(int[] ids, Rows rows) {
        Tensor x = embedding.rows(ids, rows, config.contextLength()); // [time, hidden]
        return x.mul_(Math.sqrt(config.hiddenSize()));
    }

    @Override
    public Block block(int index, Compute compute) {
        return new GemmaBlock(index, weights.block(index, compute));
    }

    @Override
    public Tensor logits(Tensor x) {
        try (var scope = Scope.open()) {
            Tensor normed = new RmsNorm(norm.add(1), config.epsilon()).apply(x);
            Tensor logits = head.logits(normed); // [time, vocabulary]
            if (config.logitCap().isEmpty()) {
                return scope.release(logits);
            }
            double cap = config.logitCap().getAsDouble();
            return scope.release(logits.div(cap).tanh().mul(cap));
        }
    }

    private final class GemmaBlock implements Block {
        private final Heads heads = config.heads();
        private final int window;
        private final RmsNorm attentionNorm;
        private final Linear query; // [heads · width, hidden]
        private final Linear key; // [kv heads · width, hidden]
        private final Linear value; // [kv heads · width, hidden]
        private final RmsNorm queryNorm; // [width], or null
        private final RmsNorm keyNorm; // [width], or null
        private final Linear output; // [hidden, heads · width]
        private final RmsNorm afterAttention; // or null
        private final RmsNorm feedForwardNorm;
        private final Linear gate; // [ffn, hidden]
        private final Linear up; // [ffn, hidden]
        private final Linear down; // [hidden, ffn]
        private final RmsNorm afterFeedForward; // or null

        GemmaBlock(int index, Weights.InBlock in) {
            boolean outer = config.outerNorms();
            window = config.windows().get(index);
            attentionNorm = norm(in, "input_layernorm");
            query = in.linear("self_attn.q_proj", config.bias());
            key = in.linear("self_attn.k_proj", config.bias());
            value = in.linear("self_attn.v_proj", config.bias());
            queryNorm = config.headNorms() ? norm(in, "self_attn.q_norm") : null;
            keyNorm = config.headNorms() ? norm(in, "self_attn.k_norm") : null;
            output = in.linear("self_attn.o_proj", config.bias());
            afterAttention = outer ? norm(in, "post_attention_layernorm") : null;
            feedForwardNorm =
                    norm(in, outer ? "pre_feedforward_layernorm" : "post_attention_layernorm");
            gate = in.linear("mlp.gate_proj", false);
            up = in.linear("mlp.up_proj", false);
            down = in.linear("mlp.down_proj", false);
            afterFeedForward = outer ? norm(in, "post_feedforward_layernorm") : null;
        }

        private RmsNorm norm(Weights.InBlock in, String module) {
            return new RmsNorm(in.vector(module + ".weight").add(1), config.epsilon());
        }

        @Override
        public List<Linear> linears() {
            return List.of(query, key, value, output, gate, up, down);
        }

        @Override
        public Tensor forward(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                Tensor a = attend(attentionNorm.apply(x), rows, tap); // [time, hidden]
                Tensor h = x.add(afterAttention == null ? a : afterAttention.apply(a));
                Tensor f = feedForward(feedForwardNorm.apply(h), tap); // [time, hidden]
                return scope.release(
                        h.add(afterFeedForward == null ? f : afterFeedForward.apply(f)));
            }
        }

        private Tensor attend(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                int width = heads.width();
                double scale = config.queryScale();
                Tensor q = Attention.split(query.forward(x, tap), heads.query(), width);
                Tensor k = Attention.split(key.forward(x, tap), heads.keyValue(), width);
                Tensor v = Attention.split(value.forward(x, tap), heads.keyValue(), width);
                q = turn(q, rows, queryNorm); // [heads, time, width]
                k = turn(k, rows, keyNorm); // [kv heads, time, width]
                Tensor y =
                        config.attentionCap().isPresent()
                                ? attention.capped(
                                        q,
                                        k,
                                        v,
                                        rows,
                                        scale,
                                        window,
                                        config.attentionCap().getAsDouble())
                                : attention.causal(q, k, v, rows, scale, window);
                return scope.release(output.forward(Attention.join(y), tap)); // [time, hidden]
            }
        }

        private Tensor turn(Tensor x, Rows rows, RmsNorm headNorm) {
            Tensor normed = headNorm == null ? x : headNorm.apply(x);
            return window == 0 ? rotary.turn(normed, rows) : windowRotary.turn(normed, rows);
        }

        private Tensor feedForward(Tensor x, Tap tap) {
            try (var scope = Scope.open()) {
                Tensor g = Nonlinearity.apply(config.activation(), gate.forward(x, tap));
                Tensor h = g.mul(up.forward(x, tap)); // [time, ffn]
                return scope.release(down.forward(h, tap)); // [time, hidden]
            }
        }
    }
}
