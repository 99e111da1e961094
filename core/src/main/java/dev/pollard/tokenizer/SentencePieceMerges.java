package dev.pollard.tokenizer;

import dev.pollard.tokenizer.TokenizerJson.Merge;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// The merges that SentencePiece does not write down.
///
/// SentencePiece joins the neighbours whose union has the highest score; a list of merges says the
/// same if every way to cut a piece in two known pieces is a merge, and merges are ordered by the
/// score of the piece they make. This is the conversion of Hugging Face.
final class SentencePieceMerges {
    private record Candidate(Merge merge, float score, int left, int right) {}

    private SentencePieceMerges() {}

    /// @param ids all pieces that may take part in a merge, by text
    /// @param scores by id
    static List<Merge> of(SequencedMap<String, Integer> ids, List<Float> scores) {
        var candidates = new ArrayList<Candidate>();
        ids.forEach(
                (piece, id) -> {
                    var ways = ways(piece, scores.get(id), ids);
                    ways.sort(
                            Comparator.comparingInt(Candidate::left)
                                    .thenComparingInt(Candidate::right));
                    candidates.addAll(ways);
                });
        candidates.sort(Comparator.comparing(Candidate::score).reversed()); // stable
        return candidates.stream().map(Candidate::merge).toList();
    }

    private static List<Candidate> ways(String piece, float score, Map<String, Integer> ids) {
        var ways = new ArrayList<Candidate>();
        for (int cut = 1; cut < piece.length(); cut++) {
            if (Character.isLowSurrogate(piece.charAt(cut))) {
                continue; // inside a character
            }
            String left = piece.substring(0, cut);
            String right = piece.substring(cut);
            if (ids.containsKey(left) && ids.containsKey(right)) {
                ways.add(
                        new Candidate(
                                new Merge(left, right), score, ids.get(left), ids.get(right)));
            }
        }
        return ways;
    }
}
