package dev.pollard.report;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.EvaluationFacts;
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
        for (var evaluation : record.evaluations()) {
            quality(evaluation, gained, notGained);
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

    private static void quality(
            EvaluationFacts evaluation, List<String> gained, List<String> notGained) {
        String what = evaluation.metric() + " on " + taskName(evaluation);
        double dense = evaluation.dense();
        double pruned = evaluation.pruned();
        if (!Double.isFinite(pruned)) {
            notGained.add(
                    "The %s is %s: the pruned model is broken."
                            .formatted(what, Figures.number(pruned)));
            return;
        }
        String change = Figures.change(dense, pruned);
        String moved =
                "%s went from %s to %s%s."
                        .formatted(
                                what,
                                Figures.number(dense),
                                Figures.number(pruned),
                                change.isEmpty() ? "" : " (" + change + ")");
        moved = moved.substring(0, 1).toUpperCase(Locale.ROOT) + moved.substring(1);
        boolean lowerIsBetter = evaluation.metric().contains("perplexity");
        if (lowerIsBetter ? pruned > dense : pruned < dense) {
            notGained.add(moved);
        } else {
            gained.add(moved);
        }
    }

    /// The task without folders: `wiki.test.raw.gz` of `perplexity:rows:/data/wiki.test.raw.gz`.
    static String taskName(EvaluationFacts evaluation) {
        String task = evaluation.task();
        String source =
                task.startsWith("perplexity:") ? task.substring("perplexity:".length()) : task;
        return Figures.sourceName(source);
    }
}
