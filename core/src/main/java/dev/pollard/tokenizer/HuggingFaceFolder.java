package dev.pollard.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollard.format.MalformedFileException;
import dev.pollard.tokenizer.TokenizerJson.AddedToken;
import dev.pollard.tokenizer.TokenizerJson.Merge;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.TreeMap;

/// The tokenizer files of a Hugging Face folder.
final class HuggingFaceFolder {
    static final String TOKENIZER = "tokenizer.json";
    static final String TOKENIZER_CONFIG = "tokenizer_config.json";
    private static final String SPECIAL_TOKENS_MAP = "special_tokens_map.json";
    private static final String MODEL_CONFIG = "config.json";
    private static final String VOCABULARY = "vocab.json";
    private static final String MERGES = "merges.txt";

    private final Path folder;
    private final JsonNode tokenizerConfig;
    private final JsonNode specialTokensMap;
    private final JsonNode modelConfig;

    private HuggingFaceFolder(Path folder) throws IOException {
        this.folder = folder;
        this.tokenizerConfig = optional(TOKENIZER_CONFIG);
        this.specialTokensMap = optional(SPECIAL_TOKENS_MAP);
        this.modelConfig = optional(MODEL_CONFIG);
    }

    /// A `tokenizer.json` alone: nothing names its special tokens.
    static TokenizerDefinition single(Path tokenizerJson) throws IOException {
        return new TokenizerDefinition(
                tokenizerJson,
                text(tokenizerJson),
                TokenizerJson.write(
                        TokenizerJson.object("tokenizer_class", "PreTrainedTokenizerFast")),
                "",
                "");
    }

    static TokenizerDefinition read(Path folder) throws IOException {
        var files = new HuggingFaceFolder(folder);
        if (Files.exists(folder.resolve(TOKENIZER))) {
            return files.tokenizerJson();
        }
        if (Files.exists(folder.resolve(VOCABULARY)) && Files.exists(folder.resolve(MERGES))) {
            return files.vocabularyAndMerges();
        }
        throw new NoSuchFileException(
                folder.toString(),
                null,
                "no tokenizer: neither %s nor %s with %s".formatted(TOKENIZER, VOCABULARY, MERGES));
    }

    private TokenizerDefinition tokenizerJson() throws IOException {
        Path file = folder.resolve(TOKENIZER);
        String text = text(file);
        JsonNode json = TokenizerJson.parse(file, text);
        String bos = specialToken("bos_token");
        String eos = specialToken("eos_token");
        if (bos.isEmpty()) {
            bos = byModelConfig("bos_token_id", json);
        }
        if (eos.isEmpty()) {
            eos = byModelConfig("eos_token_id", json);
        }
        return new TokenizerDefinition(file, text, config(bos, eos), bos, eos);
    }

    /// Byte-level BPE in the two files of GPT-2. OPT uses its own vocabulary and puts `</s>` before
    /// a text.
    private TokenizerDefinition vocabularyAndMerges() throws IOException {
        SequencedMap<String, Integer> vocabulary = vocabulary();
        boolean opt = modelConfig.path("model_type").asText().equals("opt");
        String fallback = vocabulary.containsKey("<|endoftext|>") ? "<|endoftext|>" : "</s>";
        String bos = specialToken("bos_token", fallback, vocabulary);
        String eos = specialToken("eos_token", fallback, vocabulary);
        boolean addBos = tokenizerConfig.path("add_bos_token").asBoolean(opt);

        var json =
                TokenizerJson.byteLevelBpe(
                        vocabulary,
                        merges(vocabulary),
                        PreTokenization.GPT_2,
                        tokenizerConfig.path("add_prefix_space").asBoolean(false));
        var added = new TreeMap<Integer, AddedToken>();
        for (String token :
                List.of(bos, eos, specialToken("unk_token"), specialToken("pad_token"))) {
            if (vocabulary.containsKey(token)) {
                int id = vocabulary.get(token);
                added.put(id, new AddedToken(id, token, true));
            }
        }
        TokenizerJson.addTokens(json, List.copyOf(added.values()));
        if (addBos) {
            TokenizerJson.frame(json, List.of(added.get(vocabulary.get(bos))), List.of());
        }
        return new TokenizerDefinition(
                folder.resolve(VOCABULARY), TokenizerJson.write(json), config(bos, eos), bos, eos);
    }

    /// The folder's own `tokenizer_config.json`, or the least that names the special tokens.
    private String config(String bos, String eos) throws IOException {
        Path file = folder.resolve(TOKENIZER_CONFIG);
        if (Files.exists(file)) {
            return text(file);
        }
        var config = new LinkedHashMap<String, Object>();
        config.put("tokenizer_class", "PreTrainedTokenizerFast");
        config.put("clean_up_tokenization_spaces", false);
        if (!bos.isEmpty()) {
            config.put("bos_token", bos);
        }
        if (!eos.isEmpty()) {
            config.put("eos_token", eos);
        }
        return TokenizerJson.write(config);
    }

    private SequencedMap<String, Integer> vocabulary() throws IOException {
        Path file = folder.resolve(VOCABULARY);
        JsonNode json = TokenizerJson.parse(file, text(file));
        var vocabulary = new LinkedHashMap<String, Integer>();
        for (var field : json.properties()) {
            if (!field.getValue().canConvertToInt() || field.getValue().asInt() < 0) {
                throw new MalformedFileException(
                        file, 0, "the id of '%s' is no token id".formatted(field.getKey()));
            }
            vocabulary.put(field.getKey(), field.getValue().asInt());
        }
        return vocabulary;
    }

    private List<Merge> merges(SequencedMap<String, Integer> vocabulary) throws IOException {
        Path file = folder.resolve(MERGES);
        var merges = new ArrayList<Merge>();
        long offset = 0;
        for (String line : text(file).split("\n")) {
            String pair = line.stripTrailing();
            if (!pair.isEmpty() && !(offset == 0 && pair.startsWith("#version"))) {
                int blank = pair.indexOf(' ');
                if (blank < 1
                        || !vocabulary.containsKey(pair.substring(0, blank))
                        || !vocabulary.containsKey(pair.substring(blank + 1))
                        || !vocabulary.containsKey(pair.replaceFirst(" ", ""))) {
                    throw new MalformedFileException(
                            file, offset, "'%s' is no pair of tokens".formatted(pair));
                }
                merges.add(new Merge(pair.substring(0, blank), pair.substring(blank + 1)));
            }
            offset += line.getBytes(StandardCharsets.UTF_8).length + 1;
        }
        return merges;
    }

    /// A token is written as a string, or as an object that holds it.
    private String specialToken(String role) {
        for (JsonNode file : List.of(tokenizerConfig, specialTokensMap)) {
            JsonNode token = file.path(role);
            String content = token.isObject() ? token.path("content").asText() : token.asText();
            if (!content.isEmpty() && !token.isNull()) {
                return content;
            }
        }
        return "";
    }

    private String specialToken(
            String role, String fallback, SequencedMap<String, Integer> vocabulary)
            throws MalformedFileException {
        String named = specialToken(role);
        String token = named.isEmpty() ? fallback : named;
        if (!vocabulary.containsKey(token)) {
            throw new MalformedFileException(
                    folder.resolve(VOCABULARY), 0, "%s '%s' is missing".formatted(role, token));
        }
        return token;
    }

    /// The token with the id that `config.json` gives, the first if it gives several.
    private String byModelConfig(String key, JsonNode json) {
        JsonNode value = modelConfig.path(key);
        int id = (value.isArray() ? value.path(0) : value).asInt(-1);
        return id < 0 ? "" : TokenizerJson.token(json, id);
    }

    private JsonNode optional(String name) throws IOException {
        Path file = folder.resolve(name);
        return Files.exists(file)
                ? TokenizerJson.parse(file, text(file))
                : TokenizerJson.parse(file, "{}");
    }

    private static String text(Path file) throws IOException {
        try {
            return Files.readString(file);
        } catch (CharacterCodingException notUtf8) {
            throw new MalformedFileException(file, 0, "is not UTF-8", notUtf8);
        }
    }
}
