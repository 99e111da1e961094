package dev.pollard.eval;

import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.tensor.Workers;
import dev.pollard.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/// Writes text with a model.
public final class Generator {
    private final Tokenizer tokenizer;
    private final RequestTokens tokens;
    private final TokenWriter writer;

    /// @param memoryBytes that the blocks of the model may take. If they need more, each is read
    ///     again for every token: slow, but of any size
    public Generator(
            Decoder model,
            Tokenizer tokenizer,
            Compute compute,
            Workers workers,
            long memoryBytes) {
        this.tokenizer = tokenizer;
        this.tokens = new RequestTokens(tokenizer, model.config().contextLength());
        this.writer = new TokenWriter(model, compute, workers, memoryBytes);
    }

    /// Each of `prompts` with what the model writes after it, until it ends the text.
    ///
    /// @param most tokens to be written
    /// @throws IllegalArgumentException if they leave no place in the model's context for a prompt
    /// @throws NonFiniteLossException if the model is broken
    public List<String> write(
            List<String> prompts, int most, Decoding decoding, Perplexity.Progress progress) {
        var asked = new ArrayList<TokenWriter.Prompt>();
        for (String prompt : prompts) {
            asked.add(new TokenWriter.Prompt(tokens.prompt(prompt, most), most, this::isAtTheEnd));
        }
        var written = writer.write(asked, decoding, progress);
        var texts = new ArrayList<String>();
        for (int i = 0; i < asked.size(); i++) {
            texts.add(prompts.get(i) + continuation(asked.get(i).ids(), written.get(i)));
        }
        return texts;
    }

    private boolean isAtTheEnd(int[] written) {
        return tokenizer.eos().isPresent()
                && written[written.length - 1] == tokenizer.eos().getAsInt();
    }

    /// The text of `written` as it stands after the prompt: alone, some tokenizers would swallow
    /// the blank before its first word.
    private String continuation(int[] prompt, int[] written) {
        String before = tokenizer.decode(prompt, true);
        String all = tokenizer.decode(RequestTokens.concat(prompt, written), true);
        return all.startsWith(before)
                ? all.substring(before.length())
                : tokenizer.decode(written, true);
    }
}
