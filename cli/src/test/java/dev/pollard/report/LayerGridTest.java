package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class LayerGridTest {
    private static LayerGrid grid(String... names) {
        return LayerGrid.of(Stream.of(names).map(n -> Records.layer(n, 0.5, 0.1)).toList());
    }

    @Test
    void moduleIsTheNameWithoutTheBlock() {
        var llama = grid("model.layers.3.mlp.up_proj", "model.layers.11.mlp.up_proj");
        assertEquals(List.of("mlp.up_proj"), llama.modules());
        assertEquals(List.of(3, 11), List.copyOf(llama.blocks().keySet()));
        assertEquals(List.of("attn.c_attn"), grid("transformer.h.3.attn.c_attn").modules());
        assertEquals(List.of("fc1"), grid("model.decoder.layers.0.fc1").modules());
        assertEquals(List.of("attn.c_attn"), grid("h.0.attn.c_attn").modules());
    }

    @Test
    void expertsAreModules() {
        assertEquals(
                List.of("mlp.experts.0.up", "mlp.experts.1.up"),
                grid("model.layers.5.mlp.experts.0.up", "model.layers.5.mlp.experts.1.up")
                        .modules());
    }

    @Test
    void twoStacksStayApart() {
        assertEquals(
                List.of("encoder.layers.*.fc1", "decoder.layers.*.fc1"),
                grid("encoder.layers.0.fc1", "decoder.layers.0.fc1").modules());
    }

    @Test
    void layersOutsideOfBlocksAreKept() {
        var grid = grid("lm_head", "model.layers.0.fc1", "a.12345678901.b", "fc2");
        assertEquals(
                List.of("lm_head", "a.12345678901.b", "fc2"),
                grid.others().stream().map(layer -> layer.name()).toList());
        assertEquals(4, grid.layers().size());
    }

    @Test
    void digitsWithinAWordAreNoIndex() {
        assertEquals(0, grid("block3.mlp", "v2.5b.fc").blocks().size());
    }

    @Test
    void labelsAreShortWhereThatTellsThemApart() {
        assertEquals(
                List.of("c_attn", "attn.c_proj", "mlp.c_proj"),
                grid("h.0.attn.c_attn", "h.0.attn.c_proj", "h.0.mlp.c_proj").labels(18));
    }
}
