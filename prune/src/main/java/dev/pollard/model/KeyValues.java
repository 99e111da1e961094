package dev.pollard.model;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;

/// The keys and values that one block made of the tokens of a sequence so far, so that later tokens
/// need not compute them again. They live until they are closed, whatever scopes close before.
/// Several threads may read them, or one may write.
public final class KeyValues implements AutoCloseable {
    private Tensor keys; // [kv heads, capacity, width], or null
    private Tensor values; // [kv heads, capacity, width], or null
    private int length;

    /// `[kv heads, length, width]`, a view.
    Tensor keys() {
        return keys.narrow(1, 0, length);
    }

    /// `[kv heads, length, width]`, a view.
    Tensor values() {
        return values.narrow(1, 0, length);
    }

    /// Adds the keys and values of the tokens that follow, both `[kv heads, added, width]`.
    void append(Tensor moreKeys, Tensor moreValues) {
        int total = length + Math.toIntExact(moreKeys.size(1));
        if (keys == null || total > keys.size(1)) {
            int capacity = length == 0 ? total : 2 * total;
            keys = grown(keys, moreKeys, capacity);
            values = grown(values, moreValues, capacity);
        }
        keys.narrow(1, length, total - length).copy_(moreKeys);
        values.narrow(1, length, total - length).copy_(moreValues);
        length = total;
    }

    /// Room for `capacity` tokens, those of `held` copied.
    private Tensor grown(Tensor held, Tensor like, int capacity) {
        try (var scope = Scope.open()) {
            Tensor room = scope.keep(Tensor.empty(like.size(0), capacity, like.size(2)));
            if (length > 0) {
                room.narrow(1, 0, length).copy_(held.narrow(1, 0, length));
            }
            if (held != null) {
                held.close();
            }
            return room;
        }
    }

    /// Forgets all tokens.
    void clear() {
        length = 0;
    }

    @Override
    public void close() {
        if (keys != null) {
            keys.close();
            values.close();
        }
        keys = null;
        values = null;
        length = 0;
    }
}
