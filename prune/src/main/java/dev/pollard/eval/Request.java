package dev.pollard.eval;

import java.util.List;

/// What a task asks of a model. Every task is made of these three.
public sealed interface Request {

    /// How probable is `continuation` after `context`?
    ///
    /// @param context may be empty: then the model's BOS token (or EOS, if it has none) stands
    ///     there
    /// @param continuation not empty; the blank between the two belongs to it
    record LogLikelihood(String context, String continuation) implements Request {}

    /// How probable is all of `text`? What is longer than the model's context is scored in windows.
    record Rolling(String text) implements Request {}

    /// What does the model write after `context`?
    ///
    /// @param until strings at which the answer ends; they are not part of it
    /// @param maxTokens at which it ends too
    /// @param stripped whether white space at the beginning of the answer is no part of it, so that
    ///     a line break there does not end it
    record Generate(String context, List<String> until, int maxTokens, boolean stripped)
            implements Request {
        public Generate {
            until = List.copyOf(until);
        }

        /// White space counts, as in lm-evaluation-harness.
        public Generate(String context, List<String> until, int maxTokens) {
            this(context, until, maxTokens, false);
        }

        /// The answer in `text`, which the model wrote.
        String answer(String text) {
            String answer = stripped ? text.stripLeading() : text;
            for (String end : until) {
                int at = end.isEmpty() ? -1 : answer.indexOf(end);
                answer = at < 0 ? answer : answer.substring(0, at);
            }
            return answer;
        }

        /// Whether nothing that follows `text` can belong to the answer.
        boolean isAnswered(String text) {
            String answer = stripped ? text.stripLeading() : text;
            return until.stream().anyMatch(end -> !end.isEmpty() && answer.contains(end));
        }
    }
}
