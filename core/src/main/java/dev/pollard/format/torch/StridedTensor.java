package dev.pollard.format.torch;

import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import dev.pollard.format.StoredTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;

/// A tensor whose elements do not lie in C order (a transposed or sliced view); they are gathered
/// when read.
///
/// @param memory the storage from the tensor's first element on
/// @param strides steps per dimension, in elements; every index they reach is inside the memory
record StridedTensor(
        String name, DType dtype, Shape shape, MemorySegment memory, List<Long> strides)
        implements StoredTensor {
    private static final int CHUNK = 4096;

    @Override
    public String storage() {
        return dtype.name();
    }

    /// A copy in C order, made anew by every call.
    @Override
    public MemorySegment data() {
        long bytes = dtype.bytes(shape.elements());
        MemorySegment copy = Arena.ofAuto().allocate(bytes, Long.BYTES);
        gather(0, shape.elements(), copy);
        return copy.asReadOnly();
    }

    @Override
    public void readFloats(long from, long count, MemorySegment target) {
        Objects.checkFromIndexSize(from, count, shape.elements());
        int chunk = (int) Math.min(CHUNK, count);
        MemorySegment gathered = MemorySegment.ofArray(new byte[chunk * width()]);
        for (long done = 0; done < count; done += chunk) {
            long n = Math.min(chunk, count - done);
            gather(from + done, n, gathered);
            dtype.widen(gathered, 0, n, target.asSlice(Float.BYTES * done));
        }
    }

    private int width() {
        return dtype.bits() / Byte.SIZE;
    }

    private void gather(long from, long count, MemorySegment target) {
        int last = shape.rank() - 1;
        long rowLength = shape.size(last);
        long step = strides.get(last);
        for (long done = 0; done < count; ) {
            long index = from + done;
            long column = index % rowLength;
            long n = Math.min(rowLength - column, count - done);
            gatherRun(rowStart(index / rowLength) + column * step, step, n, target, done);
            done += n;
        }
    }

    /// Where row `row` of all dimensions but the last begins, in elements.
    private long rowStart(long row) {
        long start = 0;
        long rest = row;
        for (int axis = shape.rank() - 2; axis >= 0; axis--) {
            start += rest % shape.size(axis) * strides.get(axis);
            rest /= shape.size(axis);
        }
        return start;
    }

    private void gatherRun(long start, long step, long n, MemorySegment target, long to) {
        switch (width()) {
            case 1 -> {
                for (long i = 0; i < n; i++) {
                    byte value = memory.get(ValueLayout.JAVA_BYTE, start + i * step);
                    target.set(ValueLayout.JAVA_BYTE, to + i, value);
                }
            }
            case 2 -> {
                for (long i = 0; i < n; i++) {
                    long at = Short.BYTES * (start + i * step);
                    short value = memory.get(ValueLayout.JAVA_SHORT_UNALIGNED, at);
                    target.set(ValueLayout.JAVA_SHORT_UNALIGNED, Short.BYTES * (to + i), value);
                }
            }
            case 4 -> {
                for (long i = 0; i < n; i++) {
                    long at = Integer.BYTES * (start + i * step);
                    int value = memory.get(ValueLayout.JAVA_INT_UNALIGNED, at);
                    target.set(ValueLayout.JAVA_INT_UNALIGNED, Integer.BYTES * (to + i), value);
                }
            }
            default -> {
                for (long i = 0; i < n; i++) {
                    long at = Long.BYTES * (start + i * step);
                    long value = memory.get(ValueLayout.JAVA_LONG_UNALIGNED, at);
                    target.set(ValueLayout.JAVA_LONG_UNALIGNED, Long.BYTES * (to + i), value);
                }
            }
        }
    }
}
