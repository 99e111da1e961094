package dev.pollard.eval;

import dev.pollard.format.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
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

    /// The same questions, but of texts to be written no more than `tokens`.
    public Questions writingAtMost(int tokens) {
        var shorter = items.stream().map(item -> writingAtMost(item, tokens)).toList();
        return new Questions(task, shots, shorter, available);
    }

    private static Item writingAtMost(Item item, int tokens) {
        if (!(item instanceof Item.Summary(int index, var request, var reference, var stemmed))) {
            return item;
        }
        var shorter =
                new Request.Generate(
                        request.context(), request.until(), tokens, request.stripped());
        return new Item.Summary(index, shorter, reference, stemmed);
    }

    /// Whether texts are to be written.
    public boolean areWritten() {
        return items.getFirst() instanceof Item.Summary;
    }

    /// How many answers all of them ask for.
    int requests() {
        return items.stream().mapToInt(Questions::requests).sum();
    }

    static int requests(Item item) {
        return item instanceof Item.Choice choice ? choice.requests().size() : 1;
    }

    /// Makes sure that the task's metrics mean something on these questions.
    ///
    /// @throws IllegalArgumentException if classes are to be told apart and there is only one
    public void requireMeasurable() {
        if (task.metrics().stream().noneMatch(Metric::isOfClasses)) {
            return;
        }
        var classes = items.stream().map(Item.Choice.class::cast).map(Item.Choice::gold).distinct();
        if (classes.count() == 1) {
            var choice = (Item.Choice) items.getFirst();
            throw new IllegalArgumentException(
                    "%s: the answer to all of the %,d questions is '%s'; macro-F1 needs questions of two classes"
                            .formatted(
                                    task.name(),
                                    items.size(),
                                    choice.requests().get(choice.gold()).continuation().strip()));
        }
    }

    /// Asks `scorer` all of them.
    ///
    /// @param decoding of texts to be written
    public Answers ask(Scorer scorer, Decoding decoding, Perplexity.Progress progress) {
        long start = System.nanoTime();
        var requests = new ArrayList<Request.LogLikelihood>();
        var pages = new ArrayList<Request.Rolling>();
        var summaries = new ArrayList<Request.Generate>();
        for (var item : items) {
            switch (item) {
                case Item.Choice choice -> requests.addAll(choice.requests());
                case Item.LastWord word -> requests.add(word.request());
                case Item.Page page -> pages.add(page.request());
                case Item.Summary summary -> summaries.add(summary.request());
            }
        }
        if (!summaries.isEmpty()) {
            var texts = scorer.generate(summaries, decoding, progress);
            return Answers.written(this, texts, (System.nanoTime() - start) / 1e9);
        }
        List<Scored> scored =
                pages.isEmpty()
                        ? scorer.logLikelihoods(requests, progress)
                        : scorer.rolling(pages, progress);
        return Answers.scored(this, scored, (System.nanoTime() - start) / 1e9);
    }

    /// SHA-256 of the texts asked and the right answers, hexadecimal.
    public String sha256() {
        var hash = new Sha256();
        for (var item : items) {
            switch (item) {
                case Item.Choice choice -> {
                    choice.requests().forEach(request -> add(hash, request));
                    add(hash, Integer.toString(choice.gold()));
                }
                case Item.LastWord word -> add(hash, word.request());
                case Item.Page page -> {
                    add(hash, page.request().text());
                    add(hash, page.words() + " " + page.bytes());
                }
                case Item.Summary summary -> {
                    var request = summary.request();
                    add(hash, request.context());
                    request.until().forEach(end -> add(hash, end));
                    add(hash, request.maxTokens() + " " + summary.stemmed());
                    add(hash, summary.reference());
                }
            }
        }
        return hash.hex();
    }

    private static void add(Sha256 hash, Request.LogLikelihood request) {
        add(hash, request.context());
        add(hash, request.continuation());
    }

    /// After its length, so that no two lists of texts are one.
    private static void add(Sha256 hash, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        hash.add(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
        hash.add(ByteBuffer.wrap(bytes));
    }
}
