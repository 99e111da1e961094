package dev.pollard.data;

import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/// Which token sequences a model is calibrated on.
///
/// The texts of a source are joined by two newlines and tokenised once, so a window may span
/// documents: long ones are rare. Several sources share the samples evenly, the first ones take
/// what does not divide; windows stand in the order of the sources.
///
/// Of a 1-D file of ids windows are cut as of a text. The rows of a 2-D file are sequences: the
/// first `length` ids of each row taken.
///
/// @param samples number of windows
/// @param length ids per window
/// @param seed for [Sampling#RANDOM]
public record Calibration(
        List<Source> sources, int samples, int length, Sampling sampling, long seed) {
    /// Ids tokenised beyond the last one that consecutive windows need. Texts are never cut, so
    /// what is left out begins after a join; a pre-tokenizer looks ahead one character and a merge
    /// never leaves its word, so ids that far before the end are those of the whole.
    private static final int MARGIN = 1024;

    /// Characters of a text source that random windows are drawn from.
    private static final int RANDOM_TEXT = 1 << 24;

    /// @throws IllegalArgumentException if there are no sources, fewer samples than sources, or a
    ///     window of less than two ids
    public Calibration {
        sources = List.copyOf(sources);
        if (sources.isEmpty()) {
            throw new IllegalArgumentException("no calibration source");
        }
        if (samples < sources.size()) {
            throw new IllegalArgumentException(
                    "%d samples cannot be shared by %d sources".formatted(samples, sources.size()));
        }
        if (length < 2) {
            throw new IllegalArgumentException("a window needs at least two tokens: " + length);
        }
        Math.multiplyExact(samples, length);
    }

    /// Reads the windows.
    ///
    /// @param tokenizer may be empty if all sources are token ids
    /// @param vocabulary size of the model's: ids must be below
    /// @throws IllegalArgumentException if a source holds less than it must give, has no such
    ///     field, or needs a tokenizer that is not there
    /// @throws dev.pollard.format.MalformedFileException if a file is empty or breaks its format
    /// @throws java.nio.file.NoSuchFileException if a file is missing
    public TokenWindows read(Optional<Tokenizer> tokenizer, int vocabulary) throws IOException {
        return read(tokenizer, vocabulary, sampling == Sampling.RANDOM ? 1 : length);
    }

    /// Reads windows of which no two share a token of the source, so that some of them can be held
    /// out: chosen as [#read] does, among those that lie end to end.
    ///
    /// @throws IllegalArgumentException and the others as [#read]
    public TokenWindows readApart(Optional<Tokenizer> tokenizer, int vocabulary)
            throws IOException {
        return read(tokenizer, vocabulary, length);
    }

    /// @param stride ids between the starts that windows may have
    private TokenWindows read(Optional<Tokenizer> tokenizer, int vocabulary, int stride)
            throws IOException {
        var windows = new ArrayList<int[]>();
        var origins = new ArrayList<Origin>();
        for (int i = 0; i < sources.size(); i++) {
            var source = sources.get(i);
            int share = samples / sources.size() + (i < samples % sources.size() ? 1 : 0);
            try (var tokens = open(source, share, tokenizer, vocabulary)) {
                var starts = tokens.starts(length, stride);
                if (starts.count() < share) {
                    throw new IllegalArgumentException(
                            "%s gives %,d windows of %,d tokens, %,d are needed"
                                    .formatted(source, starts.count(), length, share));
                }
                for (long index : choose(starts.count(), share, seed + i)) {
                    windows.add(tokens.read(starts.at(index), length));
                }
                origins.add(
                        new Origin(
                                source.toString(),
                                tokens.count(),
                                starts.count(),
                                share,
                                tokens.bos(),
                                tokens.notes(length)));
            }
        }
        return new TokenWindows(windows.toArray(int[][]::new), length, origins);
    }

    private TokenSource open(
            Source source, int share, Optional<Tokenizer> tokenizer, int vocabulary)
            throws IOException {
        return switch (sampling) {
            case CONSECUTIVE ->
                    TokenSource.openPrefix(
                            source, tokenizer, vocabulary, (long) share * length + MARGIN);
            case RANDOM -> TokenSource.open(source, tokenizer, vocabulary, RANDOM_TEXT);
        };
    }

    private Iterable<Long> choose(long available, int share, long seed) {
        var chosen = new LinkedHashSet<Long>();
        var random = new Random(seed);
        while (chosen.size() < share) {
            chosen.add(
                    switch (sampling) {
                        case CONSECUTIVE -> (long) chosen.size();
                        case RANDOM -> random.nextLong(available);
                    });
        }
        return chosen;
    }
}
