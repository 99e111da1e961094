package dev.pollard.tokenizer;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.gguf.GgufFile;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/// Text to token ids and back, by Hugging Face's `tokenizers` library: exactly the ids a model was
/// trained on.
///
/// Whatever it is made from (a `tokenizer.json`, the `vocab.json` and `merges.txt` of GPT-2 and
/// OPT, the vocabulary inside a GGUF file), it is a `tokenizer.json` in the end: [#toJson] gives
/// it, [#saveTo] writes it beside a model. Texts are never truncated or padded. Special tokens
/// written out in a text are recognised as such, as Hugging Face does. Safe for use by several
/// threads.
///
/// The native part is unpacked once into `~/.djl.ai` (the temporary folder if the home is not
/// writable); the environment variable `DJL_CACHE_DIR` moves it. Nothing is ever downloaded or
/// reported to anyone.
public final class Tokenizer implements AutoCloseable {
    static {
        // Otherwise the binding looks for a CUDA build on the network, and asks a cloud's metadata
        // service who it is.
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("RUST_FLAVOR", "cpu");
    }

    private final TokenizerDefinition definition;
    private final HuggingFaceTokenizer library;
    private final int vocabularySize;
    private final int bos;
    private final int eos;
    private final boolean addsBos;

    private Tokenizer(TokenizerDefinition definition) throws IOException {
        JsonNode json = TokenizerJson.parse(definition.source(), definition.json());
        this.definition = definition;
        this.vocabularySize = TokenizerJson.vocabularySize(definition.source(), json);
        this.library = load(definition);
        int[] plain = encode("a", false);
        int[] framed = encode("a", true);
        int before = framed.length > plain.length ? position(plain, framed) : 0;
        int after = framed.length - plain.length - before;
        this.bos =
                definition.bosToken().isEmpty()
                        ? (before == 1 ? framed[0] : -1)
                        : TokenizerJson.id(json, definition.bosToken());
        this.eos =
                definition.eosToken().isEmpty()
                        ? (after == 1 ? framed[framed.length - 1] : -1)
                        : TokenizerJson.id(json, definition.eosToken());
        this.addsBos = before > 0 && framed[0] == bos;
    }

    /// @throws MalformedFileException if the library does not take it
    static Tokenizer of(TokenizerDefinition definition) throws IOException {
        return new Tokenizer(definition);
    }

    private static HuggingFaceTokenizer load(TokenizerDefinition definition) throws IOException {
        var json = new ByteArrayInputStream(definition.json().getBytes(StandardCharsets.UTF_8));
        try {
            return HuggingFaceTokenizer.newInstance(
                    json, Map.of("truncation", "false", "padding", "false"));
        } catch (EngineException noLibrary) {
            throw noLibrary; // not the file's fault
        } catch (RuntimeException refused) {
            throw new MalformedFileException(
                    definition.source(),
                    0,
                    "no usable tokenizer: " + refused.getMessage(),
                    refused);
        }
    }

    /// Where `part` begins in `whole`, or 0 if it is not there.
    private static int position(int[] part, int[] whole) {
        return IntStream.rangeClosed(0, whole.length - part.length)
                .filter(i -> Arrays.equals(whole, i, i + part.length, part, 0, part.length))
                .findFirst()
                .orElse(0);
    }

    /// Reads a `tokenizer.json`. Beginning and end of text are what it puts around a text, if it
    /// does.
    ///
    /// @throws MalformedFileException if it is not JSON or not a tokenizer
    public static Tokenizer fromJson(Path tokenizerJson) throws IOException {
        return new Tokenizer(HuggingFaceFolder.single(tokenizerJson));
    }

    /// Reads the tokenizer of a Hugging Face folder: `tokenizer.json`, else `vocab.json` with
    /// `merges.txt` (byte-level BPE of GPT-2, OPT); special tokens as `tokenizer_config.json`,
    /// `special_tokens_map.json` or `config.json` name them.
    ///
    /// @throws java.nio.file.NoSuchFileException if the folder has neither
    /// @throws MalformedFileException if one of these files is broken
    public static Tokenizer fromHuggingFaceFolder(Path folder) throws IOException {
        return new Tokenizer(HuggingFaceFolder.read(folder));
    }

    /// Builds the tokenizer that a GGUF file describes in its metadata.
    ///
    /// @throws MalformedFileException if the file has none, one of a kind that is not supported, or
    ///     a broken one
    public static Tokenizer fromGguf(GgufFile gguf) throws IOException {
        return new Tokenizer(GgufVocabulary.read(gguf));
    }

    /// Token ids of a text of any length, in one piece: about a second and 150 MB per million
    /// characters.
    ///
    /// @param addSpecialTokens whether to put beginning and end of text around it, where the model
    ///     wants them
    /// @throws IllegalArgumentException if the text is not valid Unicode (half a surrogate pair)
    public int[] encode(String text, boolean addSpecialTokens) {
        refuseLoneSurrogates(text);
        try {
            long[] ids = library.encode(text, addSpecialTokens, false).getIds();
            return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
        } finally {
            // A finalizer frees the native side, and nothing else may hold a tokenizer used once.
            Reference.reachabilityFence(library);
        }
    }

    private static void refuseLoneSurrogates(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (Character.charCount(text.codePointAt(i)) == 1) {
                    throw new IllegalArgumentException(
                            "text is not valid Unicode: half a surrogate pair at index " + i);
                }
                i++;
            }
        }
    }

    /// The text of token ids.
    ///
    /// @param skipSpecialTokens whether special tokens leave no trace in the text
    /// @throws IllegalArgumentException if an id is not in the vocabulary
    public String decode(int[] ids, boolean skipSpecialTokens) {
        for (int id : ids) {
            if (id < 0 || id >= vocabularySize) {
                throw new IllegalArgumentException(
                        "token id %d is outside the vocabulary of %d"
                                .formatted(id, vocabularySize));
            }
        }
        try {
            return library.decode(Arrays.stream(ids).asLongStream().toArray(), skipSpecialTokens);
        } finally {
            Reference.reachabilityFence(library);
        }
    }

    /// Beginning of text, whether or not [#encode] adds it.
    public OptionalInt bos() {
        return bos < 0 ? OptionalInt.empty() : OptionalInt.of(bos);
    }

    /// End of text, whether or not [#encode] adds it.
    public OptionalInt eos() {
        return eos < 0 ? OptionalInt.empty() : OptionalInt.of(eos);
    }

    /// Whether [#encode] with special tokens begins with [#bos].
    public boolean addsBos() {
        return addsBos;
    }

    /// The highest token id plus one; a model may have more rows of embedding.
    public int vocabularySize() {
        return vocabularySize;
    }

    /// The text of its `tokenizer.json`.
    public String toJson() {
        return definition.json();
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into a folder, for other programs to
    /// open.
    public void saveTo(Path folder) throws IOException {
        Files.writeString(folder.resolve(HuggingFaceFolder.TOKENIZER), definition.json());
        Files.writeString(folder.resolve(HuggingFaceFolder.TOKENIZER_CONFIG), definition.config());
    }

    /// Frees the native tokenizer.
    @Override
    public void close() {
        library.close();
    }
}
