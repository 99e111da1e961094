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
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

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
    private Decoder decoder; // null until it is asked for
    private Optional<Tokenizer> tokenizer; // null until it is asked for

    private Model(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
        this.weights = new Weights(checkpoint);
    }

    /// Opens a Hugging Face folder or a `.gguf` file. Reads headers only.
    ///
    /// @throws NoSuchFileException if there is nothing at `path`, or the folder lacks a file
    /// @throws MalformedFileException if a file breaks its format, the architecture is not
    ///     supported, or configuration and tensors disagree
    public static Model open(Path path) throws IOException {
        return new Model(Checkpoint.open(path));
    }

    static Decoder decoder(ModelConfig config, Weights weights) {
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

    /// The model as something that computes. At the first call libtorch is loaded, and norms and
    /// positions are read.
    ///
    /// @throws UncheckedIOException if one of them holds NaN or infinite numbers: names it
    public synchronized Decoder decoder() {
        if (decoder == null) {
            decoder = decoder(config(), weights);
        }
        return decoder;
    }

    /// A weight as the decoder computes with it: float32, matrices `[out, in]`, in the current
    /// scope.
    ///
    /// @throws UncheckedIOException if it holds NaN or infinite numbers: names it
    public Tensor weight(Checkpoint.Entry entry) {
        return weights.load(entry);
    }

    /// Reads every number of the model once, so that long work does not end at a late block.
    ///
    /// @throws MalformedFileException if a weight holds NaN or infinite numbers: names it
    public void requireFinite(Workers workers) throws IOException {
        var entries = List.copyOf(checkpoint.entries());
        try {
            workers.forEach(
                    entries.size(), (_, i) -> Weights.checkFinite(checkpoint, entries.get(i)));
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /// The whole forward pass of one sequence, block by block: logits `[time, vocabulary]`.
    ///
    /// @throws IllegalArgumentException if an id is outside the vocabulary or the sequence is
    ///     longer than the positions of the model
    public Tensor forward(int[] ids, Compute compute) {
        try (var scope = Scope.open()) {
            Decoder decoder = decoder();
            Tensor x = decoder.embed(ids); // [time, hidden]
            for (int index = 0; index < config().blocks(); index++) {
                try (var block = Scope.open()) {
                    x = block.release(decoder.block(index, compute).forward(x, Tap.NONE));
                }
            }
            return scope.release(decoder.logits(x));
        }
    }

    /// The tokenizer beside or inside the weights, if there is one. Closed with the model.
    ///
    /// @throws MalformedFileException if there is one, and it is broken or of a kind that is not
    ///     supported
    public synchronized Optional<Tokenizer> tokenizer() throws IOException {
        if (tokenizer == null) {
            tokenizer = readTokenizer();
        }
        return tokenizer;
    }

    private Optional<Tokenizer> readTokenizer() throws IOException {
        if (checkpoint.file() instanceof GgufFile gguf) {
            return gguf.metadata().contains("tokenizer.ggml.model")
                    ? Optional.of(Tokenizer.fromGguf(gguf))
                    : Optional.empty();
        }
        try {
            return Optional.of(Tokenizer.fromHuggingFaceFolder(path()));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        }
    }

    /// See [Checkpoint#sha256].
    public String sha256() {
        String hash = checkpoint.sha256();
        checkpoint.file().tensors().values().forEach(t -> Engine.forgetPages(t.data()));
        return hash;
    }

    /// Frees what the decoder keeps and unmaps the file.
    @Override
    public void close() {
        weights.residents().close();
        if (tokenizer != null) {
            tokenizer.ifPresent(Tokenizer::close);
        }
        checkpoint.close();
    }
}
