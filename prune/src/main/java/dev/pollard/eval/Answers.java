package dev.pollard.eval;

import java.util.ArrayList;
import java.util.List;

/// What a model answered to some questions.
///
/// @param measures of the task's metrics, in its order
/// @param scored of every question, one for each of its requests
/// @param seconds that the answers took
public record Answers(List<Measure> measures, List<List<Scored>> scored, double seconds) {

    /// @param scored of all requests of all questions, in order
    static Answers of(Questions questions, List<Scored> scored, double seconds) {
        var byItem = new ArrayList<List<Scored>>();
        int next = 0;
        for (var item : questions.items()) {
            int count = item instanceof Item.Choice choice ? choice.requests().size() : 1;
            byItem.add(List.copyOf(scored.subList(next, next + count)));
            next += count;
        }
        var measures =
                questions.task().metrics().stream()
                        .map(metric -> metric.of(questions.items(), byItem))
                        .toList();
        return new Answers(measures, List.copyOf(byItem), seconds);
    }
}
