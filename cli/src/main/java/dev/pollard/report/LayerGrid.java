package dev.pollard.report;

import dev.pollard.recipe.RunRecord.LayerFacts;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.SequencedSet;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// Layers by block and by module, whatever the family calls them: the module is the name without
/// the index of the block.
///
/// `model.layers.3.mlp.up_proj`, `transformer.h.3.attn.c_attn` and `model.decoder.layers.0.fc1` are
/// modules `mlp.up_proj`, `attn.c_attn` and `fc1`.
///
/// @param modules in the order of the model
/// @param blocks layers of every block by module; blocks in order
/// @param others layers outside of blocks
record LayerGrid(
        List<String> modules,
        SequencedMap<Integer, Map<String, LayerFacts>> blocks,
        List<LayerFacts> others) {
    private static final Pattern INDEX = Pattern.compile("(.*?)(?<![^.])(\\d{1,9})\\.(.+)");

    static LayerGrid of(List<LayerFacts> layers) {
        var stacks =
                layers.stream()
                        .flatMap(layer -> parse(layer.name()).stream())
                        .map(Place::stack)
                        .collect(Collectors.toSet());
        var blocks = new TreeMap<Integer, Map<String, LayerFacts>>();
        SequencedSet<String> modules = new LinkedHashSet<>();
        var others = new ArrayList<LayerFacts>();
        for (var layer : layers) {
            var place = parse(layer.name());
            if (place.isEmpty()) {
                others.add(layer);
                continue;
            }
            // Encoder and decoder may both have a block 0.
            String module = stacks.size() == 1 ? place.get().module() : place.get().inStack();
            modules.add(module);
            blocks.computeIfAbsent(place.get().block(), _ -> new LinkedHashMap<>())
                    .put(module, layer);
        }
        return new LayerGrid(List.copyOf(modules), blocks, others);
    }

    private record Place(String stack, int block, String module) {
        String inStack() {
            return stack + "*." + module;
        }
    }

    private static Optional<Place> parse(String name) {
        var matcher = INDEX.matcher(name);
        return matcher.matches()
                ? Optional.of(
                        new Place(
                                matcher.group(1),
                                Integer.parseInt(matcher.group(2)),
                                matcher.group(3)))
                : Optional.empty();
    }

    /// Every layer once, in the order of the blocks.
    List<LayerFacts> layers() {
        var all = new ArrayList<LayerFacts>();
        blocks.values().forEach(block -> all.addAll(block.values()));
        all.addAll(others);
        return all;
    }

    /// Modules as a chart has room for them: the last part of the name where that is enough to tell
    /// them apart.
    List<String> labels(int most) {
        Map<String, Long> leaves =
                modules.stream()
                        .map(LayerGrid::leaf)
                        .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
        return modules.stream()
                .map(module -> leaves.get(leaf(module)) == 1 ? leaf(module) : module)
                .map(label -> Figures.shortened(label, most))
                .toList();
    }

    private static String leaf(String module) {
        return module.substring(module.lastIndexOf('.') + 1);
    }
}
