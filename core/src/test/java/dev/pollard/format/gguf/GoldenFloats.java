package dev.pollard.format.gguf;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/// The float32 tensors of a trusted safetensors file, for golden values only.
final class GoldenFloats {
    private GoldenFloats() {}

    static Map<String, float[]> read(Path file) throws IOException {
        var bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int headerLength = (int) bytes.getLong();
        var header = new ObjectMapper().readTree(bytes.array(), 8, headerLength);
        var tensors = new LinkedHashMap<String, float[]>();
        for (var field : header.properties()) {
            if (field.getValue().path("dtype").asText().equals("F32")) {
                int from = field.getValue().path("data_offsets").path(0).asInt();
                int to = field.getValue().path("data_offsets").path(1).asInt();
                var values = new float[(to - from) / Float.BYTES];
                bytes.slice(8 + headerLength + from, to - from)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .asFloatBuffer()
                        .get(values);
                tensors.put(field.getKey(), values);
            }
        }
        return tensors;
    }
}
