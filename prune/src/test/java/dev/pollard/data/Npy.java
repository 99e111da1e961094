package dev.pollard.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Writes `.npy` files, good and bad.
final class Npy {
    private Npy() {}

    /// The ids `0, 1, … count - 1` under the given header.
    static Path write(Path file, int version, String header, int count, int itemSize)
            throws IOException {
        byte[] text = header.getBytes(StandardCharsets.ISO_8859_1);
        var bytes =
                ByteBuffer.allocate((version == 1 ? 10 : 12) + text.length + count * itemSize)
                        .order(ByteOrder.LITTLE_ENDIAN);
        bytes.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII));
        bytes.put((byte) version).put((byte) 0);
        if (version == 1) {
            bytes.putShort((short) text.length);
        } else {
            bytes.putInt(text.length);
        }
        bytes.put(text);
        for (int i = 0; i < count; i++) {
            if (itemSize == 4) {
                bytes.putInt(i);
            } else {
                bytes.putLong(i);
            }
        }
        return Files.write(file, bytes.array());
    }

    static String header(String type, String shape) {
        return "{'descr': '%s', 'fortran_order': False, 'shape': %s, }     \n"
                .formatted(type, shape);
    }
}
