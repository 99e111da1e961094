package dev.pollard.tokenizer;

import dev.pollard.format.MalformedFileException;
import dev.pollard.format.gguf.GgufFile;
import dev.pollard.format.gguf.GgufMetadata;
import dev.pollard.tokenizer.TokenizerJson.AddedToken;
import dev.pollard.tokenizer.TokenizerJson.Merge;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/// Turns the tokenizer in a GGUF file's metadata into a `tokenizer.json`.
///
/// Two kinds are known: `gpt2` is byte-level BPE with merges, `llama` is SentencePiece BPE with
/// scores.
final class GgufVocabulary {
    private static final String MODEL = "tokenizer.ggml.model";
    private static final String PRE = "tokenizer.ggml.pre";
    private static final String TOKENS = "tokenizer.ggml.tokens";
    private static final String SCORES = "tokenizer.ggml.scores";
    private static final String TYPES = "tokenizer.ggml.token_type";
    private static final String MERGES = "tokenizer.ggml.merges";
    private static final String BOS = "tokenizer.ggml.bos_token_id";
    private static final String EOS = "tokenizer.ggml.eos_token_id";
    private static final String UNKNOWN = "tokenizer.ggml.unknown_token_id";
    private static final String PADDING = "tokenizer.ggml.padding_token_id";
    private static final String ADD_BOS = "tokenizer.ggml.add_bos_token";
    private static final String ADD_EOS = "tokenizer.ggml.add_eos_token";
    private static final String ADD_SPACE_PREFIX = "tokenizer.ggml.add_space_prefix";
    private static final String CHAT_TEMPLATE = "tokenizer.chat_template";

    private static final long TYPE_UNKNOWN = 2;
    private static final long TYPE_CONTROL = 3;
    private static final long TYPE_USER_DEFINED = 4;
    private static final long TYPE_BYTE = 6;

    private final GgufFile gguf;
    private final GgufMetadata metadata;
    private final List<String> tokens;
    private final SequencedMap<String, Integer> ids;
    private final Optional<List<Long>> types;

    private GgufVocabulary(GgufFile gguf) throws MalformedFileException {
        this.gguf = gguf;
        this.metadata = gguf.metadata();
        this.tokens = tokens(metadata);
        this.ids = ids(metadata, tokens);
        this.types = metadata.integers(TYPES);
        if (types.isPresent() && types.get().size() != tokens.size()) {
            throw wrongLength(TYPES, types.get().size());
        }
    }

    static TokenizerDefinition read(GgufFile gguf) throws MalformedFileException {
        String model =
                gguf.metadata().string(MODEL).orElseThrow(() -> gguf.metadata().missing(MODEL));
        return switch (model) {
            case "gpt2" -> new GgufVocabulary(gguf).byteLevelBpe();
            case "llama" -> new GgufVocabulary(gguf).sentencePieceBpe();
            default ->
                    throw gguf.metadata()
                            .malformed(
                                    MODEL,
                                    "'%s' is not supported (gpt2 and llama are)".formatted(model));
        };
    }

    private TokenizerDefinition byteLevelBpe() throws MalformedFileException {
        // Files older than the key are read as GPT-2, the tokenizer that their model is named
        // after.
        String name = metadata.string(PRE).orElse("gpt-2");
        PreTokenization pre =
                PreTokenization.named(name)
                        .orElseThrow(
                                () ->
                                        metadata.malformed(
                                                PRE,
                                                "'%s' is unknown (known: %s)"
                                                        .formatted(name, PreTokenization.known())));
        var json = TokenizerJson.byteLevelBpe(ids, merges(), pre, false);
        return finish(json, id(UNKNOWN), id(BOS), id(EOS), pre.addsBos());
    }

    private TokenizerDefinition sentencePieceBpe() throws MalformedFileException {
        List<Float> scores = metadata.floats(SCORES).orElseThrow(() -> metadata.missing(SCORES));
        if (scores.size() != tokens.size()) {
            throw wrongLength(SCORES, scores.size());
        }
        // SentencePiece reserves these three, and files of the first years do not repeat them.
        Optional<Integer> unknown = id(UNKNOWN).or(() -> reserved(0, TYPE_UNKNOWN));
        Optional<Integer> bos = id(BOS).or(() -> reserved(1, TYPE_CONTROL));
        Optional<Integer> eos = id(EOS).or(() -> reserved(2, TYPE_CONTROL));
        var json =
                TokenizerJson.sentencePieceBpe(
                        ids,
                        SentencePieceMerges.of(mergeable(), scores),
                        unknown.map(tokens::get).orElse(null),
                        metadata.bool(ADD_SPACE_PREFIX).orElse(true));
        return finish(json, unknown, bos, eos, true);
    }

    private TokenizerDefinition finish(
            Map<String, Object> json,
            Optional<Integer> unknown,
            Optional<Integer> bos,
            Optional<Integer> eos,
            boolean addsBosUnlessSaid)
            throws MalformedFileException {
        boolean addBos = bos.isPresent() && metadata.bool(ADD_BOS).orElse(addsBosUnlessSaid);
        boolean addEos = eos.isPresent() && metadata.bool(ADD_EOS).orElse(false);
        TokenizerJson.addTokens(json, addedTokens(Stream.of(unknown, bos, eos)));
        TokenizerJson.frame(
                json,
                addBos ? List.of(special(bos.get())) : List.of(),
                addEos ? List.of(special(eos.get())) : List.of());
        String bosToken = bos.map(tokens::get).orElse("");
        String eosToken = eos.map(tokens::get).orElse("");
        return new TokenizerDefinition(
                gguf.path(),
                TokenizerJson.write(json),
                config(unknown, bosToken, eosToken, addBos, addEos),
                bosToken,
                eosToken);
    }

    private String config(
            Optional<Integer> unknown,
            String bosToken,
            String eosToken,
            boolean addBos,
            boolean addEos)
            throws MalformedFileException {
        var config = new LinkedHashMap<String, Object>();
        config.put("tokenizer_class", "PreTrainedTokenizerFast");
        config.put("add_bos_token", addBos);
        config.put("add_eos_token", addEos);
        config.put("clean_up_tokenization_spaces", false);
        if (!bosToken.isEmpty()) {
            config.put("bos_token", bosToken);
        }
        if (!eosToken.isEmpty()) {
            config.put("eos_token", eosToken);
        }
        unknown.ifPresent(id -> config.put("unk_token", tokens.get(id)));
        id(PADDING).ifPresent(id -> config.put("pad_token", tokens.get(id)));
        metadata.string(CHAT_TEMPLATE).ifPresent(text -> config.put("chat_template", text));
        return TokenizerJson.write(config);
    }

    private static List<String> tokens(GgufMetadata metadata) throws MalformedFileException {
        List<String> tokens = metadata.strings(TOKENS).orElseThrow(() -> metadata.missing(TOKENS));
        if (tokens.isEmpty()) {
            throw metadata.malformed(TOKENS, "is empty");
        }
        return tokens;
    }

    private static SequencedMap<String, Integer> ids(GgufMetadata metadata, List<String> tokens)
            throws MalformedFileException {
        var ids = new LinkedHashMap<String, Integer>();
        for (int id = 0; id < tokens.size(); id++) {
            Integer other = ids.put(tokens.get(id), id);
            if (other != null) {
                throw metadata.malformed(
                        TOKENS,
                        "has '%s' twice, as %d and %d".formatted(tokens.get(id), other, id));
            }
        }
        return ids;
    }

    private List<Merge> merges() throws MalformedFileException {
        var merges = new ArrayList<Merge>();
        for (String line : metadata.strings(MERGES).orElseThrow(() -> metadata.missing(MERGES))) {
            int blank = line.indexOf(' ', 1);
            if (blank < 0) {
                throw metadata.malformed(MERGES, "has '%s', which is no pair".formatted(line));
            }
            var merge = new Merge(line.substring(0, blank), line.substring(blank + 1));
            for (String token :
                    List.of(merge.left(), merge.right(), merge.left() + merge.right())) {
                if (!ids.containsKey(token)) {
                    throw metadata.malformed(
                            MERGES, "has '%s', but '%s' is no token".formatted(line, token));
                }
            }
            merges.add(merge);
        }
        return merges;
    }

    /// Pieces of ordinary text: neither control tokens nor bytes are ever made by merging.
    private SequencedMap<String, Integer> mergeable() {
        var mergeable = new LinkedHashMap<String, Integer>();
        ids.forEach(
                (piece, id) -> {
                    if (!hasType(id, TYPE_UNKNOWN)
                            && !hasType(id, TYPE_CONTROL)
                            && !hasType(id, TYPE_BYTE)) {
                        mergeable.put(piece, id);
                    }
                });
        return mergeable;
    }

    private List<AddedToken> addedTokens(Stream<Optional<Integer>> named) {
        var added = new TreeMap<Integer, AddedToken>();
        for (int id = 0; id < tokens.size(); id++) {
            if (hasType(id, TYPE_CONTROL) || hasType(id, TYPE_UNKNOWN)) {
                added.put(id, special(id));
            } else if (hasType(id, TYPE_USER_DEFINED)) {
                added.put(id, new AddedToken(id, tokens.get(id), false));
            }
        }
        named.flatMap(Optional::stream).forEach(id -> added.put(id, special(id)));
        return List.copyOf(added.values());
    }

    private AddedToken special(int id) {
        return new AddedToken(id, tokens.get(id), true);
    }

    private boolean hasType(int id, long type) {
        return types.isPresent() && types.get().get(id) == type;
    }

    private Optional<Integer> reserved(int id, long type) {
        return id < tokens.size() && hasType(id, type) ? Optional.of(id) : Optional.empty();
    }

    /// A token id in the metadata, checked against the vocabulary.
    private Optional<Integer> id(String key) throws MalformedFileException {
        var id = metadata.integer(key);
        if (id.isEmpty()) {
            return Optional.empty();
        }
        if (id.getAsLong() < 0 || id.getAsLong() >= tokens.size()) {
            throw metadata.malformed(
                    key, "is %d, but there are %d tokens".formatted(id.getAsLong(), tokens.size()));
        }
        return Optional.of((int) id.getAsLong());
    }

    private MalformedFileException wrongLength(String key, int length) {
        return metadata.malformed(
                key, "has %d elements, but there are %d tokens".formatted(length, tokens.size()));
    }
}
