package dev.pollard.eval;

/// Tokens of which the last are to be predicted, each from all before it.
///
/// @param ids the whole of it; the last id is predicted and never read
/// @param from index of the first id that is predicted, at least 1
record Span(int[] ids, int from) {
    Span {
        if (from < 1 || from >= ids.length) {
            throw new IllegalArgumentException(
                    "predicting from %d on of %d tokens".formatted(from, ids.length));
        }
    }

    /// Tokens that the model reads.
    int length() {
        return ids.length - 1;
    }

    int predicted() {
        return ids.length - from;
    }
}
