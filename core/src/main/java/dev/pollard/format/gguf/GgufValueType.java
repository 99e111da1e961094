package dev.pollard.format.gguf;

/// The types of metadata values; a type's number in the file is its ordinal.
enum GgufValueType {
    UINT8(1),
    INT8(1),
    UINT16(2),
    INT16(2),
    UINT32(4),
    INT32(4),
    FLOAT32(4),
    BOOL(1),
    STRING(0),
    ARRAY(0),
    UINT64(8),
    INT64(8),
    FLOAT64(8);

    private final int bytes;

    GgufValueType(int bytes) {
        this.bytes = bytes;
    }

    /// Bytes of one value, 0 if it depends on the value.
    int bytes() {
        return bytes;
    }
}
