package dev.pollard.eval;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleBiFunction;

/// What is computed from the answers to a task's questions.
public enum Metric {
    /// Share of questions whose right choice has the highest log-likelihood; of a last word, the
    /// share guessed greedily.
    ACC("acc", true, true),
    /// The same with log-likelihoods divided by the length of the choice in characters (Unicode
    /// code points).
    ACC_NORM("acc_norm", true, true),
    /// exp of the mean negative log-likelihood of an item.
    PERPLEXITY("perplexity", false, false),
    /// exp of the negative log-likelihood of all items over their words.
    WORD_PERPLEXITY("word_perplexity", false, false),
    /// exp of the negative log-likelihood of all items over their bytes in UTF-8.
    BYTE_PERPLEXITY("byte_perplexity", false, false),
    /// Logarithm to base 2 of the perplexity by bytes.
    BITS_PER_BYTE("bits_per_byte", false, false);

    private final String key;
    private final boolean higherIsBetter;
    private final boolean proportion;

    Metric(String key, boolean higherIsBetter, boolean proportion) {
        this.key = key;
        this.higherIsBetter = higherIsBetter;
        this.proportion = proportion;
    }

    /// As lm-evaluation-harness calls it.
    public String key() {
        return key;
    }

    /// Whether more is better.
    public boolean higherIsBetter() {
        return higherIsBetter;
    }

    /// Whether it is the share of items that are right.
    public boolean isProportion() {
        return proportion;
    }

    /// The metric of the items' answers.
    ///
    /// @param answers of every item, in order: one for each of its requests
    Measure of(List<? extends Item> items, List<List<Scored>> answers) {
        return switch (this) {
            case ACC -> Measure.mean(this, each(items, answers, (item, a) -> acc(item, a, false)));
            case ACC_NORM ->
                    Measure.mean(this, each(items, answers, (item, a) -> acc(item, a, true)));
            case PERPLEXITY -> Measure.perplexity(each(items, answers, (_, a) -> loss(a)));
            case WORD_PERPLEXITY ->
                    Measure.perplexity(
                            this,
                            each(items, answers, (_, a) -> loss(a)),
                            each(items, answers, (item, _) -> page(item).words()));
            case BYTE_PERPLEXITY, BITS_PER_BYTE ->
                    Measure.perplexity(
                            this,
                            each(items, answers, (_, a) -> loss(a)),
                            each(items, answers, (item, _) -> page(item).bytes()));
        };
    }

    private static double[] each(
            List<? extends Item> items,
            List<List<Scored>> answers,
            ToDoubleBiFunction<Item, List<Scored>> function) {
        double[] values = new double[items.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = function.applyAsDouble(items.get(i), answers.get(i));
        }
        return values;
    }

    private static double loss(List<Scored> answer) {
        return -answer.getFirst().logLikelihood();
    }

    private static double acc(Item item, List<Scored> answer, boolean byLength) {
        return switch (item) {
            case Item.Choice choice -> choice.best(answer, byLength) == choice.gold() ? 1 : 0;
            case Item.LastWord _ -> answer.getFirst().greedy() ? 1 : 0;
            case Item.Page _ -> throw new IllegalArgumentException("a page is not right or wrong");
        };
    }

    private static Item.Page page(Item item) {
        if (item instanceof Item.Page page) {
            return page;
        }
        throw new IllegalArgumentException("words and bytes are counted of pages only");
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
