package dev.pollard.model;

import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Writes a LLaMA of random weights as a Hugging Face folder, with a tokenizer whose words are
/// `w0`, `w1`, … and token ids to calibrate it on. Layers have `hidden` inputs, `down_proj` half as
/// many more.
///
/// @param hidden a multiple of 16
public record TinyLlama(int blocks, int hidden, DType dtype, long seed) {
    public static final int VOCABULARY = 64;
    public static final int CONTEXT = 64;
    public static final int LAYERS_PER_BLOCK = 7;

    public TinyLlama(int blocks) {
        this(blocks, 16, DType.F32, 7);
    }

    /// Shapes by tensor name.
    public Map<String, Shape> shapes() {
        int ffn = ffn();
        var shapes = new LinkedHashMap<String, Shape>();
        shapes.put("model.embed_tokens.weight", Shape.of(VOCABULARY, hidden));
        for (int b = 0; b < blocks; b++) {
            String block = "model.layers." + b + ".";
            shapes.put(block + "input_layernorm.weight", Shape.of(hidden));
            shapes.put(block + "self_attn.q_proj.weight", Shape.of(hidden, hidden));
            shapes.put(block + "self_attn.k_proj.weight", Shape.of(hidden / 2, hidden));
            shapes.put(block + "self_attn.v_proj.weight", Shape.of(hidden / 2, hidden));
            shapes.put(block + "self_attn.o_proj.weight", Shape.of(hidden, hidden));
            shapes.put(block + "post_attention_layernorm.weight", Shape.of(hidden));
            shapes.put(block + "mlp.gate_proj.weight", Shape.of(ffn, hidden));
            shapes.put(block + "mlp.up_proj.weight", Shape.of(ffn, hidden));
            shapes.put(block + "mlp.down_proj.weight", Shape.of(hidden, ffn));
        }
        shapes.put("model.norm.weight", Shape.of(hidden));
        shapes.put("lm_head.weight", Shape.of(VOCABULARY, hidden));
        return shapes;
    }

    /// @return the folder
    public Path write(Path folder) throws IOException {
        return write(folder, Map.of());
    }

    /// @param spoiled a value that takes the place of a tensor's first one, by tensor name
    /// @return the folder
    public Path write(Path folder, Map<String, Float> spoiled) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), config());
        Files.writeString(folder.resolve("tokenizer.json"), tokenizer());
        var declarations =
                shapes().entrySet().stream()
                        .map(e -> new Declaration(e.getKey(), dtype, e.getValue()))
                        .toList();
        var random = new Random(seed);
        Path file = folder.resolve("model.safetensors");
        try (var writer = SafetensorsWriter.create(file, declarations, Map.of());
                var arena = Arena.ofConfined()) {
            for (var tensor : declarations) {
                var floats = arena.allocate(4 * tensor.shape().elements(), 8);
                boolean norm = tensor.shape().rank() == 1;
                for (long i = 0; i < tensor.shape().elements(); i++) {
                    double value = (norm ? 1 : 0) + random.nextGaussian() / Math.sqrt(hidden);
                    floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) value);
                }
                if (spoiled.containsKey(tensor.name())) {
                    floats.setAtIndex(ValueLayout.JAVA_FLOAT, 0, spoiled.get(tensor.name()));
                }
                writer.writeFloats(tensor.name(), floats);
            }
            writer.commit();
        }
        return folder;
    }

    private int ffn() {
        return hidden * 3 / 2;
    }

    private String config() {
        return """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": %d,
         "intermediate_size": %d, "num_hidden_layers": %d, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": %d, "hidden_act": "silu", "rms_norm_eps": 1e-05,
         "max_position_embeddings": %d, "rope_theta": 10000.0, "vocab_size": %d,
         "tie_word_embeddings": false, "torch_dtype": "%s"}
        """
                .formatted(
                        hidden,
                        ffn(),
                        blocks,
                        hidden / 4,
                        CONTEXT,
                        VOCABULARY,
                        switch (dtype) {
                            case BF16 -> "bfloat16";
                            case F16 -> "float16";
                            default -> "float32";
                        });
    }

    private static String tokenizer() {
        String vocabulary =
                IntStream.range(0, VOCABULARY - 1)
                        .mapToObj(i -> "\"w%d\": %d".formatted(i, i))
                        .collect(Collectors.joining(", "));
        return """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
         "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
         "decoder": null,
         "model": {"type": "WordLevel", "vocab": {%s, "[UNK]": %d}, "unk_token": "[UNK]"}}
        """
                .formatted(vocabulary, VOCABULARY - 1);
    }

    /// Random ids `[sequences, length]`.
    public static int[][] ids(int sequences, int length, int vocabulary, long seed) {
        var random = new Random(seed);
        int[][] ids = new int[sequences][];
        for (int i = 0; i < sequences; i++) {
            ids[i] = random.ints(length, 0, vocabulary).toArray();
        }
        return ids;
    }

    /// The ids as a `.npy` file.
    public static Path npy(Path file, int[][] ids) throws IOException {
        byte[] header =
                "{'descr': '<i4', 'fortran_order': False, 'shape': (%d, %d), }\n"
                        .formatted(ids.length, ids[0].length)
                        .getBytes(StandardCharsets.US_ASCII);
        var bytes =
                ByteBuffer.allocate(10 + header.length + 4 * ids.length * ids[0].length)
                        .order(ByteOrder.LITTLE_ENDIAN);
        bytes.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII));
        bytes.put((byte) 1).put((byte) 0).putShort((short) header.length).put(header);
        for (int[] row : ids) {
            for (int id : row) {
                bytes.putInt(id);
            }
        }
        return Files.write(file, bytes.array());
    }

    /// Random words that the tokenizer knows.
    public static String text(int words, long seed) {
        return new Random(seed)
                .ints(words, 0, VOCABULARY - 1)
                .mapToObj(i -> "w" + i)
                .collect(Collectors.joining(" "));
    }
}
