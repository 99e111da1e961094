package dev.pollard.eval;

import dev.pollard.format.Nearest;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToDoubleBiFunction;

/// What is computed from the answers to a task's questions.
public enum Metric {
    /// Share of questions whose right choice has the highest log-likelihood; of a last word, the
    /// share guessed greedily.
    ACC("acc", true, true),
    /// The same with log-likelihoods divided by the length of the choice in characters (Unicode
    /// code points).
    ACC_NORM("acc_norm", true, true),
    /// The same with log-likelihoods divided by the tokens of the choice.
    ACC_PER_TOKEN("acc_per_token", true, true),
    /// Mean over the classes of 2 · right / (questions of the class + choices of it), the choice
    /// that of [#ACC]; over the classes that are right or chosen at least once.
    F1_MACRO("f1_macro", true, false),
    /// The same of the choice of [#ACC_PER_TOKEN].
    F1_MACRO_PER_TOKEN("f1_macro_per_token", true, false),
    /// Mean F1 of ROUGE-1 (Lin, 2004): words that the text and its reference share.
    ROUGE1("rouge1", true, false),
    /// Mean F1 of ROUGE-2: pairs of words.
    ROUGE2("rouge2", true, false),
    /// Mean F1 of ROUGE-L: the longest common subsequence of words.
    ROUGE_L("rougeL", true, false),
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

    /// As lm-evaluation-harness calls it, if it has it.
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

    /// The metric of this key.
    ///
    /// @throws IllegalArgumentException if there is no such metric
    static Metric named(String key) {
        var keys = Arrays.stream(values()).map(Metric::key).toList();
        int index = keys.indexOf(key);
        if (index < 0) {
            throw new IllegalArgumentException(Nearest.unknown("metric", key, keys));
        }
        return values()[index];
    }

    /// Whether it is a mean over items, so that an item has a value of it.
    public boolean isMean() {
        return switch (this) {
            case ACC, ACC_NORM, ACC_PER_TOKEN, ROUGE1, ROUGE2, ROUGE_L -> true;
            case F1_MACRO, F1_MACRO_PER_TOKEN, PERPLEXITY -> false;
            case WORD_PERPLEXITY, BYTE_PERPLEXITY, BITS_PER_BYTE -> false;
        };
    }

    /// Whether it asks which class a question belongs to: the choices are the same for all.
    boolean isOfClasses() {
        return this == F1_MACRO || this == F1_MACRO_PER_TOKEN;
    }

    /// Whether it can be computed of items of this kind.
    boolean isOf(Class<? extends Item> kind) {
        return switch (this) {
            case ACC -> kind == Item.Choice.class || kind == Item.LastWord.class;
            case ACC_NORM, ACC_PER_TOKEN, F1_MACRO, F1_MACRO_PER_TOKEN -> kind == Item.Choice.class;
            case ROUGE1, ROUGE2, ROUGE_L -> kind == Item.Summary.class;
            case PERPLEXITY -> kind == Item.LastWord.class;
            case WORD_PERPLEXITY, BYTE_PERPLEXITY, BITS_PER_BYTE -> kind == Item.Page.class;
        };
    }

    /// The metric of the items' answers.
    ///
    /// @param answers of every item, in order: one for each of its requests
    /// @param texts written, if texts were to be written
    Measure of(List<? extends Item> items, List<List<Scored>> answers, List<String> texts) {
        return switch (this) {
            case ACC -> acc(items, answers, Item.Per.ANSWER);
            case ACC_NORM -> acc(items, answers, Item.Per.CHARACTER);
            case ACC_PER_TOKEN -> acc(items, answers, Item.Per.TOKEN);
            case F1_MACRO -> macroF1(items, answers, Item.Per.ANSWER);
            case F1_MACRO_PER_TOKEN -> macroF1(items, answers, Item.Per.TOKEN);
            case ROUGE1 -> rouge(items, texts, Rouge::unigrams);
            case ROUGE2 -> rouge(items, texts, Rouge::bigrams);
            case ROUGE_L -> rouge(items, texts, Rouge::subsequence);
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

    private Measure acc(List<? extends Item> items, List<List<Scored>> answers, Item.Per per) {
        return Measure.mean(this, each(items, answers, (item, a) -> acc(item, a, per)));
    }

    private static double acc(Item item, List<Scored> answer, Item.Per per) {
        return switch (item) {
            case Item.Choice choice -> choice.best(answer, per) == choice.gold() ? 1 : 0;
            case Item.LastWord _ -> answer.getFirst().greedy() ? 1 : 0;
            case Item.Page _, Item.Summary _ ->
                    throw new IllegalArgumentException("%s is not right or wrong".formatted(item));
        };
    }

    private Measure macroF1(List<? extends Item> items, List<List<Scored>> answers, Item.Per per) {
        int[] gold = new int[items.size()];
        int[] chosen = new int[items.size()];
        for (int i = 0; i < gold.length; i++) {
            if (items.get(i) instanceof Item.Choice choice) {
                gold[i] = choice.gold();
                chosen[i] = choice.best(answers.get(i), per);
            } else {
                throw new IllegalArgumentException("classes are those of questions with choices");
            }
        }
        return Measure.macroF1(this, gold, chosen);
    }

    private Measure rouge(
            List<? extends Item> items,
            List<String> texts,
            Function<Rouge, Rouge.Overlap> overlap) {
        double[] values = new double[items.size()];
        for (int i = 0; i < values.length; i++) {
            if (items.get(i) instanceof Item.Summary summary) {
                values[i] = overlap.apply(summary.rouge(texts.get(i))).f();
            } else {
                throw new IllegalArgumentException("ROUGE is that of texts with a reference");
            }
        }
        return Measure.mean(this, values);
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
