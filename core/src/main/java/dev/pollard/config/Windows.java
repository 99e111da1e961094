package dev.pollard.config;

import dev.pollard.format.MalformedFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/// Reads which blocks see only a window of the positions before them.
final class Windows {
    private Windows() {}

    /// `window` where the block slides, 0 elsewhere.
    static List<Integer> of(int blocks, int window, IntPredicate slides) {
        return IntStream.range(0, blocks)
                .mapToObj(block -> slides.test(block) ? window : 0)
                .toList();
    }

    /// As `layer_types` says, or else as `slides` does.
    static List<Integer> read(Keys keys, int blocks, int window, IntPredicate slides)
            throws MalformedFileException {
        var types = keys.list("layer_types");
        if (types.isEmpty()) {
            return of(blocks, window, slides);
        }
        keys.require(
                types.get().size() == blocks,
                "layer_types",
                "has %d entries for %d blocks".formatted(types.get().size(), blocks));
        List<Integer> windows = new ArrayList<>();
        for (String type : types.get()) {
            switch (type) {
                case "full_attention" -> windows.add(0);
                case "sliding_attention" -> windows.add(window);
                default ->
                        throw keys.wrong(
                                "layer_types",
                                "'%s' is not supported; supported: full_attention, sliding_attention"
                                        .formatted(type));
            }
        }
        return windows;
    }
}
