package dev.pollard.eval;

import java.util.ArrayList;
import java.util.List;

/// What a model answered to some questions.
///
/// @param measures of the task's metrics, in its order
/// @param scored of every question, one for each of its requests; none if texts were written
/// @param texts written for every question; none if answers were scored
/// @param seconds that the answers took
public record Answers(
        List<Measure> measures, List<List<Scored>> scored, List<String> texts, double seconds) {

    /// @param scored of all requests of all questions, in order
    static Answers scored(Questions questions, List<Scored> scored, double seconds) {
        var byItem = new ArrayList<List<Scored>>();
        int next = 0;
        for (var item : questions.items()) {
            int count = Questions.requests(item);
            byItem.add(List.copyOf(scored.subList(next, next + count)));
            next += count;
        }
        return of(questions, List.copyOf(byItem), List.of(), seconds);
    }

    /// @param texts for all questions, in order
    static Answers written(Questions questions, List<String> texts, double seconds) {
        return of(questions, List.of(), List.copyOf(texts), seconds);
    }

    private static Answers of(
            Questions questions, List<List<Scored>> scored, List<String> texts, double seconds) {
        var measures =
                questions.task().metrics().stream()
                        .map(metric -> metric.of(questions.items(), scored, texts))
                        .toList();
        return new Answers(measures, scored, texts, seconds);
    }
}
