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

    /// What does the model write after `context`, greedily?
    ///
    /// @param until strings at which the answer ends; they are not part of it
    /// @param maxTokens at which it ends too
    record Generate(String context, List<String> until, int maxTokens) implements Request {
        public Generate {
            until = List.copyOf(until);
        }
    }
}
