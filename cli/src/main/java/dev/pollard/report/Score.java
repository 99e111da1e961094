package dev.pollard.report;

import dev.pollard.recipe.RunRecord.EvaluationFacts;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/// One metric of one task in the words of a report. Accuracies are said in per cent, and their
/// differences in points of it.
public record Score(EvaluationFacts facts) {
    private static final String PERPLEXITY = "perplexity:";
    private static final Pattern STRIDED =
            Pattern.compile("perplexity-strided:(?:(\\d+/\\d+):)?(.*)");

    /// The scores of a record, in its order.
    static List<Score> of(List<EvaluationFacts> evaluations) {
        return evaluations.stream().map(Score::new).toList();
    }

    public String task() {
        return task(facts.task());
    }

    /// A task without folders: `wiki.test.raw.gz` of `perplexity:rows:/data/wiki.test.raw.gz`,
    /// `law.jsonl, strided 1024/256` of `perplexity-strided:1024/256:/data/law.jsonl`.
    public static String task(String task) {
        var strided = STRIDED.matcher(task);
        if (strided.matches()) {
            String windows = strided.group(1) == null ? "" : " " + strided.group(1);
            return Figures.sourceName(strided.group(2)) + ", strided" + windows;
        }
        return Figures.sourceName(
                task.startsWith(PERPLEXITY) ? task.substring(PERPLEXITY.length()) : task);
    }

    public String metric() {
        return facts.metric();
    }

    /// Whether it is a share of questions answered well.
    public boolean isAccuracy() {
        return facts.higherIsBetter() && facts.metric().startsWith("acc");
    }

    public String dense() {
        return value(facts.dense());
    }

    public String pruned() {
        return value(facts.pruned());
    }

    /// The control's value; empty if there is none.
    public String control() {
        return facts.control() == null ? "" : value(facts.control());
    }

    /// A value of this metric.
    String value(double value) {
        return isAccuracy() ? Figures.percent(value) : Figures.number(value);
    }

    /// A value with its standard error: `61.23 % ± 1.37`.
    public static String with(String value, String error) {
        return error.isEmpty() ? value : value + " ± " + error;
    }

    /// Standard error of the dense value; empty if unknown.
    public String denseError() {
        return error(facts.denseStderr());
    }

    /// Standard error of the pruned value; empty if unknown.
    public String prunedError() {
        return error(facts.stderr());
    }

    private String error(Double error) {
        if (error == null || !Double.isFinite(error)) {
            return "";
        }
        return isAccuracy()
                ? String.format(Locale.ROOT, "%.2f", 100 * error)
                : Figures.brief(error);
    }

    /// How far the metric went, with its standard error if the record has it: `+42.9 %`, `-2.10
    /// points ± 0.80`; empty if that cannot be said.
    public String difference() {
        if (!isAccuracy()) {
            return Figures.change(facts.dense(), facts.pruned());
        }
        double points = 100 * (facts.pruned() - facts.dense());
        return Double.isFinite(points)
                ? with(
                        String.format(Locale.ROOT, "%+.2f points", points),
                        error(facts.differenceStderr()))
                : "";
    }

    public Verdict verdict() {
        return Verdict.of(facts);
    }

    /// What the method is worth beside the control: how much of what the control loses against the
    /// dense model it does not lose. Empty if there is no control, or it loses nothing.
    public String againstControl() {
        return wonBack(wonBack());
    }

    /// 1 if nothing is lost, 0 if as much as by the control; not a number if that means nothing.
    double wonBack() {
        return facts.control() == null
                ? Double.NaN
                : wonBack(
                        facts.higherIsBetter() ? 1 : -1,
                        facts.dense(),
                        facts.control(),
                        facts.pruned());
    }

    /// @param sign 1 where more is better, -1 where less is
    static double wonBack(int sign, double dense, double control, double pruned) {
        double lost = sign * (dense - control);
        double won = sign * (pruned - control);
        return lost > 0 && Double.isFinite(won / lost) ? won / lost : Double.NaN;
    }

    /// The same in words.
    static String wonBack(double part) {
        if (Double.isNaN(part)) {
            return "";
        }
        return part >= 0
                ? "%s of its loss won back".formatted(share(part))
                : "loses %s more".formatted(share(-part));
    }

    private static String share(double part) {
        return part < 10
                ? String.format(Locale.ROOT, "%.0f %%", 100 * part)
                : "× " + Figures.brief(part);
    }

    /// On what it was measured: `140 of 140 windows of 2,048 tokens, BOS none`; `1,838 questions,
    /// 5-shot, version 1`.
    public String measuredOn() {
        var parts = new ArrayList<String>();
        if (facts.items() != null) {
            parts.add(Figures.count(facts.items(), "question"));
        }
        if (facts.shots() != null) {
            parts.add(facts.shots() + "-shot");
        }
        if (facts.version() != null) {
            parts.add("version " + facts.version());
        }
        if (facts.windows() > 0) {
            parts.add(
                    "%s of %s windows of %s tokens"
                            .formatted(
                                    Figures.count(facts.windows()),
                                    Figures.count(facts.windowsAvailable()),
                                    Figures.count(facts.length())));
            parts.add("BOS " + facts.bos());
        }
        return String.join(", ", parts);
    }
}
