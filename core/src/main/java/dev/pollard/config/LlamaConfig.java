package dev.pollard.config;

import dev.pollard.format.MalformedFileException;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// LLaMA and its close kin: Mistral, Qwen2, Qwen3, SmolLM2 and SmolLM3.
///
/// @param feedForward width inside the feed-forward layers
/// @param epsilon of the RMS norms
/// @param inputBias whether q, k and v have biases
/// @param outputBias whether the attention's output projection has a bias
/// @param feedForwardBias whether the feed-forward layers have biases
/// @param headNorm whether every query and key head is normalised before it turns (Qwen3)
/// @param windows per block how many positions a token sees, itself among them; 0: all before it
/// @param unrotated blocks without rotary positions (SmolLM3)
public record LlamaConfig(
        Outline outline,
        Heads heads,
        int feedForward,
        double epsilon,
        Activation activation,
        Rope rope,
        boolean inputBias,
        boolean outputBias,
        boolean feedForwardBias,
        boolean headNorm,
        List<Integer> windows,
        Set<Integer> unrotated)
        implements ModelConfig {
    public LlamaConfig {
        windows = List.copyOf(windows);
        unrotated = Set.copyOf(unrotated);
    }

    static LlamaConfig read(Keys keys, String architecture) throws MalformedFileException {
        boolean qwen = architecture.startsWith("qwen");
        int hidden = keys.size("hidden_size");
        Outline outline =
                Outline.read(
                        keys,
                        architecture,
                        keys.size("vocab_size"),
                        hidden,
                        keys.sizeOr(qwen ? 32768 : 2048, "max_position_embeddings"),
                        architecture.equals("smollm3"));
        Heads heads =
                architecture.equals("qwen3") && !keys.has("head_dim")
                        ? Heads.checked(
                                keys,
                                keys.size("num_attention_heads"),
                                keys.size("num_key_value_heads"),
                                128)
                        : Heads.read(keys, hidden);
        boolean attentionBias = keys.flag(false, "attention_bias");
        return new LlamaConfig(
                outline,
                heads,
                keys.size("intermediate_size"),
                keys.positive(1e-6, "rms_norm_eps"),
                Activation.read(keys, Activation.SILU, "hidden_act"),
                Rope.read(keys, heads.width(), architecture.equals("smollm3") ? 2e6 : 10_000, 1),
                architecture.equals("qwen2") || attentionBias,
                !architecture.equals("qwen2") && attentionBias,
                keys.flag(false, "mlp_bias"),
                architecture.equals("qwen3"),
                windows(keys, architecture, outline.blocks()),
                architecture.equals("smollm3") ? unrotated(keys, outline.blocks()) : Set.of());
    }

    private static List<Integer> windows(Keys keys, String architecture, int blocks)
            throws MalformedFileException {
        return switch (architecture) {
            case "mistral" ->
                    Windows.of(
                            blocks,
                            keys.mentions("sliding_window")
                                    ? keys.sizeOr(0, "sliding_window")
                                    : 4096,
                            _ -> true);
            case "qwen2", "qwen3", "smollm3" -> {
                int window =
                        keys.flag(false, "use_sliding_window")
                                ? keys.sizeOr(4096, "sliding_window")
                                : 0;
                int from = keys.integer("max_window_layers").orElse(28);
                yield Windows.read(
                        keys, blocks, window, block -> qwenSlides(architecture, block, from));
            }
            default -> Windows.of(blocks, 0, _ -> false);
        };
    }

    private static boolean qwenSlides(String architecture, int block, int from) {
        return architecture.startsWith("qwen") && block >= from;
    }

    /// SmolLM3 leaves the positions out in every fourth block, or where `no_rope_layers` has a 0.
    private static Set<Integer> unrotated(Keys keys, int blocks) throws MalformedFileException {
        var turns = keys.list("no_rope_layers");
        int every = keys.sizeOr(4, "no_rope_layer_interval");
        if (turns.isPresent()) {
            keys.require(
                    turns.get().size() == blocks,
                    "no_rope_layers",
                    "has %d entries for %d blocks".formatted(turns.get().size(), blocks));
        }
        return IntStream.range(0, blocks)
                .filter(
                        block ->
                                turns.isPresent()
                                        ? turns.get().get(block).equals("0")
                                        : (block + 1) % every == 0)
                .boxed()
                .collect(Collectors.toSet());
    }

    @Override
    public WeightMap weights() {
        int hidden = hiddenSize();
        // llama.cpp rotates neighbours in these, and halves, as everybody else, in Qwen.
        boolean pairs = !architecture().startsWith("qwen");
        var plain = new Layout.Plain();
        var query = pairs ? new Layout.RotaryPairs(heads.query()) : plain;
        var key = pairs ? new Layout.RotaryPairs(heads.keyValue()) : plain;
        int q = heads.queryRows();
        int kv = heads.keyValueRows();
        var map =
                WeightMap.of("layers.", "model.", "")
                        .outside(
                                "embed_tokens.weight",
                                "token_embd.weight",
                                vocabularySize(),
                                hidden)
                        .outside("norm.weight", "output_norm.weight", hidden)
                        .norm("input_layernorm", "attn_norm", plain, false, hidden)
                        .linear("self_attn.q_proj", "attn_q", query, inputBias, q, hidden)
                        .beside("self_attn.k_proj", "attn_k", key, inputBias, kv, hidden)
                        .beside("self_attn.v_proj", "attn_v", plain, inputBias, kv, hidden);
        if (headNorm) {
            map.norm("self_attn.q_norm", "attn_q_norm", plain, false, heads.width())
                    .norm("self_attn.k_norm", "attn_k_norm", plain, false, heads.width());
        }
        map.linear("self_attn.o_proj", "attn_output", plain, outputBias, hidden, q)
                .norm("post_attention_layernorm", "ffn_norm", plain, false, hidden)
                .linear("mlp.gate_proj", "ffn_gate", plain, feedForwardBias, feedForward, hidden)
                .beside("mlp.up_proj", "ffn_up", plain, feedForwardBias, feedForward, hidden)
                .linear("mlp.down_proj", "ffn_down", plain, feedForwardBias, hidden, feedForward);
        return tiedHead() ? map : map.head("lm_head.weight", vocabularySize(), hidden);
    }
}
