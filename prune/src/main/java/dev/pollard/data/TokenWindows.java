package dev.pollard.data;

import dev.pollard.format.Sha256;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// Windows of token ids, and where they came from. All are of one length, but if they overlap the
/// last may be shorter.
///
/// Made by [Calibration#read] and [Evaluation#read].
public final class TokenWindows {
    /// What stands between the texts of a source before they are tokenised, all at once.
    public static final String JOIN = "\n\n";

    private static final int HELD_OUT_OF = 8;

    private final int[][] ids;
    private final int length;
    private final int stride;
    private final List<Origin> origins;

    /// Windows that do not overlap, or do so by chance.
    TokenWindows(int[][] ids, int length, List<Origin> origins) {
        this(ids, length, length, origins);
    }

    /// @param stride ids from the start of a window to that of the next
    TokenWindows(int[][] ids, int length, int stride, List<Origin> origins) {
        this.ids = ids;
        this.length = length;
        this.stride = stride;
        this.origins = List.copyOf(origins);
    }

    /// Number of windows.
    public int count() {
        return ids.length;
    }

    /// Ids per window.
    public int length() {
        return length;
    }

    /// Ids from the start of a window to that of the next; [#length] if windows do not overlap.
    public int stride() {
        return stride;
    }

    /// Ids in all windows.
    public long tokens() {
        return Arrays.stream(ids).mapToLong(window -> window.length).sum();
    }

    /// Index of the first id of window `index` that is to be predicted: 1, or where windows overlap
    /// the first that the window before did not reach.
    public int predictedFrom(int index) {
        return index == 0 ? 1 : Math.max(1, length - stride);
    }

    /// Ids of window `index` that are to be predicted.
    public int predicted(int index) {
        return ids[index].length - predictedFrom(index);
    }

    /// The ids of window `index`, 0-based. The caller does not change them.
    public int[] get(int index) {
        return ids[index];
    }

    /// The ids of all windows, `[window][length]`. The caller does not change them.
    public int[][] all() {
        return ids.clone();
    }

    /// Whether a sequence is kept from what a method fits to, so that the method can be judged by
    /// it: every eighth, and the last if there are fewer; none if there is only one.
    ///
    /// @param index 0-based
    /// @param count of all sequences
    public static boolean isHeldOut(int index, int count) {
        return count > 1 && index % HELD_OUT_OF == Math.min(HELD_OUT_OF, count) - 1;
    }

    /// The windows that are held out; all, if that are none.
    public TokenWindows heldOut() {
        int[][] some =
                IntStream.range(0, count())
                        .filter(i -> isHeldOut(i, count()))
                        .mapToObj(i -> ids[i])
                        .toArray(int[][]::new);
        return some.length == 0 ? this : new TokenWindows(some, length, origins);
    }

    /// These windows and those of `other` behind them.
    ///
    /// @throws IllegalArgumentException if those are of another length
    public TokenWindows and(TokenWindows other) {
        if (other.length != length) {
            throw new IllegalArgumentException(
                    "windows of %d and of %d tokens".formatted(length, other.length));
        }
        var all = new ArrayList<>(List.of(ids));
        all.addAll(List.of(other.ids));
        var sources = new ArrayList<>(origins);
        sources.addAll(other.origins);
        return new TokenWindows(all.toArray(int[][]::new), length, sources);
    }

    /// What every source contributed, in the order they were named in.
    public List<Origin> origins() {
        return origins;
    }

    /// Windows that the sources would have given.
    public long available() {
        return origins.stream().mapToLong(Origin::available).sum();
    }

    /// SHA-256 over all ids as little-endian int32, window after window, in hexadecimal.
    public String sha256() {
        var hash = new Sha256();
        var bytes = ByteBuffer.allocate(4 * length).order(ByteOrder.LITTLE_ENDIAN);
        for (int[] window : ids) {
            bytes.asIntBuffer().put(window);
            hash.add(bytes.slice(0, 4 * window.length));
        }
        return hash.hex();
    }
}
