package dev.pollard.model;

import dev.pollard.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What the rows of a residual stream are: segments of token sequences, laid end to end.
///
/// Linear layers, norms and gates work row by row and need not know. Attention and positions do: a
/// segment may go on where another of the stream, or tokens seen before, leave off, so that what
/// sequences have in common at their beginning is computed once.
public final class Rows {
    private final List<Segment> segments;
    private final int count;
    private final int reach;

    private Rows(List<Segment> segments) {
        this.segments = segments;
        this.count = segments.stream().mapToInt(Segment::length).sum();
        this.reach = segments.stream().mapToInt(s -> s.position() + s.length()).max().orElse(0);
    }

    /// Consecutive tokens of a sequence.
    ///
    /// @param row where it begins in the stream
    /// @param position of its first token in the sequence
    /// @param length in tokens
    /// @param runs the rows that its last token sees in this stream, in the order of the sequence:
    ///     `from, to, from, to, …`, its own last
    /// @param before what was seen before those; null if they begin the sequence
    /// @param kept where its keys and values go, after those in `before`; null if nobody will ask
    ///     for them
    record Segment(
            int row, int position, int length, int[] runs, KeyValues before, KeyValues kept) {}

    /// One sequence from its beginning.
    public static Rows sequence(int time) {
        var rows = new Builder();
        rows.begin(time);
        return rows.build();
    }

    /// Lays segments end to end.
    public static final class Builder {
        private final List<Segment> segments = new ArrayList<>();
        private int row;

        /// A segment that begins a sequence.
        ///
        /// @return its index
        public int begin(int length) {
            return add(0, length, new int[0], null, null);
        }

        /// A segment after the first `position` tokens of the sequence that the segment of index
        /// `other` ends.
        ///
        /// @return its index
        public int branch(int other, int position, int length) {
            var from = segments.get(other);
            int excess = from.position() + from.length() - position;
            int end = from.runs().length;
            while (end > 0 && from.runs()[end - 1] - from.runs()[end - 2] <= excess) {
                excess -= from.runs()[end - 1] - from.runs()[end - 2];
                end -= 2;
            }
            int[] runs = Arrays.copyOf(from.runs(), end);
            if (end > 0) {
                runs[end - 1] -= excess;
            }
            return add(position, length, runs, from.before(), null);
        }

        /// A segment after the `position` tokens in `before`.
        ///
        /// @param kept where its keys and values go together with those in `before`; null if nobody
        ///     will ask for them. May be `before` itself, and then grows; what else it holds is
        ///     forgotten
        /// @return its index
        public int after(KeyValues before, int position, int length, KeyValues kept) {
            return add(position, length, new int[0], before, kept);
        }

        /// @param seen runs of rows before the segment
        private int add(int position, int length, int[] seen, KeyValues before, KeyValues kept) {
            if (length < 1) {
                throw new IllegalArgumentException("a segment of %d tokens".formatted(length));
            }
            int end = seen.length;
            boolean goesOn = end > 0 && seen[end - 1] == row;
            int[] runs = Arrays.copyOf(seen, goesOn ? end : end + 2);
            runs[runs.length - 2] = goesOn ? seen[end - 2] : row;
            runs[runs.length - 1] = row + length;
            segments.add(new Segment(row, position, length, runs, before, kept));
            row += length;
            return segments.size() - 1;
        }

        public Rows build() {
            return new Rows(List.copyOf(segments));
        }
    }

    List<Segment> segments() {
        return segments;
    }

    /// Rows of the stream.
    public int count() {
        return count;
    }

    /// Positions that a sequence must have: the length of the longest.
    int reach() {
        return reach;
    }

    /// Whether it is one sequence from its beginning, and nobody wants its keys.
    boolean isSequence() {
        return segments.size() == 1 && reach == count && segments.getFirst().kept() == null;
    }

    /// For every row the entry of its position: `[≥ reach, width]` → `[count, width]`.
    Tensor pick(Tensor table) {
        if (segments.size() == 1) {
            return table.narrow(0, reach - count, count);
        }
        int[] positions = new int[count];
        for (var segment : segments) {
            for (int t = 0; t < segment.length(); t++) {
                positions[segment.row() + t] = segment.position() + t;
            }
        }
        return table.rows(Tensor.ofIds(positions));
    }

    /// The rows that a segment sees in this stream, its own last: `[heads, count, width]` →
    /// `[heads, seen, width]`.
    static Tensor seen(Segment segment, Tensor x) {
        int[] runs = segment.runs();
        var parts = new Tensor[runs.length / 2];
        for (int i = 0; i < parts.length; i++) {
            parts[i] = x.narrow(1, runs[2 * i], runs[2 * i + 1] - runs[2 * i]);
        }
        return parts.length == 1 ? parts[0] : Tensor.cat(1, parts);
    }
}
