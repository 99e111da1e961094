package dev.pollard.format.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.pollard.format.DType;
import dev.pollard.format.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;

/// Writes one `.safetensors` file, tensor by tensor, without ever holding more than a buffer of it.
///
/// ```java
/// try (var writer = SafetensorsWriter.create(path, declarations, source.metadata())) {
///     writer.write("lm_head.weight", bytes);   // every declared tensor once, in any order
///     writer.commit();                         // only now is there a file at `path`
/// }
/// ```
///
/// The layout is that of the reference writer: widest dtype first, then by name, data aligned to
/// 8 bytes. Not for several threads at once.
public final class SafetensorsWriter implements AutoCloseable {
    /// A tensor to be written.
    public record Declaration(String name, DType dtype, Shape shape) {
        /// @throws IllegalArgumentException if the tensor would end inside a byte, or is too large
        public Declaration {
            dtype.bytes(shape.elements());
        }

        long bytes() {
            return dtype.bytes(shape.elements());
        }
    }

    private static final int BUFFER_BYTES = 1 << 20;

    private static final Comparator<Declaration> LAYOUT =
            Comparator.comparing(Declaration::dtype)
                    .reversed()
                    .thenComparing(d -> utf8(d.name()), Arrays::compareUnsigned);

    private record Slot(Declaration tensor, long position) {}

    private final Path target;
    private final StagedFile file;
    private final Map<String, Slot> slots;
    private final Set<String> missing;
    private final ByteBuffer buffer =
            ByteBuffer.allocateDirect(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);

    private SafetensorsWriter(Path target, StagedFile file, Map<String, Slot> slots) {
        this.target = target;
        this.file = file;
        this.slots = slots;
        this.missing = new TreeSet<>(slots.keySet());
    }

    /// Starts the file beside its target and writes the header.
    ///
    /// @param target replaced on [#commit] if it exists
    /// @param tensors all of the file's tensors
    /// @param metadata goes to `__metadata__` in its order, where `format` always becomes `pt`:
    ///     older transformers refuse files without it
    /// @throws IllegalArgumentException if a name occurs twice, is `__metadata__` or is not text,
    ///     or if the header would be longer than readers accept
    public static SafetensorsWriter create(
            Path target, Collection<Declaration> tensors, Map<String, String> metadata)
            throws IOException {
        List<Declaration> layout = tensors.stream().sorted(LAYOUT).toList();
        byte[] header = header(layout, metadata);
        Map<String, Slot> slots = new LinkedHashMap<>();
        long position = header.length;
        for (Declaration tensor : layout) {
            if (slots.put(tensor.name(), new Slot(tensor, position)) != null) {
                throw new IllegalArgumentException("tensor '" + tensor.name() + "' declared twice");
            }
            position += tensor.bytes();
        }
        StagedFile file = StagedFile.beside(target);
        try {
            file.write(ByteBuffer.wrap(header), 0);
            return new SafetensorsWriter(target, file, slots);
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    /// Length field, JSON and padding.
    private static byte[] header(List<Declaration> layout, Map<String, String> metadata)
            throws IOException {
        SequencedMap<String, String> complete = new LinkedHashMap<>(metadata);
        complete.put("format", "pt");
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (JsonGenerator json = new JsonFactory().createGenerator(text)) {
            json.writeStartObject();
            json.writeObjectFieldStart(SafetensorsHeader.METADATA);
            for (Map.Entry<String, String> entry : complete.entrySet()) {
                json.writeStringField(checkText(entry.getKey()), checkText(entry.getValue()));
            }
            json.writeEndObject();
            long begin = 0;
            for (Declaration tensor : layout) {
                if (tensor.name().equals(SafetensorsHeader.METADATA)) {
                    throw new IllegalArgumentException("no tensor can be named " + tensor.name());
                }
                json.writeObjectFieldStart(checkText(tensor.name()));
                json.writeStringField("dtype", tensor.dtype().name());
                json.writeArrayFieldStart("shape");
                for (long size : tensor.shape().sizes()) {
                    json.writeNumber(size);
                }
                json.writeEndArray();
                json.writeArrayFieldStart("data_offsets");
                json.writeNumber(begin);
                begin = Math.addExact(begin, tensor.bytes());
                json.writeNumber(begin);
                json.writeEndArray();
                json.writeEndObject();
            }
            json.writeEndObject();
        }
        while (text.size() % Long.BYTES != 0) {
            text.write(' ');
        }
        if (text.size() > StrictJson.MAX_BYTES) {
            throw new IllegalArgumentException("a header of " + text.size() + " bytes is too long");
        }
        return ByteBuffer.allocate(Long.BYTES + text.size())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(text.size())
                .put(text.toByteArray())
                .array();
    }

    private static String checkText(String text) {
        if (!StrictJson.isWellFormed(text)) {
            throw new IllegalArgumentException("half a surrogate pair in '" + text + "'");
        }
        return text;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /// Writes a tensor's bytes as they are.
    ///
    /// @param bytes C order, little-endian, exactly as many as were declared
    /// @throws IllegalArgumentException if the tensor was not declared, is written already, or has
    ///     another size
    /// @throws IOException names the target; [#close] then leaves nothing behind
    public void write(String name, MemorySegment bytes) throws IOException {
        Slot slot = slot(name);
        if (bytes.byteSize() != slot.tensor().bytes()) {
            throw new IllegalArgumentException(
                    "tensor '%s' has %d bytes, not %d"
                            .formatted(name, slot.tensor().bytes(), bytes.byteSize()));
        }
        MemorySegment staged = MemorySegment.ofBuffer(buffer.clear());
        for (long done = 0; done < bytes.byteSize(); done += BUFFER_BYTES) {
            int n = (int) Math.min(BUFFER_BYTES, bytes.byteSize() - done);
            MemorySegment.copy(bytes, done, staged, 0, n);
            file.write(buffer.clear().limit(n), slot.position() + done);
        }
        missing.remove(name);
    }

    /// Rounds float32 numbers to the declared dtype, to nearest even, and writes them.
    ///
    /// @param floats float32 in C order, little-endian
    /// @throws IllegalArgumentException as [#write], or if the dtype is not F32, F16 or BF16
    public void writeFloats(String name, MemorySegment floats) throws IOException {
        Slot slot = slot(name);
        DType dtype = slot.tensor().dtype();
        long elements = slot.tensor().shape().elements();
        if (!dtype.narrows() || floats.byteSize() / Float.BYTES != elements) {
            throw new IllegalArgumentException(
                    "tensor '%s' is %d elements of %s, not %d float32"
                            .formatted(name, elements, dtype, floats.byteSize() / Float.BYTES));
        }
        MemorySegment staged = MemorySegment.ofBuffer(buffer.clear());
        long step = BUFFER_BYTES / dtype.bytes(1);
        for (long done = 0; done < elements; done += step) {
            long n = Math.min(step, elements - done);
            dtype.narrow(floats.asSlice(Float.BYTES * done, Float.BYTES * n), n, staged);
            file.write(
                    buffer.clear().limit((int) dtype.bytes(n)),
                    slot.position() + dtype.bytes(done));
        }
        missing.remove(name);
    }

    private Slot slot(String name) {
        Slot slot = slots.get(name);
        if (slot == null) {
            throw new IllegalArgumentException("tensor '" + name + "' was not declared");
        }
        if (!missing.contains(name)) {
            throw new IllegalArgumentException("tensor '" + name + "' is written already");
        }
        return slot;
    }

    /// Forces the file to disk and moves it to its target in one step.
    ///
    /// @throws IllegalStateException if a declared tensor was not written
    public void commit() throws IOException {
        if (!missing.isEmpty()) {
            throw new IllegalStateException(
                    "%s: %d tensors were not written, the first '%s'"
                            .formatted(target, missing.size(), missing.iterator().next()));
        }
        file.commit();
    }

    /// Without a commit before it, deletes what was written.
    @Override
    public void close() throws IOException {
        file.close();
    }
}
