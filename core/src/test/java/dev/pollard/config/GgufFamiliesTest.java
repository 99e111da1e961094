package dev.pollard.config;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.gguf.GgufBytes;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A Hugging Face folder and a GGUF file of the same model are one model: same configuration, same
/// weights. The conversion here is written after the description of llama.cpp's converter, in plain
/// loops, and shares nothing with the reader but the tensor names.
class GgufFamiliesTest {
    private static final int F32 = 0;

    @TempDir Path temporary;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama",
                "qwen2",
                "qwen3",
                "smollm3",
                "gemma",
                "gemma2",
                "gemma3_text",
                "gpt2",
                "gpt_neox",
                "bloom",
                "phi3"
            })
    void ggufAndHuggingFaceFolderAreTheSameModel(String architecture) throws IOException {
        Path folder = TinyModels.write(temporary.resolve("hf"), architecture, 21);
        try (var hf = Checkpoint.open(folder)) {
            Path file = convert(hf, metadata(hf.config()));
            try (var gguf = Checkpoint.open(file)) {
                assertEquals(hf.config(), gguf.config());
                assertEquals(
                        hf.entries().stream().map(Checkpoint.Entry::name).toList(),
                        gguf.entries().stream().map(Checkpoint.Entry::name).toList());
                for (var entry : hf.entries()) {
                    // 1 + w - 1 loses the last bits of w.
                    float tolerance = entry.weight().layout() instanceof Layout.OnePlus ? 1e-6f : 0;
                    assertArrayEquals(
                            read(hf, entry),
                            read(gguf, gguf.named(entry.name())),
                            tolerance,
                            entry.name());
                }
            }
        }
    }

    private static float[] read(Checkpoint checkpoint, Checkpoint.Entry entry) {
        float[] values = new float[(int) entry.weight().shape().elements()];
        checkpoint.read(entry, MemorySegment.ofArray(values));
        return values;
    }

    private Path convert(Checkpoint hf, Map<String, Object> metadata) throws IOException {
        var gguf = new GgufBytes(3);
        metadata.forEach(gguf::entry);
        for (var placed : hf.config().weights().placed(hf.config().blocks())) {
            var shape = placed.weight().shape();
            float[] values = read(hf, hf.named(placed.name()));
            int rows = (int) shape.size(0);
            float[] stored = ggufForm(placed.weight().layout(), values, rows);
            long[] sizes = new long[shape.rank()];
            for (int i = 0; i < sizes.length; i++) {
                sizes[i] = shape.size(sizes.length - 1 - i);
            }
            gguf.tensor(placed.gguf(), F32, bytes(stored), sizes);
        }
        return gguf.write(temporary.resolve("model.gguf"));
    }

    private static float[] ggufForm(Layout layout, float[] values, int rows) {
        int columns = values.length / rows;
        float[] out = values.clone();
        switch (layout) {
            case Layout.Plain(), Layout.Conv1d() -> {}
            case Layout.OnePlus() -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = 1 + values[i];
                }
            }
            // reshape(heads, 2, width / 2, columns).swapaxes(1, 2)
            case Layout.RotaryPairs(int heads) -> {
                int half = rows / heads / 2;
                int to = 0;
                for (int head = 0; head < heads; head++) {
                    for (int i = 0; i < half; i++) {
                        for (int side = 0; side < 2; side++) {
                            int from = head * 2 * half + side * half + i;
                            System.arraycopy(values, from * columns, out, to++ * columns, columns);
                        }
                    }
                }
            }
            // reshape(heads, 3, width, columns).swapaxes(0, 1)
            case Layout.PerHead(int heads) -> {
                int width = rows / heads / 3;
                int to = 0;
                for (int part = 0; part < 3; part++) {
                    for (int head = 0; head < heads; head++) {
                        for (int i = 0; i < width; i++) {
                            int from = (head * 3 + part) * width + i;
                            System.arraycopy(values, from * columns, out, to++ * columns, columns);
                        }
                    }
                }
            }
        }
        return out;
    }

    private static byte[] bytes(float[] values) {
        var buffer = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asFloatBuffer().put(values);
        return buffer.array();
    }

    private static Map<String, Object> metadata(ModelConfig config) {
        String arch =
                switch (config.architecture()) {
                    case "gemma3_text" -> "gemma3";
                    case "gpt_neox" -> "gptneox";
                    default -> config.architecture();
                };
        var all = new LinkedHashMap<String, Object>();
        all.put("general.architecture", arch);
        var own = new LinkedHashMap<String, Object>();
        own.put("context_length", config.contextLength());
        own.put("embedding_length", config.hiddenSize());
        own.put("block_count", config.blocks());
        switch (config) {
            case LlamaConfig llama -> {
                own.put("feed_forward_length", llama.feedForward());
                heads(own, llama.heads(), llama.rope());
                own.put("attention.layer_norm_rms_epsilon", (float) llama.epsilon());
            }
            case GemmaConfig gemma -> {
                own.put("feed_forward_length", gemma.feedForward());
                heads(own, gemma.heads(), gemma.rope());
                own.put("attention.layer_norm_rms_epsilon", (float) gemma.epsilon());
                if (gemma.outerNorms()) {
                    own.put("attention.sliding_window", gemma.windows().getFirst());
                }
                if (gemma.attentionCap().isPresent()) {
                    own.put("attn_logit_softcapping", (float) gemma.attentionCap().getAsDouble());
                    own.put("final_logit_softcapping", (float) gemma.logitCap().getAsDouble());
                }
                if (gemma.rope().scaling() instanceof Rope.Linear(double factor)) {
                    own.put("rope.scaling.type", "linear");
                    own.put("rope.scaling.factor", (float) factor);
                }
            }
            case Gpt2Config gpt2 -> {
                own.put("feed_forward_length", gpt2.feedForward());
                own.put("attention.head_count", gpt2.heads());
                own.put("attention.layer_norm_epsilon", (float) gpt2.epsilon());
            }
            case GptNeoXConfig neoX -> {
                own.put("feed_forward_length", neoX.feedForward());
                own.put("attention.head_count", neoX.heads());
                own.put("attention.layer_norm_epsilon", (float) neoX.epsilon());
                own.put("rope.dimension_count", neoX.rope().dimensions());
                own.put("use_parallel_residual", neoX.parallel());
            }
            case BloomConfig bloom -> {
                own.put("feed_forward_length", bloom.feedForward());
                own.put("attention.head_count", bloom.heads());
                own.put("attention.layer_norm_epsilon", (float) bloom.epsilon());
            }
            case Phi3Config phi3 -> {
                own.put("feed_forward_length", phi3.feedForward());
                heads(own, phi3.heads(), phi3.rope());
                own.put("attention.layer_norm_rms_epsilon", (float) phi3.epsilon());
                own.put("attention.sliding_window", phi3.window());
            }
            case OptConfig _ -> throw new IllegalArgumentException("no GGUF for OPT");
        }
        own.forEach((key, value) -> all.put(arch + "." + key, value));
        config.bos().ifPresent(id -> all.put("tokenizer.ggml.bos_token_id", id));
        return all;
    }

    private static void heads(Map<String, Object> own, Heads heads, Rope rope) {
        own.put("attention.head_count", heads.query());
        own.put("attention.head_count_kv", heads.keyValue());
        own.put("attention.key_length", heads.width());
        own.put("rope.dimension_count", rope.dimensions());
        own.put("rope.freq_base", (float) rope.theta());
    }

    @Test
    void theDivisorsOfLlama3AreRecognised() throws IOException {
        String config =
                TinyModels.config("llama")
                        .replace(
                                "\"rope_theta\": 10000.0",
                                """
                                "rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3",
                                "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": 8192}\
                                """);
        Path folder = TinyModels.write(temporary.resolve("hf"), config, DType.F32, 22);
        try (var hf = Checkpoint.open(folder)) {
            var llama = (LlamaConfig) hf.config();
            float[] scaled = llama.rope().inverseFrequencies();
            float[] plain =
                    new Rope(500_000, llama.heads().width(), new Rope.Unscaled())
                            .inverseFrequencies();
            float[] divisors = new float[scaled.length];
            for (int i = 0; i < divisors.length; i++) {
                divisors[i] = plain[i] / scaled[i];
            }
            var gguf = new GgufBytes(3);
            metadata(llama).forEach(gguf::entry);
            for (var placed : llama.weights().placed(llama.blocks())) {
                long[] sizes =
                        placed.weight().shape().sizes().reversed().stream()
                                .mapToLong(Long::longValue)
                                .toArray();
                byte[] zeros = new byte[4 * (int) placed.weight().shape().elements()];
                gguf.tensor(placed.gguf(), F32, zeros, sizes);
            }
            gguf.tensor("rope_freqs.weight", F32, bytes(divisors), divisors.length);
            try (var opened = Checkpoint.open(gguf.write(temporary.resolve("llama3.gguf")))) {
                assertEquals(llama.rope(), ((LlamaConfig) opened.config()).rope());
            }
        }
    }

    @Test
    void aFolderWithNothingButOneGgufIsThatModel() throws IOException {
        Path folder = TinyModels.write(temporary.resolve("hf"), "llama", 25);
        try (var hf = Checkpoint.open(folder)) {
            Path file = convert(hf, metadata(hf.config()));
            try (var found = Checkpoint.open(temporary)) {
                assertEquals(file, found.path());
            }
        }
    }

    @Test
    void anUnknownArchitectureIsNamedWithThoseThatAreKnown() throws IOException {
        var gguf = new GgufBytes(3).entry("general.architecture", "falcon");
        Path file = gguf.write(temporary.resolve("falcon.gguf"));
        var refused = assertThrows(MalformedFileException.class, () -> Checkpoint.open(file));
        assertTrue(refused.getMessage().contains("'falcon' is not supported"), refused.toString());
        assertTrue(refused.getMessage().contains("llama, qwen2, qwen3"), refused.toString());
    }

    @Test
    void aWrongValueIsBlamedOnItsKeyInTheMetadata() throws IOException {
        var complaints =
                Map.of(
                        "llama.attention.head_count_kv",
                        (Object) 3,
                        "llama.rope.scaling.type",
                        "yarn",
                        "llama.block_count",
                        0,
                        "llama.expert_count",
                        8);
        Path folder = TinyModels.write(temporary.resolve("hf"), "llama", 23);
        for (var complaint : complaints.entrySet()) {
            try (var hf = Checkpoint.open(folder)) {
                var metadata = metadata(hf.config());
                metadata.put(complaint.getKey(), complaint.getValue());
                Path file = convert(hf, metadata);
                var refused =
                        assertThrows(MalformedFileException.class, () -> Checkpoint.open(file));
                assertTrue(refused.getMessage().contains(complaint.getKey()), refused.toString());
                assertTrue(refused.offset() > 0, refused.toString());
            }
        }
    }

    @Test
    void aMissingKeyIsNamed() throws IOException {
        Path folder = TinyModels.write(temporary.resolve("hf"), "llama", 24);
        try (var hf = Checkpoint.open(folder)) {
            for (String key : List.of("llama.embedding_length", "llama.attention.head_count")) {
                var metadata = metadata(hf.config());
                metadata.remove(key);
                Path file = convert(hf, metadata);
                var refused =
                        assertThrows(MalformedFileException.class, () -> Checkpoint.open(file));
                assertTrue(refused.getMessage().contains(key + " is missing"), refused.toString());
            }
        }
    }
}
