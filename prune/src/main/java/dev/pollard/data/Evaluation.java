package dev.pollard.data;

import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// Which windows a model is evaluated on: the texts joined by two newlines and tokenised once.
///
/// - **Without overlap** (`stride = length`): ⌊tokens / length⌋ windows, the tail dropped; as in
///   the code of SparseGPT (Frantar and Alistarh, arXiv 2301.00774) and Wanda (Sun et al., arXiv
///   2306.11695). Of the rows of a 2-D file of ids the first `length` of each.
/// - **Strided** (`stride < length`): a window every `stride` tokens, and of all but the first only
///   what the one before did not reach is predicted, from `length - stride` tokens before it. The
///   last window ends with the text and may be shorter, so every token but the first is predicted
///   once.
///
/// @param length ids per window
/// @param stride ids from the start of a window to that of the next
/// @param limit evaluate only the first windows
public record Evaluation(Source source, int length, int stride, OptionalInt limit) {
    /// Windows without overlap.
    public Evaluation(Source source, int length, OptionalInt limit) {
        this(source, length, length, limit);
    }

    /// @throws IllegalArgumentException if a window has less than two ids, the stride is not in
    ///     `[1, length]`, or the limit is not positive
    public Evaluation {
        if (length < 2) {
            throw new IllegalArgumentException("a window needs at least two tokens: " + length);
        }
        if (stride < 1 || stride > length) {
            throw new IllegalArgumentException(
                    "windows of %d tokens every %d: the stride must be from 1 to the window"
                            .formatted(length, stride));
        }
        if (limit.isPresent() && limit.getAsInt() < 1) {
            throw new IllegalArgumentException("limit of windows: " + limit.getAsInt());
        }
    }

    /// Reads the windows. There is one [Origin]; its `available` tells how many windows there are
    /// without the limit.
    ///
    /// @param tokenizer may be empty if the source is token ids
    /// @param vocabulary size of the model's: ids must be below
    /// @throws IllegalArgumentException if the source is shorter than one window, has no such
    ///     field, needs a tokenizer that is not there, or holds rows that cannot overlap
    /// @throws dev.pollard.format.MalformedFileException if the file is empty or breaks its format
    /// @throws java.nio.file.NoSuchFileException if the file is missing
    public TokenWindows read(Optional<Tokenizer> tokenizer, int vocabulary) throws IOException {
        try (var tokens = TokenSource.open(source, tokenizer, vocabulary, Integer.MAX_VALUE)) {
            if (stride < length && !tokens.isStream()) {
                throw new IllegalArgumentException(
                        "%s holds rows of ids: each is a window of its own, and none overlap"
                                .formatted(source));
            }
            var starts = tokens.starts(length, stride);
            long reached = starts.at(starts.count() - 1) + length;
            boolean shorterLast = stride < length && reached < tokens.count();
            long available = starts.count() + (shorterLast ? 1 : 0);
            int count = (int) Math.min(available, limit.orElse(Integer.MAX_VALUE));
            int[][] windows = new int[count][];
            for (int i = 0; i < count; i++) {
                long from = starts.at(i);
                windows[i] = tokens.read(from, (int) Math.min(length, tokens.count() - from));
            }
            var origin =
                    new Origin(
                            source.toString(),
                            tokens.count(),
                            available,
                            count,
                            tokens.bos(),
                            tokens.notes(length));
            return new TokenWindows(windows, length, stride, List.of(origin));
        }
    }
}
