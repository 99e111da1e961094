package dev.pollard.model;

import dev.pollard.tensor.Tensor;
import java.util.function.IntFunction;

/// A tensor that depends on positions alone, made once for the longest sequence so far.
final class PositionTable {
    private final Residents residents;
    private final IntFunction<Tensor> make;
    private Tensor table;

    /// @param make the table for a number of positions, which are its first axis
    PositionTable(Residents residents, IntFunction<Tensor> make) {
        this.residents = residents;
        this.make = make;
    }

    /// The table for at least `time` positions. Tables that were outgrown stay alive, for other
    /// threads may still read them.
    synchronized Tensor atLeast(int time) {
        if (table == null || table.size(0) < time) {
            int grown = table == null ? 0 : Math.toIntExact(table.size(0)) * 3 / 2;
            table = residents.keep(() -> make.apply(Math.max(time, grown)));
        }
        return table;
    }
}
