package dev.pollard.data;

import java.util.List;

/// What one source contributed to a set of windows.
///
/// @param source as the user wrote it
/// @param tokens ids that were there to cut from (of a text: of the part that was tokenised)
/// @param available windows that could have been taken
/// @param taken windows that were
/// @param notes what a reader of the report must know, one sentence each
public record Origin(
        String source, long tokens, long available, int taken, BosPolicy bos, List<String> notes) {
    public Origin {
        notes = List.copyOf(notes);
    }
}
