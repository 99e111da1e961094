package dev.pollard.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollard.format.MalformedFileException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// Writes and inspects the `tokenizer.json` of Hugging Face's `tokenizers`: a normalizer, a
/// pre-tokenizer that cuts the text into words, a model that cuts words into tokens, a template
/// that frames them, a decoder that undoes it all.
///
/// Objects are maps in the order of their keys, so that equal tokenizers have equal bytes.
final class TokenizerJson {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// What SentencePiece writes for a blank.
    private static final String BLANK = "▁";

    /// A pair of tokens that become one; earlier merges come first.
    record Merge(String left, String right) {}

    /// A token that is found in the text before anything else looks at it.
    ///
    /// @param special whether decoding may skip it
    record AddedToken(int id, String content, boolean special) {}

    private TokenizerJson() {}

    /// Byte-level BPE: bytes are written as printable letters, blanks as `Ġ`.
    static SequencedMap<String, Object> byteLevelBpe(
            SequencedMap<String, Integer> vocabulary,
            List<Merge> merges,
            PreTokenization preTokenization,
            boolean addPrefixSpace) {
        var json = new LinkedHashMap<String, Object>();
        json.put("version", "1.0");
        json.put("truncation", null);
        json.put("padding", null);
        json.put("added_tokens", List.of());
        json.put("normalizer", preTokenization.nfc() ? object("type", "NFC") : null);
        json.put(
                "pre_tokenizer",
                object("type", "Sequence", "pretokenizers", preTokenization.steps(addPrefixSpace)));
        json.put("post_processor", byteLevel(true, true));
        json.put("decoder", byteLevel(true, true));
        json.put("model", bpe(vocabulary, merges, null, false, preTokenization.wholeWordsFirst()));
        return json;
    }

    /// SentencePiece BPE: blanks are written as `▁`, characters that the vocabulary lacks as bytes
    /// `<0x0A>`.
    ///
    /// @param unknownToken null if the vocabulary has none
    static SequencedMap<String, Object> sentencePieceBpe(
            SequencedMap<String, Integer> vocabulary,
            List<Merge> merges,
            String unknownToken,
            boolean addPrefixSpace) {
        var normalizers = new ArrayList<Object>();
        var decoders = new ArrayList<Object>();
        if (addPrefixSpace) {
            normalizers.add(object("type", "Prepend", "prepend", BLANK));
        }
        normalizers.add(replace(" ", BLANK));
        decoders.add(replace(BLANK, " "));
        decoders.add(object("type", "ByteFallback"));
        decoders.add(object("type", "Fuse"));
        if (addPrefixSpace) {
            decoders.add(object("type", "Strip", "content", " ", "start", 1, "stop", 0));
        }
        var json = new LinkedHashMap<String, Object>();
        json.put("version", "1.0");
        json.put("truncation", null);
        json.put("padding", null);
        json.put("added_tokens", List.of());
        json.put("normalizer", object("type", "Sequence", "normalizers", normalizers));
        json.put("pre_tokenizer", null);
        json.put("post_processor", null);
        json.put("decoder", object("type", "Sequence", "decoders", decoders));
        json.put("model", bpe(vocabulary, merges, unknownToken, true, false));
        return json;
    }

    private static Map<String, Object> bpe(
            SequencedMap<String, Integer> vocabulary,
            List<Merge> merges,
            String unknownToken,
            boolean byteFallback,
            boolean ignoreMerges) {
        return object(
                "type",
                "BPE",
                "dropout",
                null,
                "unk_token",
                unknownToken,
                "continuing_subword_prefix",
                null,
                "end_of_word_suffix",
                null,
                "fuse_unk",
                byteFallback,
                "byte_fallback",
                byteFallback,
                "ignore_merges",
                ignoreMerges,
                "vocab",
                vocabulary,
                "merges",
                merges.stream().map(merge -> List.of(merge.left, merge.right)).toList());
    }

    static Map<String, Object> byteLevel(boolean addPrefixSpace, boolean useRegex) {
        return object(
                "type",
                "ByteLevel",
                "add_prefix_space",
                addPrefixSpace,
                "trim_offsets",
                true,
                "use_regex",
                useRegex);
    }

    private static Map<String, Object> replace(String text, String by) {
        return object("type", "Replace", "pattern", object("String", text), "content", by);
    }

    static void addTokens(Map<String, Object> json, List<AddedToken> tokens) {
        json.put(
                "added_tokens",
                tokens.stream()
                        .map(
                                token ->
                                        object(
                                                "id",
                                                token.id,
                                                "content",
                                                token.content,
                                                "single_word",
                                                false,
                                                "lstrip",
                                                false,
                                                "rstrip",
                                                false,
                                                "normalized",
                                                false,
                                                "special",
                                                token.special))
                        .toList());
    }

    /// Frames a text by tokens when special tokens are asked for.
    static void frame(Map<String, Object> json, List<AddedToken> before, List<AddedToken> after) {
        if (before.isEmpty() && after.isEmpty()) {
            return;
        }
        var named = new LinkedHashMap<String, Object>();
        for (List<AddedToken> tokens : List.of(before, after)) {
            for (AddedToken token : tokens) {
                named.put(
                        token.content,
                        object(
                                "id",
                                token.content,
                                "ids",
                                List.of(token.id),
                                "tokens",
                                List.of(token.content)));
            }
        }
        var single = framed("A", 0, before, after);
        var pair = new ArrayList<>(single);
        pair.addAll(framed("B", 1, before, after));
        json.put(
                "post_processor",
                object(
                        "type",
                        "TemplateProcessing",
                        "single",
                        single,
                        "pair",
                        pair,
                        "special_tokens",
                        named));
    }

    private static List<Object> framed(
            String sequence, int type, List<AddedToken> before, List<AddedToken> after) {
        var parts = new ArrayList<Object>();
        before.forEach(token -> parts.add(special(token, type)));
        parts.add(object("Sequence", object("id", sequence, "type_id", type)));
        after.forEach(token -> parts.add(special(token, type)));
        return parts;
    }

    private static Object special(AddedToken token, int type) {
        return object("SpecialToken", object("id", token.content, "type_id", type));
    }

    /// A JSON object of keys and values in turn.
    static Map<String, Object> object(Object... keysAndValues) {
        var object = new LinkedHashMap<String, Object>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            object.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return object;
    }

    static String write(Object json) {
        try {
            return JSON.writeValueAsString(json);
        } catch (JsonProcessingException impossible) {
            throw new UncheckedIOException(impossible); // maps, lists, strings and numbers only
        }
    }

    static JsonNode parse(Path file, String text) throws MalformedFileException {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException broken) {
            int chars = Math.clamp(broken.getLocation().getCharOffset(), 0, text.length());
            long offset = text.substring(0, chars).getBytes(StandardCharsets.UTF_8).length;
            throw new MalformedFileException(
                    file, offset, "not JSON: " + broken.getOriginalMessage(), broken);
        }
    }

    /// The highest id plus one, of the model's vocabulary and the added tokens.
    static int vocabularySize(Path file, JsonNode json) throws MalformedFileException {
        JsonNode vocabulary = json.path("model").path("vocab");
        long highest = vocabulary.isArray() ? vocabulary.size() - 1 : -1;
        if (vocabulary.isObject()) {
            for (JsonNode id : vocabulary) {
                highest = Math.max(highest, id.asLong(-1));
            }
        }
        for (JsonNode token : json.path("added_tokens")) {
            highest = Math.max(highest, token.path("id").asLong(-1));
        }
        if (highest < 0 || highest >= Integer.MAX_VALUE) {
            throw new MalformedFileException(file, 0, "no usable vocabulary in this tokenizer");
        }
        return (int) highest + 1;
    }

    /// The id of a token as written in the vocabulary, -1 if it is not there.
    static int id(JsonNode json, String token) {
        for (JsonNode added : json.path("added_tokens")) {
            if (added.path("content").asText().equals(token)) {
                return added.path("id").asInt(-1);
            }
        }
        JsonNode vocabulary = json.path("model").path("vocab");
        if (vocabulary.isArray()) { // unigram: [piece, score], the id is the position
            for (int id = 0; id < vocabulary.size(); id++) {
                if (vocabulary.path(id).path(0).asText().equals(token)) {
                    return id;
                }
            }
            return -1;
        }
        return vocabulary.path(token).asInt(-1);
    }

    /// The token with an id, empty if there is none.
    static String token(JsonNode json, int id) {
        for (JsonNode added : json.path("added_tokens")) {
            if (added.path("id").asInt(-1) == id) {
                return added.path("content").asText();
            }
        }
        JsonNode vocabulary = json.path("model").path("vocab");
        if (vocabulary.isArray()) {
            return vocabulary.path(id).path(0).asText();
        }
        for (var entry : vocabulary.properties()) {
            if (entry.getValue().asInt(-1) == id) {
                return entry.getKey();
            }
        }
        return "";
    }
}
