package dev.pollard.model;

import dev.pollard.config.ModelConfig;
import dev.pollard.config.OptConfig;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.List;

/// OPT (Zhang et al., arXiv 2205.01068); the 350M model norms after the residual sums and has
/// embeddings narrower than its blocks.
final class Opt implements Decoder {
    private static final double EPSILON = 1e-5;

    private final OptConfig config;
    private final Weights weights;
    private final Embedding embedding; // [vocabulary, width]
    private final Tensor positions; // [context + 2, hidden]
    private final Tensor projectIn; // [hidden, width], or null
    private final Tensor projectOut; // [width, hidden], or null
    private final LayerNorm norm; // or null
    private final Weights.Head head; // [vocabulary, width]
    private final Attention attention;

    Opt(OptConfig config, Weights weights) {
        boolean projected = config.embeddingWidth() != config.hiddenSize();
        this.config = config;
        this.weights = weights;
        this.embedding = weights.embedding("embed_tokens.weight");
        this.positions = weights.resident("embed_positions.weight");
        this.projectIn = projected ? weights.resident("project_in.weight") : null;
        this.projectOut = projected ? weights.resident("project_out.weight") : null;
        this.norm = config.finalNorm() ? finalNorm() : null;
        this.head = weights.head("lm_head.weight", "embed_tokens.weight");
        this.attention = new Attention(weights.residents());
    }

    private LayerNorm finalNorm() {
        return config.normWeights()
                ? weights.residentLayerNorm("final_layer_norm", EPSILON)
                : new LayerNorm(
                        weights.residents().keep(() -> Tensor.full(1, config.hiddenSize())),
                        weights.residents().keep(() -> Tensor.zeros(config.hiddenSize())),
                        EPSILON);
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Tensor embed(int[] ids, Rows rows) {
        Tensor x = embedding.rows(ids, rows, config.contextLength()); // [time, width]
        Tensor wide = projectIn == null ? x : x.linear(projectIn); // [time, hidden]
        long offset = config.positionOffset();
        return wide.add(rows.pick(positions.narrow(0, offset, positions.size(0) - offset)));
    }

    @Override
    public Block block(int index, Compute compute) {
        return new OptBlock(weights.block(index, compute));
    }

    @Override
    public Tensor logits(Tensor x) {
        try (var scope = Scope.open()) {
            Tensor normed = norm == null ? x : norm.apply(x); // [time, hidden]
            Tensor narrow = projectOut == null ? normed : normed.linear(projectOut);
            return scope.release(head.logits(narrow)); // [time, vocabulary]
        }
    }

    private final class OptBlock implements Block {
        private final LayerNorm attentionNorm;
        private final Linear query; // [hidden, hidden]
        private final Linear key; // [hidden, hidden]
        private final Linear value; // [hidden, hidden]
        private final Linear output; // [hidden, hidden]
        private final LayerNorm feedForwardNorm;
        private final Linear up; // [ffn, hidden]
        private final Linear down; // [hidden, ffn]

        OptBlock(Weights.InBlock in) {
            attentionNorm = norm(in, "self_attn_layer_norm");
            query = in.linear("self_attn.q_proj", config.bias());
            key = in.linear("self_attn.k_proj", config.bias());
            value = in.linear("self_attn.v_proj", config.bias());
            output = in.linear("self_attn.out_proj", config.bias());
            feedForwardNorm = norm(in, "final_layer_norm");
            up = in.linear("fc1", config.bias());
            down = in.linear("fc2", config.bias());
        }

        private LayerNorm norm(Weights.InBlock in, String module) {
            return config.normWeights()
                    ? in.layerNorm(module, EPSILON)
                    : new LayerNorm(
                            Tensor.full(1, config.hiddenSize()),
                            Tensor.zeros(config.hiddenSize()),
                            EPSILON);
        }

        @Override
        public List<Linear> linears() {
            return List.of(query, key, value, output, up, down);
        }

        @Override
        public Tensor forward(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                if (config.normBefore()) {
                    Tensor h = x.add(attend(attentionNorm.apply(x), rows, tap)); // [time, hidden]
                    return scope.release(h.add(feedForward(feedForwardNorm.apply(h), tap)));
                }
                Tensor h = attentionNorm.apply(x.add(attend(x, rows, tap))); // [time, hidden]
                return scope.release(feedForwardNorm.apply(h.add(feedForward(h, tap))));
            }
        }

        private Tensor attend(Tensor x, Rows rows, Tap tap) {
            try (var scope = Scope.open()) {
                int heads = config.heads();
                int width = config.headWidth();
                Tensor q = Attention.split(query.forward(x, tap), heads, width);
                Tensor k = Attention.split(key.forward(x, tap), heads, width);
                Tensor v = Attention.split(value.forward(x, tap), heads, width);
                Tensor y = // [heads, time, width]
                        attention.causal(q, k, v, rows, 1 / Math.sqrt(width), 0);
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
