package dev.pollard.eval;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/// The questions of a task, all or some of them, ready to be asked.
///
/// @param shots solved examples in front of every question
/// @param available questions that the data has
public record Questions(Task task, int shots, List<Item> items, int available) {
    public Questions {
        items = List.copyOf(items);
    }

    /// At most `limit` of the questions, drawn without replacement by `seed`, in their old order.
    ///
    /// @throws IllegalArgumentException if the limit is not positive
    public Questions sample(int limit, long seed) {
        if (limit < 1) {
            throw new IllegalArgumentException("limit of questions: " + limit);
        }
        if (limit >= items.size()) {
            return this;
        }
        int[] order = IntStream.range(0, items.size()).toArray();
        var random = new SplittableRandom(seed);
        for (int i = 0; i < limit; i++) { // the beginning of Fisher and Yates' shuffle
            int j = random.nextInt(i, order.length);
            int drawn = order[j];
            order[j] = order[i];
            order[i] = drawn;
        }
        var drawn = IntStream.of(order).limit(limit).sorted().mapToObj(items::get).toList();
        return new Questions(task, shots, drawn, available);
    }

    /// Asks `scorer` all of them.
    public Answers ask(Scorer scorer, Perplexity.Progress progress) {
        long start = System.nanoTime();
        var requests = new ArrayList<Request.LogLikelihood>();
        var pages = new ArrayList<Request.Rolling>();
        for (var item : items) {
            switch (item) {
                case Item.Choice choice -> requests.addAll(choice.requests());
                case Item.LastWord word -> requests.add(word.request());
                case Item.Page page -> pages.add(page.request());
            }
        }
        List<Scored> scored =
                pages.isEmpty()
                        ? scorer.logLikelihoods(requests, progress)
                        : scorer.rolling(pages, progress);
        return Answers.of(this, scored, (System.nanoTime() - start) / 1e9);
    }

    /// SHA-256 of the texts asked and the right answers, hexadecimal.
    public String sha256() {
        try {
            var digest = MessageDigest.getInstance("SHA-256");
            for (var item : items) {
                switch (item) {
                    case Item.Choice choice -> {
                        choice.requests().forEach(request -> update(digest, request));
                        update(digest, Integer.toString(choice.gold()));
                    }
                    case Item.LastWord word -> update(digest, word.request());
                    case Item.Page page -> {
                        update(digest, page.request().text());
                        update(digest, page.words() + " " + page.bytes());
                    }
                }
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }

    private static void update(MessageDigest digest, Request.LogLikelihood request) {
        update(digest, request.context());
        update(digest, request.continuation());
    }

    private static void update(MessageDigest digest, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
        digest.update(bytes);
    }
}
