package dev.pollard.tokenizer;

import dev.pollard.tokenizer.TokenizerJson.AddedToken;
import dev.pollard.tokenizer.TokenizerJson.Merge;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/// Makes a byte-level BPE vocabulary of texts (Sennrich et al., arXiv 1508.07909; on bytes, as
/// GPT-2's, Radford et al. 2019): every byte is a token, and again and again the most frequent pair
/// of neighbours inside a word becomes one, until the vocabulary is full.
///
/// Words are those of [PreTokenization#DIGITS]: GPT-2's, with every digit a word of its own. Of
/// pairs that are equally frequent the one with the smaller ids comes first, so the same texts give
/// the same file, in whatever order they are added. Not for several threads.
public final class BpeTrainer {
    private static final int BYTES = 256;

    /// A pair seen less often is not worth a token.
    private static final int RAREST = 2;

    private static final Pattern DIGIT = Pattern.compile("\\p{N}");

    private static final Pattern WORD =
            Pattern.compile(PreTokenization.GPT_2_WORDS, Pattern.UNICODE_CHARACTER_CLASS);

    private final int vocabularySize;
    private final String bos;
    private final String eos;
    private final Map<String, long[]> counts = new HashMap<>();

    /// @param vocabularySize tokens in all, beginning and end of text among them
    /// @param bos how beginning of text is written; token 0, which stands before a text when
    ///     special tokens are asked for
    /// @param eos how end of text is written; token 1
    /// @throws IllegalArgumentException if the vocabulary has no room for all bytes and these two,
    ///     or they are not two
    public BpeTrainer(int vocabularySize, String bos, String eos) {
        if (vocabularySize < BYTES + 2) {
            throw new IllegalArgumentException(
                    "a vocabulary of %d is too small: all bytes and two special tokens are %d"
                            .formatted(vocabularySize, BYTES + 2));
        }
        if (bos.isEmpty() || eos.isEmpty() || bos.equals(eos)) {
            throw new IllegalArgumentException(
                    "beginning and end of text are not two tokens: '%s', '%s'".formatted(bos, eos));
        }
        this.vocabularySize = vocabularySize;
        this.bos = bos;
        this.eos = eos;
    }

    /// Counts the words of a text.
    ///
    /// @param weight how often the text counts, at least once
    public void add(String text, int weight) {
        if (weight < 1) {
            throw new IllegalArgumentException("weight of a text: " + weight);
        }
        var digit = DIGIT.matcher(text);
        int from = 0;
        while (digit.find()) {
            addWords(text, from, digit.start(), weight);
            count(digit.group(), weight);
            from = digit.end();
        }
        addWords(text, from, text.length(), weight);
    }

    /// Words between two digits, of which neither is seen.
    private void addWords(String text, int from, int to, int weight) {
        var word = WORD.matcher(text).region(from, to);
        while (word.find()) {
            count(word.group(), weight);
        }
    }

    private void count(String word, int weight) {
        counts.computeIfAbsent(word, _ -> new long[1])[0] += weight;
    }

    /// The tokenizer of the texts added. Its vocabulary is smaller than asked for if the texts have
    /// not enough pairs that occur twice.
    ///
    /// @throws IllegalArgumentException if no text was added
    public Tokenizer train() throws IOException {
        if (counts.isEmpty()) {
            throw new IllegalArgumentException("no text to make a vocabulary of");
        }
        var vocabulary = new LinkedHashMap<String, Integer>();
        vocabulary.put(bos, 0);
        vocabulary.put(eos, 1);
        String[] letters = letters();
        List.of(letters).stream()
                .sorted()
                .forEach(letter -> vocabulary.put(letter, vocabulary.size()));
        var tokens = new ArrayList<>(vocabulary.keySet());
        int[] idOfByte = new int[BYTES];
        for (int b = 0; b < BYTES; b++) {
            idOfByte[b] = vocabulary.get(letters[b]);
        }

        var corpus = new Corpus();
        counts.forEach((word, count) -> corpus.add(ids(word, idOfByte), count[0]));
        var merges = new ArrayList<Merge>();
        while (vocabulary.size() < vocabularySize) {
            Pair pair = corpus.mostFrequent();
            if (pair == null) {
                break;
            }
            var merge = new Merge(tokens.get(pair.left()), tokens.get(pair.right()));
            String token = merge.left() + merge.right();
            merges.add(merge);
            // Two merges may lead to one token: "a"+"bc" and "ab"+"c".
            Integer known = vocabulary.putIfAbsent(token, vocabulary.size());
            if (known == null) {
                tokens.add(token);
            }
            corpus.merge(pair, vocabulary.get(token));
        }
        return tokenizer(vocabulary, merges);
    }

    private Tokenizer tokenizer(LinkedHashMap<String, Integer> vocabulary, List<Merge> merges)
            throws IOException {
        var json = TokenizerJson.byteLevelBpe(vocabulary, merges, PreTokenization.DIGITS, false);
        var begin = new AddedToken(0, bos, true);
        TokenizerJson.addTokens(json, List.of(begin, new AddedToken(1, eos, true)));
        TokenizerJson.frame(json, List.of(begin), List.of());
        var config =
                TokenizerJson.object(
                        "tokenizer_class",
                        "PreTrainedTokenizerFast",
                        "bos_token",
                        bos,
                        "eos_token",
                        eos,
                        "clean_up_tokenization_spaces",
                        false);
        return Tokenizer.of(
                new TokenizerDefinition(
                        Path.of(HuggingFaceFolder.TOKENIZER),
                        TokenizerJson.write(json),
                        TokenizerJson.write(config),
                        bos,
                        eos));
    }

    private static int[] ids(String word, int[] idOfByte) {
        byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
        int[] ids = new int[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            ids[i] = idOfByte[bytes[i] & 0xFF];
        }
        return ids;
    }

    /// How GPT-2 writes every byte: printable ones as themselves, the others as letters from 256
    /// on.
    static String[] letters() {
        var letters = new String[BYTES];
        int next = BYTES;
        for (int b = 0; b < BYTES; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®';
            letters[b] = Character.toString(printable ? b : next++);
        }
        return letters;
    }

    /// Two neighbouring tokens, and how often they were seen.
    private record Pair(int left, int right, long count) {
        static final Comparator<Pair> MOST_FREQUENT_FIRST =
                Comparator.comparingLong(Pair::count)
                        .reversed()
                        .thenComparingInt(Pair::left)
                        .thenComparingInt(Pair::right);

        static long key(int left, int right) {
            return (long) left << Integer.SIZE | right;
        }

        long key() {
            return key(left, right);
        }
    }

    /// How often a pair occurs, and where.
    private static final class Places {
        private static final int FIRST = 4;

        long count;
        private int[] words =
                new int[FIRST]; // some may hold it no longer, none stands twice in turn
        private int size;

        void add(int word) {
            if (size > 0 && words[size - 1] == word) {
                return;
            }
            if (size == words.length) {
                words = Arrays.copyOf(words, 2 * size);
            }
            words[size++] = word;
        }

        IntStream words() {
            return Arrays.stream(words, 0, size).distinct();
        }
    }

    /// The distinct words as tokens, and how often every pair occurs, kept up to date merge by
    /// merge: a merge touches only the words that hold it.
    private static final class Corpus {
        private final List<int[]> words = new ArrayList<>();
        private final List<Long> counts = new ArrayList<>();
        private final Map<Long, Places> pairs = new HashMap<>();

        /// Counts in it may be out of date, never too small.
        private PriorityQueue<Pair> queue;

        void add(int[] word, long count) {
            words.add(word);
            counts.add(count);
            note(words.size() - 1, count);
        }

        private void note(int index, long count) {
            int[] word = words.get(index);
            for (int i = 0; i + 1 < word.length; i++) {
                Places places =
                        pairs.computeIfAbsent(Pair.key(word[i], word[i + 1]), _ -> new Places());
                places.count += count;
                if (count > 0) {
                    places.add(index);
                }
            }
        }

        /// Null if no pair is frequent enough.
        Pair mostFrequent() {
            if (queue == null) {
                queue = new PriorityQueue<>(Pair.MOST_FREQUENT_FIRST);
                pairs.forEach((key, places) -> queue(key, places.count));
            }
            for (Pair pair; (pair = queue.poll()) != null; ) {
                Places places = pairs.get(pair.key());
                if (places != null && places.count == pair.count()) {
                    return pair;
                }
                if (places != null) {
                    queue(pair.key(), places.count);
                }
            }
            return null;
        }

        private void queue(long key, long count) {
            if (count >= RAREST) {
                queue.add(new Pair((int) (key >>> Integer.SIZE), (int) key, count));
            }
        }

        void merge(Pair pair, int token) {
            var places = pairs.get(pair.key());
            int[] holders = places.words().toArray();
            Arrays.stream(holders)
                    .forEach(
                            index -> {
                                note(index, -counts.get(index));
                                words.set(index, merged(words.get(index), pair, token));
                                note(index, counts.get(index));
                            });
            pairs.remove(pair.key());
            // Only pairs with the new token can have become more frequent.
            Arrays.stream(holders)
                    .mapToObj(words::get)
                    .flatMapToLong(Corpus::keys)
                    .filter(key -> (int) key == token || key >>> Integer.SIZE == token)
                    .distinct()
                    .forEach(key -> queue(key, pairs.get(key).count));
        }

        private static LongStream keys(int[] word) {
            return IntStream.range(1, word.length).mapToLong(i -> Pair.key(word[i - 1], word[i]));
        }

        private static int[] merged(int[] word, Pair pair, int token) {
            int[] merged = new int[word.length];
            int length = 0;
            for (int i = 0; i < word.length; i++) {
                boolean both =
                        i + 1 < word.length
                                && word[i] == pair.left()
                                && word[i + 1] == pair.right();
                merged[length++] = both ? token : word[i];
                if (both) {
                    i++;
                }
            }
            return Arrays.copyOf(merged, length);
        }
    }
}
