package dev.pollard.config;

import dev.pollard.format.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// The weights of an architecture: their names in Hugging Face folders and in GGUF files, their
/// shapes and layouts. The one place that load, save and inspect read.
///
/// A weight outside the blocks is called `prefix + name`; one of block `N` is called
/// `prefix + layers + N + "." + name`, in GGUF `blk.N.` + its GGUF name. A head of its own has no
/// prefix.
public final class WeightMap {
    /// One weight.
    ///
    /// @param name in Hugging Face folders, without prefix and block
    /// @param gguf in GGUF files, without block; empty if the family has no GGUF form
    /// @param shape as Pollard computes with it: matrices `[out, in]`
    /// @param input of the matrix of a linear layer inside a block: the first module of the block
    ///     that reads the same activations; empty for every other weight
    public record Weight(String name, String gguf, Shape shape, Layout layout, String input) {
        /// Whether it is the matrix of a linear layer inside a block.
        public boolean prunable() {
            return !input.isEmpty();
        }
    }

    private static final String NO_INPUT = "";

    private final List<String> prefixes;
    private final String layers;
    private final List<Weight> outside = new ArrayList<>();
    private final List<Weight> block = new ArrayList<>();
    private Weight head; // null if it is the embedding table
    private String input = NO_INPUT; // of the linear layer declared last

    private WeightMap(String layers, List<String> prefixes) {
        this.layers = layers;
        this.prefixes = prefixes;
    }

    /// @param layers what stands between prefix and block number, with its dots
    /// @param prefixes what may stand before every name; the first is what transformers writes
    static WeightMap of(String layers, String... prefixes) {
        return new WeightMap(layers, List.of(prefixes));
    }

    /// A tensor outside the blocks. The first one declared tells which prefix a file uses.
    WeightMap outside(String name, String gguf, long... shape) {
        return outside(name, gguf, new Layout.Plain(), shape);
    }

    WeightMap outside(String name, String gguf, Layout layout, long... shape) {
        outside.add(new Weight(name, gguf, Shape.of(shape), layout, NO_INPUT));
        return this;
    }

    /// A head of its own.
    WeightMap head(String name, long vocabulary, long width) {
        head =
                new Weight(
                        name,
                        "output.weight",
                        Shape.of(vocabulary, width),
                        new Layout.Plain(),
                        NO_INPUT);
        return this;
    }

    /// A layer norm or RMS norm in every block.
    WeightMap norm(String module, String gguf, Layout layout, boolean bias, long width) {
        block.add(
                new Weight(
                        module + ".weight", gguf + ".weight", Shape.of(width), layout, NO_INPUT));
        if (bias) {
            block.add(
                    new Weight(
                            module + ".bias", gguf + ".bias", Shape.of(width), layout, NO_INPUT));
        }
        return this;
    }

    /// A linear layer in every block.
    WeightMap linear(String module, String gguf, Layout layout, boolean bias, long out, long in) {
        input = module;
        return beside(module, gguf, layout, bias, out, in);
    }

    /// A linear layer that reads what the one declared before it reads.
    WeightMap beside(String module, String gguf, Layout layout, boolean bias, long out, long in) {
        block.add(
                new Weight(module + ".weight", gguf + ".weight", Shape.of(out, in), layout, input));
        if (bias) {
            block.add(
                    new Weight(module + ".bias", gguf + ".bias", Shape.of(out), layout, NO_INPUT));
        }
        return this;
    }

    /// A weight with its names in a whole model.
    ///
    /// @param name in a Hugging Face folder
    /// @param gguf in a GGUF file
    /// @param block 0-based, or -1 outside the blocks
    public record Placed(String name, String gguf, int block, Weight weight) {}

    /// All weights under the names that transformers writes: those outside the blocks, every block
    /// in order of computation, a head of its own.
    public List<Placed> placed(int blocks) {
        return placed(prefixes.getFirst(), blocks);
    }

    /// As above, for a file with this prefix.
    List<Placed> placed(String prefix, int blocks) {
        List<Placed> placed = new ArrayList<>();
        for (Weight weight : outside) {
            placed.add(new Placed(prefix + weight.name(), weight.gguf(), -1, weight));
        }
        for (int index = 0; index < blocks; index++) {
            for (Weight weight : block) {
                placed.add(
                        new Placed(
                                blockPrefix(prefix, index) + weight.name(),
                                "blk." + index + "." + weight.gguf(),
                                index,
                                weight));
            }
        }
        if (head != null) {
            placed.add(new Placed(head.name(), head.gguf(), -1, head));
        }
        return placed;
    }

    /// The prefix that a file with these names uses; the first of all if none fits.
    String prefix(Set<String> names) {
        String probe = outside.getFirst().name();
        return prefixes.stream()
                .filter(prefix -> names.contains(prefix + probe))
                .findFirst()
                .orElse(prefixes.getFirst());
    }

    /// What stands before the names of block `index` in a Hugging Face folder.
    String blockPrefix(String prefix, int index) {
        return prefix + layers + index + ".";
    }

    /// What stands before the names of all blocks.
    String blocksPrefix(String prefix) {
        return prefix + layers;
    }
}
