package dev.pollard.eval;

import dev.pollard.model.KeyValues;
import dev.pollard.model.Rows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/// Spans that pass through the model together as one stream, what they have in common at their
/// beginnings only once.
///
/// @param ids of the rows
/// @param rows what the rows are
/// @param targets what is to be predicted, by row
record Pack(int[] ids, Rows rows, List<Target> targets) {
    /// Rows of a pack: enough for the matrix products, few enough for the caches.
    static final int ROWS = 512;

    /// What is shared by fewer tokens than this is computed again in every pack.
    static final int TRUNK = 64;

    /// One prediction.
    ///
    /// @param row of the pack that makes it
    /// @param id what it should be
    /// @param span number of the span, among all
    record Target(int row, int id, int span) {}

    int count() {
        return ids.length;
    }

    /// Packs whose spans all begin with the same tokens.
    ///
    /// @param trunk those tokens, computed once for all packs; none if it is empty
    /// @param seen where their keys and values are while a block is at work
    record Branch(int[] trunk, KeyValues seen, List<Pack> packs) implements AutoCloseable {
        Rows trunkRows() {
            var rows = new Rows.Builder();
            rows.after(null, 0, trunk.length, seen);
            return rows.build();
        }

        Branch only(Pack pack) {
            return new Branch(trunk, seen, List.of(pack));
        }

        Branch with(Pack pack) {
            var more = new ArrayList<>(packs);
            more.add(pack);
            return new Branch(trunk, seen, more);
        }

        @Override
        public void close() {
            seen.close();
        }
    }

    /// Sorts spans into packs. Sorted by their tokens, those with a common beginning are
    /// neighbours. Nothing here depends on the number of workers, so the numbers do not either.
    static List<Branch> all(List<Span> spans) {
        Integer[] order = new Integer[spans.size()];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparing(spans::get, Pack::compare));
        var slices = new ArrayList<Slice>();
        for (int i = 0; i < order.length; ) {
            var slice = Slice.from(spans, order, i);
            slices.add(slice);
            i = slice.to();
        }
        var branches = new ArrayList<Branch>();
        for (int i = 0; i < slices.size(); ) {
            int shared = slices.get(i).shared();
            int next = i + 1;
            // As many packs as share half of what the first two share.
            int least = TRUNK;
            for (; next < slices.size(); next++) {
                int common = slices.get(i).sharedWith(slices.get(next), spans, order);
                if (common < least) {
                    break;
                }
                least = Math.max(least, common / 2);
                shared = Math.min(shared, common);
            }
            branches.add(branch(spans, order, slices.subList(i, next), next > i + 1 ? shared : 0));
            i = next;
        }
        return branches;
    }

    private static int compare(Span a, Span b) {
        int byInput = Arrays.compare(a.ids(), 0, a.length(), b.ids(), 0, b.length());
        return byInput != 0 ? byInput : Arrays.compare(a.ids(), b.ids());
    }

    /// Tokens at their beginnings that both read alike.
    private static int common(Span a, Span b) {
        int mismatch = Arrays.mismatch(a.ids(), 0, a.length(), b.ids(), 0, b.length());
        return mismatch < 0 ? a.length() : mismatch;
    }

    private static Branch branch(
            List<Span> spans, Integer[] order, List<Slice> slices, int shared) {
        int[] trunk = Arrays.copyOf(spans.get(order[slices.getFirst().from()]).ids(), shared);
        var seen = new KeyValues();
        return new Branch(
                trunk,
                seen,
                slices.stream().map(slice -> pack(spans, order, slice, shared, seen)).toList());
    }

    private static Pack pack(
            List<Span> spans, Integer[] order, Slice slice, int trunk, KeyValues seen) {
        var rows = new Rows.Builder();
        int[] ids = new int[0];
        int longest = 0;
        for (int i = slice.from(); i < slice.to(); i++) {
            longest = Math.max(longest, spans.get(order[i]).length());
        }
        int[] rowOf = new int[longest]; // of every token of the span at hand
        var targets = new ArrayList<Target>();
        int segment = -1;
        for (int i = slice.from(); i < slice.to(); i++) {
            var span = spans.get(order[i]);
            int known = i == slice.from() ? trunk : common(spans.get(order[i - 1]), span);
            int fresh = span.length() - known;
            if (fresh > 0) {
                for (int t = 0; t < fresh; t++) {
                    rowOf[known + t] = ids.length + t;
                }
                ids = Arrays.copyOf(ids, ids.length + fresh);
                System.arraycopy(span.ids(), known, ids, ids.length - fresh, fresh);
                segment =
                        segment >= 0 && known > 0
                                ? rows.branch(segment, known, fresh)
                                : trunk > 0
                                        ? rows.after(seen, trunk, fresh, null)
                                        : rows.begin(fresh);
            }
            for (int t = span.from(); t < span.ids().length; t++) {
                targets.add(new Target(rowOf[t - 1], span.ids()[t], order[i]));
            }
        }
        targets.sort(Comparator.comparingInt(Target::row));
        return new Pack(ids, rows.build(), targets);
    }

    /// Spans `[from, to)` in their order.
    ///
    /// @param shared tokens that all of them read alike, before the first prediction
    private record Slice(int from, int to, int shared) {
        /// Takes spans as long as there is room: at a place where little is shared with the next,
        /// if there is one.
        static Slice from(List<Span> spans, Integer[] order, int from) {
            var first = spans.get(order[from]);
            int rows = first.length();
            int shared = first.from() - 1;
            int to = from + 1;
            for (; to < order.length; to++) {
                var next = spans.get(order[to]);
                int known = common(spans.get(order[to - 1]), next);
                int left = Math.min(shared, Math.min(next.from() - 1, known));
                int total = rows + next.length() - known;
                int own = total - (left >= TRUNK ? left : 0);
                if (own > (known < TRUNK ? ROWS : 2 * ROWS)) {
                    break;
                }
                rows = total;
                shared = left;
            }
            return new Slice(from, to, shared);
        }

        /// Tokens that all spans of this and a later slice read alike, before any prediction.
        int sharedWith(Slice later, List<Span> spans, Integer[] order) {
            int common = common(spans.get(order[from]), spans.get(order[later.to() - 1]));
            return Math.min(common, Math.min(shared, later.shared()));
        }
    }
}
