package dev.pollard.model;

import dev.pollard.format.TensorView;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/// Writes float32 state dicts as `torch.save` does.
final class TorchFiles {
    private static final int DICT = '}';
    private static final int MARK = '(';
    private static final int TUPLE = 't';
    private static final int EMPTY_TUPLE = ')';
    private static final int REDUCE = 'R';
    private static final int FALSE = 0x89;
    private static final int PERSISTENT = 'Q';
    private static final int SET_ITEMS = 'u';
    private static final int STOP = '.';

    private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();

    private TorchFiles() {}

    static void write(Path file, Collection<TensorView> tensors) throws IOException {
        var writer = new TorchFiles();
        writer.op(0x80, 2, DICT, MARK);
        int key = 0;
        for (TensorView tensor : tensors) {
            writer.tensor(tensor, key++);
        }
        writer.op(SET_ITEMS, STOP);
        try (var zip = new ZipOutputStream(Files.newOutputStream(file))) {
            store(zip, "archive/data.pkl", writer.pickle.toByteArray());
            key = 0;
            for (TensorView tensor : tensors) {
                store(zip, "archive/data/" + key++, tensor.data().toArray(ValueLayout.JAVA_BYTE));
            }
            store(zip, "archive/version", "3\n".getBytes(StandardCharsets.US_ASCII));
        }
    }

    private void tensor(TensorView tensor, int key) {
        int elements = (int) tensor.shape().elements();
        text(tensor.name());
        global("torch._utils", "_rebuild_tensor_v2").op(MARK);
        op(MARK);
        text("storage");
        global("torch", "FloatStorage");
        text(String.valueOf(key));
        text("cpu");
        integer(elements).op(TUPLE, PERSISTENT);
        integer(0);
        op(MARK);
        tensor.shape().sizes().forEach(size -> integer(size.intValue()));
        op(TUPLE, MARK);
        int stride = elements;
        for (long size : tensor.shape().sizes()) {
            stride /= (int) size;
            integer(stride);
        }
        op(TUPLE, FALSE).global("collections", "OrderedDict").op(EMPTY_TUPLE, REDUCE);
        op(TUPLE, REDUCE);
    }

    private TorchFiles op(int... codes) {
        for (int code : codes) {
            pickle.write(code);
        }
        return this;
    }

    private TorchFiles integer(int value) {
        op('J');
        pickle.writeBytes(little(value));
        return this;
    }

    private void text(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        op('X');
        pickle.writeBytes(little(utf8.length));
        pickle.writeBytes(utf8);
    }

    private TorchFiles global(String module, String name) {
        op('c');
        pickle.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
        return this;
    }

    private static byte[] little(int value) {
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array();
    }

    private static void store(ZipOutputStream zip, String name, byte[] bytes) throws IOException {
        var crc = new CRC32();
        crc.update(bytes);
        var entry = new ZipEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(bytes.length);
        entry.setCrc(crc.getValue());
        zip.putNextEntry(entry);
        zip.write(bytes);
        zip.closeEntry();
    }
}
