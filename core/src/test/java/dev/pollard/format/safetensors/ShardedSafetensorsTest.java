package dev.pollard.format.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardedSafetensorsTest {
    private static final String FIRST = "model-00001-of-00002.safetensors";
    private static final String SECOND = "model-00002-of-00002.safetensors";

    @TempDir Path folder;

    @BeforeEach
    void writeTwoShards() throws IOException {
        shard(FIRST, "b", "c");
        shard(SECOND, "a");
    }

    @Test
    void tensorsComeShardByShard() throws IOException {
        index(Map.of("a", SECOND, "b", FIRST, "c", FIRST));
        try (ShardedSafetensors model = ShardedSafetensors.open(folder)) {
            assertEquals(List.of("b", "c", "a"), List.copyOf(model.tensors().keySet()));
            assertEquals(List.of(FIRST, SECOND), List.copyOf(model.shards().keySet()));
            assertEquals(SECOND, model.shardOf("a"));
            assertArrayEquals(new float[] {'c'}, model.tensors().get("c").toFloats());
            assertThrows(IllegalArgumentException.class, () -> model.shardOf("d"));
        }
    }

    @Test
    void singleFileGoesBeforeAnIndex() throws IOException {
        shard(ShardedSafetensors.SINGLE_FILE_NAME, "x");
        index(Map.of("a", SECOND));
        try (ShardedSafetensors model = ShardedSafetensors.open(folder)) {
            assertEquals(List.of("x"), List.copyOf(model.tensors().keySet()));
            assertEquals("model.safetensors", model.shardOf("x"));
        }
    }

    @Test
    void indexChoosesAmongShardsAndTensorsItForgotStillCount() throws IOException {
        shard(SECOND, "a", "b");
        index(Map.of("a", SECOND, "b", SECOND));
        shard(FIRST, "b");
        index(Map.of("b", FIRST, "a", SECOND));
        try (ShardedSafetensors model = ShardedSafetensors.open(folder)) {
            assertEquals(FIRST, model.shardOf("b"));
        }
        shard(FIRST, "b", "extra");
        try (ShardedSafetensors model = ShardedSafetensors.open(folder)) {
            assertEquals(FIRST, model.shardOf("extra"));
        }
        shard(SECOND, "a", "extra");
        assertRefused("'extra'", FIRST);
    }

    @Test
    void missingShardIsNamed() throws IOException {
        index(Map.of("a", "model-00003-of-00002.safetensors"));
        assertRefused("model-00003-of-00002.safetensors", "does not exist", ShardIndex.FILE_NAME);
    }

    @Test
    void tensorThatItsShardLacksIsNamed() throws IOException {
        index(Map.of("a", FIRST));
        assertRefused("'a'", FIRST, ShardIndex.FILE_NAME);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../model.safetensors",
                "..",
                ".",
                "",
                "/etc/passwd",
                "sub/model.safetensors",
                "sub\\\\model.safetensors",
                "C:model.safetensors",
                "a\\u0000b"
            })
    void shardOutsideTheFolderIsRefused(String name) throws IOException {
        write("{\"weight_map\":{\"a\":\"" + name + "\"}}");
        assertRefused("not a plain file name");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "[]",
                "",
                "{\"weight_map\":[]}",
                "{\"weight_map\":{\"a\":1}}",
                "{\"weight_map\":{},\"weight_map\":{}}",
                "{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}",
                "{\"weight_map\":{}} x"
            })
    void brokenIndexIsRefused(String text) throws IOException {
        write(text);
        assertRefused(ShardIndex.FILE_NAME);
    }

    @Test
    void brokenShardIsNamed() throws IOException {
        index(Map.of("a", SECOND, "b", FIRST, "c", FIRST));
        Files.write(folder.resolve(SECOND), Arrays.copyOf(new byte[] {99}, 8));
        assertRefused(SECOND);
    }

    @Test
    void folderWithoutWeightsSaysSo() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        NoSuchFileException e =
                assertThrows(NoSuchFileException.class, () -> ShardedSafetensors.open(empty));
        assertTrue(e.getMessage().contains("model.safetensors"), e.getMessage());
    }

    @Test
    void writtenIndexIsAsTransformersWritesIt() throws IOException {
        SequencedMap<String, String> map = new LinkedHashMap<>();
        map.put("b", FIRST);
        map.put("a", SECOND);
        ShardIndex.write(folder, map, 3);
        assertEquals(
                """
                {
                  "metadata": {
                    "total_size": 3
                  },
                  "weight_map": {
                    "b": "model-00001-of-00002.safetensors",
                    "a": "model-00002-of-00002.safetensors"
                  }
                }
                """,
                Files.readString(folder.resolve(ShardIndex.FILE_NAME)));
        map.put("c", "../x");
        assertThrows(IllegalArgumentException.class, () -> ShardIndex.write(folder, map, 3));
    }

    private void assertRefused(String... parts) {
        MalformedFileException e =
                assertThrows(MalformedFileException.class, () -> ShardedSafetensors.open(folder));
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), e.getMessage());
        }
    }

    private void index(Map<String, String> map) throws IOException {
        ShardIndex.write(folder, new LinkedHashMap<>(map), map.size());
    }

    private void write(String text) throws IOException {
        Files.writeString(folder.resolve(ShardIndex.FILE_NAME), text);
    }

    /// One byte per tensor: the first letter of its name.
    private void shard(String file, String... names) throws IOException {
        List<Declaration> tensors =
                Arrays.stream(names).map(n -> new Declaration(n, DType.U8, Shape.of(1))).toList();
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(folder.resolve(file), tensors, Map.of())) {
            for (String name : names) {
                writer.write(name, MemorySegment.ofArray(new byte[] {(byte) name.charAt(0)}));
            }
            writer.commit();
        }
    }
}
