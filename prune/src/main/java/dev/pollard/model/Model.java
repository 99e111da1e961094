package dev.pollard.model;

import dev.pollard.config.BloomConfig;
import dev.pollard.config.Checkpoint;
import dev.pollard.config.GemmaConfig;
import dev.pollard.config.Gpt2Config;
import dev.pollard.config.GptNeoXConfig;
import dev.pollard.config.LlamaConfig;
import dev.pollard.config.ModelConfig;
import dev.pollard.config.OptConfig;
import dev.pollard.config.Phi3Config;
import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/// A model on disk, opened to be computed with.
///
/// ```java
/// try (var model = Model.open(Path.of("smollm2.gguf"))) {
///     Tensor x = model.decoder().embed(ids);
/// }
/// ```
public final class Model implements AutoCloseable {
    private final Checkpoint checkpoint;
    private final Weights weights;
    private final Decoder decoder;

    private Model(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
        this.weights = new Weights(checkpoint);
        this.decoder = decoder(checkpoint.config(), weights);
    }

    /// Opens a Hugging Face folder or a `.gguf` file. Norms and positions are read, blocks and head
    /// are not.
    ///
    /// @throws NoSuchFileException if there is nothing at `path`, or the folder lacks a file
    /// @throws MalformedFileException if a file breaks its format, the architecture is not
    ///     supported, or configuration and tensors disagree
    public static Model open(Path path) throws IOException {
        var checkpoint = Checkpoint.open(path);
        try {
            return new Model(checkpoint);
        } catch (UncheckedIOException e) {
            checkpoint.close();
            throw e.getCause();
        } catch (Throwable e) {
            checkpoint.close();
            throw e;
        }
    }

    private static Decoder decoder(ModelConfig config, Weights weights) {
        return switch (config) {
            case OptConfig opt -> new Opt(opt, weights);
            case LlamaConfig llama -> new Llama(llama, weights);
            case GemmaConfig gemma -> new Gemma(gemma, weights);
            case Gpt2Config gpt2 -> new Gpt2(gpt2, weights);
            case GptNeoXConfig neoX -> new GptNeoX(neoX, weights);
            case BloomConfig bloom -> new Bloom(bloom, weights);
            case Phi3Config phi3 -> new Phi3(phi3, weights);
        };
    }

    /// What lies on disk: names, shapes and dtypes, without libtorch.
    public Checkpoint checkpoint() {
        return checkpoint;
    }

    public ModelConfig config() {
        return checkpoint.config();
    }

    /// What was opened: a folder or a file.
    public Path path() {
        return checkpoint.path();
    }

    public Decoder decoder() {
        return decoder;
    }

    /// Frees what the decoder keeps and unmaps the file.
    @Override
    public void close() {
        weights.residents().close();
        checkpoint.close();
    }
}
