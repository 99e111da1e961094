package dev.pollard.report;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.LayerFacts;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// What a run brought and what it did not, in sentences: the same for the page and the card.
///
/// @param removed weights set to zero
/// @param prunedWeights weights of the layers that were pruned, zero or not
record Outcome(long removed, long prunedWeights, List<String> gained, List<String> notGained) {
    private static final double SAME = 0.01;

    static Outcome of(RunRecord record, LayerGrid grid) {
        long weights = 0;
        double zeros = 0;
        for (LayerFacts layer : grid.layers()) {
            long size = layer.rows() * layer.columns();
            weights += size;
            zeros += size * layer.sparsity();
        }
        long removed = Math.round(zeros);
        var gained = new ArrayList<String>();
        var notGained = new ArrayList<String>();
        if (removed > 0) {
            gained.add(
                    "%s of %s weights in %s are zero; that is %s of the whole model."
                            .formatted(
                                    Figures.count(removed),
                                    Figures.count(weights),
                                    Figures.count(grid.layers().size(), "layer"),
                                    Figures.percent(
                                            (double) removed / record.model().parameters())));
        }
        size(record, notGained);
        speed(record.pattern(), notGained);
        var scores = Score.of(record.evaluations());
        for (var score : scores) {
            if (!score.isAccuracy()) {
                quality(score, gained, notGained);
            }
        }
        var accuracies = Accuracies.of(scores);
        accuracy(accuracies, gained, notGained);
        if (record.control() != null) {
            control(record.control().name(), scores, accuracies, gained, notGained);
        }
        if (record.evaluations().isEmpty()) {
            notGained.add("No word on quality: this run evaluated nothing.");
        }
        return new Outcome(removed, weights, gained, notGained);
    }

    private static void size(RunRecord record, List<String> notGained) {
        long before = record.model().bytes();
        long after = record.size().denseBytes();
        long packed = record.size().bitmaskBytes();
        String now = Figures.bytes(after);
        if (Math.abs(after - before) <= SAME * before) {
            notGained.add(
                    "The file is as large as before, %s: zeros are stored like any other number."
                            .formatted(now));
        } else if (after < before) {
            notGained.add(
                    ("The file shrank from %s to %s, but not for its zeros: they are stored like"
                                    + " any other number.")
                            .formatted(Figures.bytes(before), now));
        } else {
            notGained.add(
                    "The file grew from %s to %s: %s, and zeros are stored like any other number."
                            .formatted(
                                    Figures.bytes(before),
                                    now,
                                    isQuantised(record)
                                            ? "its %s weights were dequantised"
                                                    .formatted(record.model().storage())
                                            : "its numbers are wider"));
        }
        if (packed > 0 && packed < after) {
            String sentence =
                    "As a bitmask (one bit per weight, then the non-zeros alone) it would be %s, %s of %s"
                            .formatted(
                                    Figures.bytes(packed),
                                    Figures.percent((double) packed / after),
                                    now);
            notGained.add(sentence + (packed < before ? "." : ", still more than before."));
        } else if (packed > 0) {
            notGained.add(
                    "As a bitmask it would be no smaller, %s: there are too few zeros."
                            .formatted(Figures.bytes(packed)));
        }
    }

    /// Whether the numbers of the source were blocks of integers with scales.
    static boolean isQuantised(RunRecord record) {
        return record.model().storage().startsWith("Q");
    }

    private static void speed(String pattern, List<String> notGained) {
        notGained.add(
                "Dense matrix kernels run no faster: they multiply zeros too. Speed needs a runtime"
                        + " that skips them, and was not measured.");
        if (pattern.equals("2:4")) {
            notGained.add(
                    "Sparse tensor cores read 2:4 only after a runtime has packed it; nothing here"
                            + " is packed.");
        }
    }

    private static void quality(Score score, List<String> gained, List<String> notGained) {
        String what = score.metric() + " on " + score.task();
        var verdict = score.verdict();
        String difference = score.difference();
        String moved =
                "%s went from %s to %s%s"
                        .formatted(
                                sentence(what),
                                score.dense(),
                                score.pruned(),
                                difference.isEmpty() ? "" : " (" + difference + ")");
        double change = score.facts().pruned() - score.facts().dense();
        switch (verdict.kind()) {
            case BROKEN ->
                    notGained.add(
                            "The %s is %s: the pruned model is broken."
                                    .formatted(what, score.pruned()));
            case BETTER -> gained.add("%s: %s.".formatted(moved, verdict.words()));
            case WORSE -> notGained.add("%s: %s.".formatted(moved, verdict.words()));
            case NOISE -> gained.add("%s: no more than %s.".formatted(moved, verdict.words()));
            case SAME -> gained.add(sentence(what) + " did not move: " + score.pruned() + ".");
            case UNKNOWN -> (isLoss(score, change) ? notGained : gained).add(moved + ".");
        }
    }

    private static boolean isLoss(Score score, double change) {
        return score.facts().higherIsBetter() ? !(change >= 0) : !(change <= 0);
    }

    private static void accuracy(
            Accuracies accuracies, List<String> gained, List<String> notGained) {
        if (accuracies.isEmpty()) {
            return;
        }
        String moved =
                "Accuracy over %s went from %s to %s%s: %s."
                        .formatted(
                                Figures.count(accuracies.scores().size(), "task"),
                                Figures.percent(accuracies.dense()),
                                Figures.percent(accuracies.pruned()),
                                accuracies.difference().isEmpty()
                                        ? ""
                                        : " (" + accuracies.difference() + ")",
                                accuracies.verdicts());
        (accuracies.pruned() >= accuracies.dense() ? gained : notGained).add(moved);
    }

    /// The honest comparison: what the method is worth beside the simpler one.
    private static void control(
            String name,
            List<Score> scores,
            Accuracies accuracies,
            List<String> gained,
            List<String> notGained) {
        String against = "Against the control, " + name + ", ";
        for (var score : scores) {
            double part = score.wonBack();
            if (!score.isAccuracy() && !Double.isNaN(part)) {
                String said =
                        "%son %s: %s %s beside %s, %s."
                                .formatted(
                                        against,
                                        score.task(),
                                        score.metric(),
                                        score.pruned(),
                                        score.control(),
                                        Score.wonBack(part));
                (part > 0 ? gained : notGained).add(said);
            }
        }
        if (accuracies.control().isEmpty()) {
            return;
        }
        double control = accuracies.control().get();
        double part = Score.wonBack(1, accuracies.dense(), control, accuracies.pruned());
        if (!Double.isNaN(part)) {
            String said =
                    "%sover %s: accuracy %s beside %s, %s."
                            .formatted(
                                    against,
                                    Figures.count(accuracies.scores().size(), "task"),
                                    Figures.percent(accuracies.pruned()),
                                    Figures.percent(control),
                                    Score.wonBack(part));
            (part > 0 ? gained : notGained).add(said);
        }
    }

    private static String sentence(String words) {
        return words.isEmpty()
                ? ""
                : words.substring(0, 1).toUpperCase(Locale.ROOT) + words.substring(1);
    }
}
