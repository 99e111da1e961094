package dev.pollard.eval;

import dev.pollard.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// The residual streams of a group, in one piece of native memory.
final class Streams implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment floats;
    private final long[] ends; // rows up to the end of every stream
    private final int hidden;

    /// @param lengths rows of every stream
    Streams(List<Integer> lengths, int hidden) {
        this.hidden = hidden;
        this.ends = new long[lengths.size()];
        long rows = 0;
        for (int i = 0; i < ends.length; i++) {
            rows += lengths.get(i);
            ends[i] = rows;
        }
        this.floats = arena.allocate(4 * rows * hidden, 64);
    }

    /// Stream `index`, `[rows, hidden]`: a view, written through.
    Tensor get(int index) {
        long from = index == 0 ? 0 : ends[index - 1];
        long rows = ends[index] - from;
        return Tensor.view(floats.asSlice(4 * from * hidden, 4 * rows * hidden), rows, hidden);
    }

    @Override
    public void close() {
        arena.close();
    }
}
