package dev.pollard.data;

/// Where a beginning-of-sequence id stands in a source's ids.
public enum BosPolicy {
    /// Nowhere: the tokenizer adds none.
    NONE("none"),
    /// Once, before the text of the whole source, because the tokenizer adds it by itself: the
    /// first window has it and no other, as in the papers' code.
    AT_START("once at the start"),
    /// Whatever the file of ids holds.
    AS_IN_FILE("as in the file");

    private final String words;

    BosPolicy(String words) {
        this.words = words;
    }

    /// For a report: `none`.
    @Override
    public String toString() {
        return words;
    }
}
