package dev.pollard.format.torch;

import dev.pollard.format.DType;
import java.util.List;

/// A tensor as the pickle tells it, believed in nothing yet.
///
/// @param position offset in the file of the instruction that built it
/// @param dtype of its numbers
/// @param offset of its first element in the storage, in elements
/// @param sizes outermost first
/// @param strides steps in the storage per dimension, in elements
record PickledTensor(
        long position,
        Storage storage,
        DType dtype,
        long offset,
        List<Long> sizes,
        List<Long> strides) {
    /// A storage as its persistent id tells it.
    ///
    /// @param type numbers or bytes
    /// @param key name of its entry below `data/`
    /// @param elements numbers, or bytes if untyped
    record Storage(PickledGlobal type, String key, long elements) {}
}
