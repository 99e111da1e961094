package dev.pollard.format.torch;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/// Puts pickle instructions together by hand, honest ones and hostile ones.
final class PickleWriter {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    PickleWriter() {
        op(0x80).op(2);
    }

    PickleWriter op(int... codes) {
        for (int code : codes) {
            bytes.write(code);
        }
        return this;
    }

    PickleWriter text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        op('X').int32(utf8.length);
        bytes.writeBytes(utf8);
        return this;
    }

    PickleWriter integer(int value) {
        return op('J').int32(value);
    }

    PickleWriter int32(int value) {
        ByteBuffer field = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value);
        bytes.writeBytes(field.array());
        return this;
    }

    PickleWriter global(String module, String name) {
        op('c');
        bytes.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
        return this;
    }

    /// Pushes a tensor of a typed storage, as PyTorch's protocol 2 pickles do.
    PickleWriter tensor(
            String type, String key, int elements, int offset, int[] sizes, int[] strides) {
        global("torch._utils", "_rebuild_tensor_v2").op('(');
        storage(type, key, elements).integer(offset).tuple(sizes).tuple(strides);
        return op(0x89).global("collections", "OrderedDict").op(')', 'R', 't', 'R');
    }

    PickleWriter storage(String type, String key, int elements) {
        op('(').text("storage").global("torch", type).text(key).text("cpu");
        return integer(elements).op('t', 'Q');
    }

    PickleWriter tuple(int... values) {
        op('(');
        for (int value : values) {
            integer(value);
        }
        return op('t');
    }

    byte[] stop() {
        return op('.').bytes.toByteArray();
    }
}
