package dev.pollard.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Model files of a few bytes, written by hand and not by the code under test.
final class TinyFiles {
    private TinyFiles() {}

    /// A safetensors file of one float32 matrix.
    static Path safetensors(Path file, String name, int rows, int columns, float... values)
            throws IOException {
        byte[] header =
                """
                {"%s":{"dtype":"F32","shape":[%d,%d],"data_offsets":[0,%d]}}"""
                        .formatted(name, rows, columns, 4 * values.length)
                        .getBytes(StandardCharsets.UTF_8);
        var bytes =
                ByteBuffer.allocate(8 + header.length + 4 * values.length)
                        .order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length).put(header);
        for (float value : values) {
            bytes.putFloat(value);
        }
        return Files.write(file, bytes.array());
    }

    /// A GGUF v3 file that names an architecture and holds no tensor.
    static Path gguf(Path file, String architecture) throws IOException {
        byte[] key = "general.architecture".getBytes(StandardCharsets.UTF_8);
        byte[] value = architecture.getBytes(StandardCharsets.UTF_8);
        int string = 8;
        var bytes =
                ByteBuffer.allocate(24 + 8 + key.length + 4 + 8 + value.length)
                        .order(ByteOrder.LITTLE_ENDIAN);
        bytes.put("GGUF".getBytes(StandardCharsets.US_ASCII)).putInt(3).putLong(0).putLong(1);
        bytes.putLong(key.length).put(key).putInt(string).putLong(value.length).put(value);
        return Files.write(file, bytes.array());
    }
}
