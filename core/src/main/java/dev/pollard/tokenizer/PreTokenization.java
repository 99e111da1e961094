package dev.pollard.tokenizer;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/// How byte-level BPE cuts a text into words before merging; GGUF files name it in
/// `tokenizer.ggml.pre`.
///
/// Each equals the normalizer and pre-tokenizer of the `tokenizer.json` of the models that it is
/// named after.
enum PreTokenization {
    GPT_2("gpt-2", "phi-2"),
    /// GPT-2's words after Unicode composition: GPT-NeoX and its heirs.
    GPT_NEOX("olmo", "mpt"),
    /// Every digit is a word of its own.
    DIGITS("smollm", "starcoder", "refact", "codeshell", "minerva-7b"),
    COMMAND_R("command-r"),
    /// Digits in threes, contractions in either case.
    LLAMA_3("llama-bpe", "llama3", "llama-v3"),
    /// As Llama 3, with single digits, after Unicode composition.
    QWEN_2("qwen2", "deepseek-r1-qwen"),
    /// Words end where lower case turns to upper case.
    TEKKEN("tekken"),
    BLOOM("bloom"),
    /// What llama.cpp does for files that ask for nothing better: punctuation apart, digits in
    /// threes.
    LLAMA_CPP("default");

    static final String GPT_2_WORDS =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    private static final String CONTRACTIONS_AND_LETTERS =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
    private static final String PUNCTUATION_AND_BLANKS =
            "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String BEFORE_LETTERS = "[^\\r\\n\\p{L}\\p{N}]?";

    private final List<String> names;

    PreTokenization(String... names) {
        this.names = List.of(names);
    }

    static Optional<PreTokenization> named(String name) {
        return Arrays.stream(values()).filter(pre -> pre.names.contains(name)).findAny();
    }

    /// All names, for a message.
    static String known() {
        return Arrays.stream(values())
                .flatMap(pre -> pre.names.stream())
                .collect(Collectors.joining(", "));
    }

    /// Whether the text is composed (Unicode NFC) first.
    boolean nfc() {
        return switch (this) {
            case GPT_NEOX, COMMAND_R, QWEN_2 -> true;
            case GPT_2, DIGITS, LLAMA_3, TEKKEN, BLOOM, LLAMA_CPP -> false;
        };
    }

    /// Whether a word that is in the vocabulary is taken as it is, even if no merges lead to it.
    boolean wholeWordsFirst() {
        return switch (this) {
            case LLAMA_3, TEKKEN -> true;
            case GPT_2, GPT_NEOX, DIGITS, COMMAND_R, QWEN_2, BLOOM, LLAMA_CPP -> false;
        };
    }

    /// Whether models of this kind expect a beginning of text when the file does not say.
    boolean addsBos() {
        return switch (this) {
            case LLAMA_3, TEKKEN -> true;
            case GPT_2, GPT_NEOX, DIGITS, COMMAND_R, QWEN_2, BLOOM, LLAMA_CPP -> false;
        };
    }

    /// The pre-tokenizers, in order; the last turns bytes into letters.
    List<Map<String, Object>> steps(boolean addPrefixSpace) {
        var bytes = TokenizerJson.byteLevel(addPrefixSpace, false);
        return switch (this) {
            case GPT_2, GPT_NEOX -> List.of(TokenizerJson.byteLevel(addPrefixSpace, true));
            case DIGITS, COMMAND_R ->
                    List.of(
                            TokenizerJson.object("type", "Digits", "individual_digits", true),
                            TokenizerJson.byteLevel(addPrefixSpace, true));
            case LLAMA_3 ->
                    List.of(
                            split(
                                    CONTRACTIONS_AND_LETTERS
                                            + "\\p{N}{1,3}"
                                            + PUNCTUATION_AND_BLANKS),
                            bytes);
            case QWEN_2 ->
                    List.of(
                            split(CONTRACTIONS_AND_LETTERS + "\\p{N}" + PUNCTUATION_AND_BLANKS),
                            bytes);
            case TEKKEN ->
                    List.of(
                            split(
                                    (BEFORE_LETTERS + UPPER + "*" + LOWER + "+|")
                                            + (BEFORE_LETTERS + UPPER + "+" + LOWER + "*|")
                                            + "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
                                            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
                            bytes);
            case BLOOM -> List.of(split(" ?[^(\\s|.,!?…。，、।۔،)]+"), bytes);
            case LLAMA_CPP ->
                    List.of(
                            split("[\\p{P}\\$\\+<=>\\^~\\|]+"),
                            split(GPT_2_WORDS),
                            split("\\p{N}+"),
                            split("[0-9][0-9][0-9]"),
                            bytes);
        };
    }

    private static Map<String, Object> split(String regex) {
        return TokenizerJson.object(
                "type",
                "Split",
                "pattern",
                TokenizerJson.object("Regex", regex),
                "behavior",
                "Isolated",
                "invert",
                false);
    }
}
