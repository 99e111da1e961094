package dev.pollard.data;

import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The ids of one source, open for cutting windows from.
sealed interface TokenSource extends AutoCloseable {
    /// Ids that are there.
    long count();

    BosPolicy bos();

    /// Whether the ids are one sequence, and not the rows of a matrix.
    boolean isStream();

    /// Where windows of `length` ids may start, at least one: `stride` ids apart in a stream, at
    /// the rows of a matrix.
    ///
    /// @throws IllegalArgumentException if there is less than a window
    Starts starts(int length, int stride);

    /// Ids `[from, from + length)`, all inside the vocabulary.
    ///
    /// @throws dev.pollard.format.MalformedFileException if an id of a file is outside
    /// @throws IllegalArgumentException if an id that the tokenizer made is outside
    int[] read(long from, int length) throws IOException;

    /// What a reader of the report must know.
    List<String> notes(int length);

    @Override
    void close();

    /// Starts of windows: `count` of them, `stride` ids apart.
    record Starts(long count, long stride) {
        long at(long index) {
            return index * stride;
        }
    }

    /// Opens a source; of a text no more than about `characters` is tokenised, in whole texts from
    /// the start.
    static TokenSource open(
            Source source, Optional<Tokenizer> tokenizer, int vocabulary, int characters)
            throws IOException {
        return switch (source) {
            case Source.Ids(var file) -> new Stored(source, NpyFile.open(file), vocabulary);
            case Source.Document _, Source.Records _, Source.Rows _ ->
                    new Tokenised(source, present(tokenizer, source), vocabulary, characters);
        };
    }

    /// Opens a source of which only the first `ids` matter: a text is tokenised in whole texts from
    /// the start, until it gives so many or ends.
    static TokenSource openPrefix(
            Source source, Optional<Tokenizer> tokenizer, int vocabulary, long ids)
            throws IOException {
        for (long characters = 6 * ids; ; characters *= 2) {
            int limit = (int) Math.min(characters, Integer.MAX_VALUE);
            var tokens = open(source, tokenizer, vocabulary, limit);
            if (!(tokens instanceof Tokenised text) || text.complete() || text.count() >= ids) {
                return tokens;
            }
        }
    }

    private static Tokenizer present(Optional<Tokenizer> tokenizer, Source source) {
        return tokenizer.orElseThrow(
                () ->
                        new IllegalArgumentException(
                                source
                                        + " is text, and the model comes without a tokenizer:"
                                        + " give token ids (.npy)"));
    }

    /// What is wrong when there is not even one window.
    private static IllegalArgumentException tooShort(
            Source source, String rows, long tokens, int length) {
        return new IllegalArgumentException(
                "%s holds %s%,d tokens, one window needs %,d"
                        .formatted(source, rows, tokens, length));
    }

    /// Ids of a text, in memory.
    final class Tokenised implements TokenSource {
        /// Longest text that is tokenised, in characters.
        private static final int LONGEST = 1 << 29;

        private final Source source;
        private final int vocabulary;
        private final int[] ids;
        private final BosPolicy bos;
        private final int texts;
        private final boolean complete;

        Tokenised(Source source, Tokenizer tokenizer, int vocabulary, int characters)
                throws IOException {
            this.source = source;
            this.vocabulary = vocabulary;
            var joined = new StringBuilder();
            int[] counts = {0, 0}; // texts joined, texts seen
            TextReader.read(
                    source,
                    text -> {
                        counts[1]++;
                        if (counts[0] > 0 && joined.length() >= characters) {
                            return false;
                        }
                        if (joined.length() + (long) text.length() > LONGEST) {
                            throw new IllegalArgumentException(
                                    "%s is longer than %,d characters".formatted(source, LONGEST));
                        }
                        if (counts[0] > 0) {
                            joined.append(TokenWindows.JOIN);
                        }
                        joined.append(text);
                        counts[0]++;
                        return true;
                    });
            this.texts = counts[0];
            this.complete = counts[0] == counts[1];
            this.ids = tokenizer.encode(joined.toString(), true);
            this.bos = tokenizer.addsBos() ? BosPolicy.AT_START : BosPolicy.NONE;
        }

        /// Whether all texts of the source are in.
        boolean complete() {
            return complete;
        }

        @Override
        public long count() {
            return ids.length;
        }

        @Override
        public BosPolicy bos() {
            return bos;
        }

        @Override
        public boolean isStream() {
            return true;
        }

        @Override
        public Starts starts(int length, int stride) {
            return streamStarts(source, ids.length, length, stride);
        }

        @Override
        public int[] read(long from, int length) {
            int[] window = new int[length];
            System.arraycopy(ids, Math.toIntExact(from), window, 0, length);
            for (int i = 0; i < length; i++) {
                if (window[i] < 0 || window[i] >= vocabulary) {
                    throw new IllegalArgumentException(
                            "token %d of %s has the id %d, outside the model's vocabulary of %d: "
                                            .formatted(from + i, source, window[i], vocabulary)
                                    + "tokenizer and model do not belong together");
                }
            }
            return window;
        }

        @Override
        public List<String> notes(int length) {
            var notes = new ArrayList<String>();
            if (texts > 1) {
                notes.add("texts joined by two newlines and tokenised once, windows span them");
            }
            if (!complete) {
                notes.add("only the first %,d texts were tokenised".formatted(texts));
            }
            return notes;
        }

        @Override
        public void close() {}
    }

    /// Ids of a file, mapped.
    record Stored(Source source, NpyFile file, int vocabulary) implements TokenSource {
        @Override
        public long count() {
            return file.rows() * file.columns();
        }

        @Override
        public BosPolicy bos() {
            return BosPolicy.AS_IN_FILE;
        }

        @Override
        public boolean isStream() {
            return !file.isMatrix();
        }

        @Override
        public Starts starts(int length, int stride) {
            if (isStream()) {
                return streamStarts(source, file.columns(), length, stride);
            }
            if (file.rows() == 0 || file.columns() < length) {
                throw tooShort(source, file.rows() + " rows of ", file.columns(), length);
            }
            return new Starts(file.rows(), file.columns());
        }

        @Override
        public int[] read(long from, int length) throws IOException {
            return file.read(from, length, vocabulary);
        }

        @Override
        public List<String> notes(int length) {
            return file.isMatrix() && file.columns() > length
                    ? List.of(
                            "the first %,d of %,d ids of each row"
                                    .formatted(length, file.columns()))
                    : List.of();
        }

        @Override
        public void close() {
            file.close();
        }
    }

    private static Starts streamStarts(Source source, long ids, int length, int stride) {
        if (ids < length) {
            throw tooShort(source, "", ids, length);
        }
        return new Starts((ids - length) / stride + 1, stride);
    }
}
