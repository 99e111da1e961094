package dev.pollard.eval;

import dev.pollard.data.Evaluation;
import dev.pollard.data.Source;
import dev.pollard.data.TokenWindows;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/// Windows made of given ids, by the way any user's ids take: a `.npy` file.
final class Windows {
    private Windows() {}

    static TokenWindows of(Path folder, int[] ids, int length, int vocabulary) throws IOException {
        return strided(folder, ids, length, length, vocabulary);
    }

    static TokenWindows strided(Path folder, int[] ids, int length, int stride, int vocabulary)
            throws IOException {
        String header =
                "{'descr': '<i4', 'fortran_order': False, 'shape': (%d,), }".formatted(ids.length);
        var bytes =
                ByteBuffer.allocate(10 + header.length() + 4 * ids.length)
                        .order(ByteOrder.LITTLE_ENDIAN);
        bytes.put((byte) 0x93).put("NUMPY\1\0".getBytes(StandardCharsets.US_ASCII));
        bytes.putShort((short) header.length());
        bytes.put(header.getBytes(StandardCharsets.US_ASCII));
        bytes.asIntBuffer().put(ids);
        Path file = Files.write(folder.resolve("ids.npy"), bytes.array());
        return new Evaluation(Source.parse(file.toString()), length, stride, OptionalInt.empty())
                .read(Optional.empty(), vocabulary);
    }
}
