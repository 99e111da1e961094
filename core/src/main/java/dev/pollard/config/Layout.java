package dev.pollard.config;

/// How a weight stands in files, compared with the `[out, in]` form in which Pollard computes.
public sealed interface Layout {
    /// The same everywhere.
    record Plain() implements Layout {}

    /// `[in, out]` in Hugging Face files (GPT-2's `Conv1D`), `[out, in]` in GGUF.
    record Conv1d() implements Layout {}

    /// In GGUF the rows of every head are reordered for a rotation of neighbours: row `i` of the
    /// first half and row `i` of the second stand side by side.
    record RotaryPairs(int heads) implements Layout {}

    /// GGUF holds `1 + w`: the factor by which Gemma's norm multiplies.
    record OnePlus() implements Layout {}

    /// A fused query-key-value projection, `[heads][q, k, v][width]` by rows in Hugging Face files;
    /// GGUF holds all of q, then all of k, then all of v.
    record PerHead(int heads) implements Layout {}

    /// Row of a GGUF tensor that holds row `row` of the weight.
    ///
    /// @param rows number of rows
    default long ggufRow(long row, long rows) {
        return switch (this) {
            case Plain(), Conv1d(), OnePlus() -> row;
            case RotaryPairs(int heads) -> {
                long width = rows / heads;
                long inHead = row % width;
                long half = width / 2;
                yield row - inHead + 2 * (inHead % half) + inHead / half;
            }
            case PerHead(int heads) -> {
                long width = rows / heads / 3;
                long head = row / (3 * width);
                long part = row / width % 3;
                yield (part * heads + head) * width + row % width;
            }
        };
    }

    /// Number of consecutive rows, from a multiple of it on, that are consecutive in GGUF too, in
    /// whatever order; the first of them comes first there.
    default long slab(long rows) {
        return switch (this) {
            case Plain(), Conv1d(), OnePlus() -> rows;
            case RotaryPairs(int heads) -> rows / heads;
            case PerHead(int heads) -> rows / heads / 3;
        };
    }
}
