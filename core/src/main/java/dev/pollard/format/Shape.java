package dev.pollard.format;

import java.util.Arrays;
import java.util.List;

/// The sizes of a tensor's dimensions, outermost first (C order, as Hugging Face writes them).
public record Shape(List<Long> sizes) {
    /// @throws IllegalArgumentException if a size is negative or the number of elements does not
    ///     fit in 63 bits
    public Shape {
        sizes = List.copyOf(sizes);
        elements(sizes);
    }

    public static Shape of(long... sizes) {
        return new Shape(Arrays.stream(sizes).boxed().toList());
    }

    public int rank() {
        return sizes.size();
    }

    /// Size of dimension `axis`, 0-based from the outermost.
    public long size(int axis) {
        return sizes.get(axis);
    }

    /// Number of elements; 1 for a scalar, 0 if any size is 0.
    public long elements() {
        return elements(sizes);
    }

    private static long elements(List<Long> sizes) {
        boolean empty = false;
        for (long size : sizes) {
            if (size < 0) {
                throw new IllegalArgumentException("negative dimension in shape " + sizes);
            }
            empty |= size == 0;
        }
        if (empty) {
            return 0;
        }
        long product = 1;
        for (long size : sizes) {
            if (Math.multiplyHigh(product, size) != 0 || product * size < 0) {
                throw new IllegalArgumentException("shape " + sizes + " has too many elements");
            }
            product *= size;
        }
        return product;
    }

    /// As frameworks print it: `[576, 1536]`.
    @Override
    public String toString() {
        return sizes.toString();
    }
}
