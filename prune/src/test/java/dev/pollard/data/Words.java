package dev.pollard.data;

import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// A tokenizer whose words are `w0`, `w1`, … `w99` with ids 0 to 99; 100 is everything else and 101
/// begins a text, if it is told to add it.
final class Words {
    static final int VOCABULARY = 102;

    private Words() {}

    static Tokenizer tokenizer(Path folder, boolean addsBos) throws IOException {
        String vocabulary =
                IntStream.range(0, 100)
                        .mapToObj(i -> "\"w%d\": %d".formatted(i, i))
                        .collect(Collectors.joining(", "));
        String processor =
                addsBos
                        ? """
                        {"type": "TemplateProcessing",
                         "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                                    {"Sequence": {"id": "A", "type_id": 0}}],
                         "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                                  {"Sequence": {"id": "B", "type_id": 1}}],
                         "special_tokens": {"<s>": {"id": "<s>", "ids": [101], "tokens": ["<s>"]}}}
                        """
                        : "null";
        String json =
                """
                {"version": "1.0", "truncation": null, "padding": null,
                 "added_tokens": [{"id": 101, "content": "<s>", "single_word": false,
                   "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
                 "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
                 "post_processor": %s, "decoder": null,
                 "model": {"type": "WordLevel", "vocab": {%s, "[UNK]": 100, "<s>": 101},
                           "unk_token": "[UNK]"}}
                """
                        .formatted(processor, vocabulary);
        Path file = Files.writeString(folder.resolve("tokenizer.json"), json);
        return Tokenizer.fromJson(file);
    }

    /// `w<from> … w<to - 1>`, numbers modulo 100.
    static String text(int from, int to) {
        return IntStream.range(from, to)
                .mapToObj(i -> "w" + i % 100)
                .collect(Collectors.joining(" "));
    }
}
