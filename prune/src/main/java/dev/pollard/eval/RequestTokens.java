package dev.pollard.eval;

import dev.pollard.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/// The texts of requests as token ids, encoded and cut as EleutherAI's lm-evaluation-harness does
/// (0.4.13): its numbers are those that published tables hold.
final class RequestTokens {
    private final Tokenizer tokenizer;
    private final int longest;
    private final OptionalInt prefix;
    private final String bosText;

    /// @param longest sequence that the model reads at once
    RequestTokens(Tokenizer tokenizer, int longest) {
        this.tokenizer = tokenizer;
        this.longest = longest;
        this.prefix = tokenizer.bos().isPresent() ? tokenizer.bos() : tokenizer.eos();
        this.bosText =
                tokenizer.bos().isPresent()
                        ? tokenizer.decode(new int[] {tokenizer.bos().getAsInt()}, false)
                        : "";
    }

    /// The continuation is what the ids of the whole text have more than those of the context, even
    /// if that is not how the continuation alone would be cut into tokens. White space at the end
    /// of the context belongs to the continuation. A pair that is too long loses its beginning.
    ///
    /// @throws IllegalArgumentException if the continuation has no token or more than the model
    ///     reads at once
    Span pair(String context, String continuation) {
        int end = context.length();
        while (end > 0 && isBlank(context.charAt(end - 1))) {
            end--;
        }
        String told = context.substring(0, end);
        String asked = context.substring(end) + continuation;
        if (told.isEmpty()) {
            return alone(asked);
        }
        int[] before = encode(told);
        int[] whole = encode(told + asked);
        int common = Math.min(before.length, whole.length);
        return fit(before.length, concat(before, Arrays.copyOfRange(whole, common, whole.length)));
    }

    /// A continuation of nothing: it follows the prefix token, which it may bring itself.
    private Span alone(String text) {
        int[] ids = tokenizer.encode(text, false);
        int first = prefix();
        return fit(1, ids.length > 0 && ids[0] == first ? ids : prepend(first, ids));
    }

    private Span fit(int contextLength, int[] ids) {
        int asked = ids.length - contextLength;
        if (asked < 1) {
            throw new IllegalArgumentException(
                    "a continuation adds no token to its context of %d tokens"
                            .formatted(contextLength));
        }
        if (asked > longest) {
            throw new IllegalArgumentException(
                    "a continuation of %d tokens is longer than the model's context of %d"
                            .formatted(asked, longest));
        }
        int cut = Math.max(0, ids.length - longest - 1);
        return new Span(Arrays.copyOfRange(ids, cut, ids.length), Math.max(1, contextLength - cut));
    }

    /// A text in windows: the first is predicted from the prefix token, the next each from the
    /// last token of the one before. The last window is moved back until it is full, so that what
    /// remains is predicted from as much as possible.
    List<Span> windows(String text) {
        int[] ids = encode(text);
        var spans = new ArrayList<Span>();
        if (ids.length == 0) {
            return spans;
        }
        int[] all = prepend(prefix(), ids);
        for (int done = 1; done < all.length; ) {
            int to = Math.min(done + longest, all.length);
            int from = Math.max(0, to - longest - 1);
            // Full windows begin with the one token before what they predict.
            spans.add(new Span(Arrays.copyOfRange(all, from, to), done - from));
            done = to;
        }
        return spans;
    }

    /// What the model reads before it writes `room` tokens: the end of the context, if it is too
    /// long.
    ///
    /// @throws IllegalArgumentException if the room leaves no place for a token of the context
    int[] prompt(String context, int room) {
        if (room >= longest) {
            throw new IllegalArgumentException(
                    "%d tokens to be written leave no place in the model's context of %d"
                            .formatted(room, longest));
        }
        int[] ids = encode(context);
        int[] told = ids.length == 0 ? new int[] {prefix()} : ids;
        return Arrays.copyOfRange(told, Math.max(0, told.length - (longest - room)), told.length);
    }

    /// With the special tokens that the tokenizer adds by itself, but no second BOS.
    private int[] encode(String text) {
        boolean begins = !bosText.isEmpty() && text.startsWith(bosText);
        return tokenizer.encode(text, !begins);
    }

    private int prefix() {
        return prefix.orElseThrow(
                () ->
                        new IllegalArgumentException(
                                "the tokenizer has neither BOS nor EOS to stand for an empty"
                                        + " context"));
    }

    private static int[] prepend(int first, int[] ids) {
        return concat(new int[] {first}, ids);
    }

    static int[] concat(int[] a, int[] b) {
        int[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }

    /// White space as Python's `rstrip` sees it: Java's, and the blanks that do not break.
    private static boolean isBlank(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
    }
}
