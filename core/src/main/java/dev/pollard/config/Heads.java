package dev.pollard.config;

import dev.pollard.format.MalformedFileException;

/// Attention heads. With fewer key and value heads than query heads, each of them serves
/// `query / keyValue` neighbouring query heads (Ainslie et al., "GQA", arXiv 2305.13245).
///
/// @param query number of query heads
/// @param keyValue number of key and value heads, a divisor of `query`
/// @param width numbers per head
public record Heads(int query, int keyValue, int width) {
    /// @throws IllegalArgumentException if `keyValue` does not divide `query`
    public Heads {
        if (query < 1 || keyValue < 1 || width < 1 || query % keyValue != 0) {
            throw new IllegalArgumentException(
                    "no attention has %d query heads, %d key-value heads, width %d"
                            .formatted(query, keyValue, width));
        }
    }

    /// Rows of the query projection.
    public int queryRows() {
        return query * width;
    }

    /// Rows of the key projection, and of the value projection.
    public int keyValueRows() {
        return keyValue * width;
    }

    /// Heads with a width of their own, if the keys name one.
    static Heads read(Keys keys, int hiddenSize) throws MalformedFileException {
        int query = keys.size("num_attention_heads");
        int keyValue = keys.sizeOr(query, "num_key_value_heads");
        int width =
                keys.has("head_dim")
                        ? keys.size("head_dim")
                        : equalShare(keys, hiddenSize, query, "num_attention_heads");
        return checked(keys, query, keyValue, width);
    }

    static Heads checked(Keys keys, int query, int keyValue, int width)
            throws MalformedFileException {
        keys.require(
                query % keyValue == 0,
                "num_key_value_heads",
                "%d does not divide the %d attention heads".formatted(keyValue, query));
        keys.require(
                (long) query * width <= 1 << 24,
                "num_attention_heads",
                "%d heads of width %d are too many".formatted(query, width));
        return new Heads(query, keyValue, width);
    }

    /// The width of a head when the heads share the residual stream.
    static int equalShare(Keys keys, int hiddenSize, int heads, String name)
            throws MalformedFileException {
        keys.require(
                hiddenSize % heads == 0,
                name,
                "%d does not divide the hidden size %d".formatted(heads, hiddenSize));
        return hiddenSize / heads;
    }
}
