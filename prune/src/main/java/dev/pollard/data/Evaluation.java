package dev.pollard.data;

import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// Which windows a model is evaluated on: the texts joined by two newlines, tokenised once,
/// ⌊tokens / length⌋ windows without overlap, the tail dropped; as in the code of SparseGPT
/// (Frantar and Alistarh, arXiv 2301.00774) and Wanda (Sun et al., arXiv 2306.11695).
///
/// Of a 1-D file of ids windows are cut as of a text. The rows of a 2-D file are windows: the first
/// `length` ids of each.
///
/// @param length ids per window
/// @param limit evaluate only the first windows
public record Evaluation(Source source, int length, OptionalInt limit) {
    /// @throws IllegalArgumentException if a window has less than two ids or the limit is not
    ///     positive
    public Evaluation {
        if (length < 2) {
            throw new IllegalArgumentException("a window needs at least two tokens: " + length);
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
    ///     field, or needs a tokenizer that is not there
    /// @throws dev.pollard.format.MalformedFileException if the file is empty or breaks its format
    /// @throws java.nio.file.NoSuchFileException if the file is missing
    public TokenWindows read(Optional<Tokenizer> tokenizer, int vocabulary) throws IOException {
        try (var tokens = TokenSource.open(source, tokenizer, vocabulary, Integer.MAX_VALUE)) {
            var starts = tokens.starts(length, false);
            int count = (int) Math.min(starts.count(), limit.orElse(Integer.MAX_VALUE));
            int[][] windows = new int[count][];
            for (int i = 0; i < count; i++) {
                windows[i] = tokens.read(starts.at(i), length);
            }
            var origin =
                    new Origin(
                            source.toString(),
                            tokens.count(),
                            starts.count(),
                            count,
                            tokens.bos(),
                            tokens.notes(length));
            return new TokenWindows(windows, length, List.of(origin));
        }
    }
}
