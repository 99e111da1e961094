package dev.pollard.format.torch;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.Shape;
import dev.pollard.format.StoredTensor;
import dev.pollard.format.TensorFile;
import dev.pollard.format.TensorView;
import dev.pollard.format.torch.PickleMachine.Tuple;
import dev.pollard.format.torch.PickledGlobal.TypedStorage;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/// A checkpoint written by `torch.save` (`.pt`, `.pth`, `pytorch_model.bin`; the zip format of
/// PyTorch 1.6 and newer), mapped read-only.
///
/// The pickle inside is data here, never a program: names other than those of tensors and their
/// parts end the reading. The state dict is the value of the top-level key `model` if that is a
/// dict, otherwise the whole file; dicts inside it are flattened to dotted names. What is not a
/// tensor of the state dict is found in [#values].
public final class TorchCheckpoint implements TensorFile {
    private static final String STATE_DICT_KEY = "model";

    /// Bounds for values that contain each other, or themselves.
    private static final int MAX_DEPTH = 64;

    private static final int MAX_VISITS = 500_000;
    private static final int MAX_NAME = 4096;
    private static final int MAX_PICKLE_BYTES = 1 << 24;
    private static final int MAX_BYTE_ORDER_BYTES = 16;

    private final Path path;
    private final Arena arena;
    private final ZipDirectory zip;
    private final String root;
    private final SequencedMap<String, StoredTensor> tensors = new LinkedHashMap<>();
    private final SequencedMap<String, Object> values = new LinkedHashMap<>();
    private long picklePosition;
    private int visits;

    private TorchCheckpoint(Path path, Arena arena, ZipDirectory zip, String root) {
        this.path = path;
        this.arena = arena;
        this.zip = zip;
        this.root = root;
    }

    /// Maps the file and reads its pickle; the numbers stay on disk until they are asked for.
    ///
    /// @throws MalformedFileException if the file breaks its format, or holds anything but
    ///     tensors and plain data
    /// @throws IOException if it cannot be read
    public static TorchCheckpoint open(Path path) throws IOException {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            MemorySegment file =
                    channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            refuseLegacy(path, file);
            ZipDirectory zip = new ZipDirectory(path, file);
            TorchCheckpoint checkpoint = new TorchCheckpoint(path, arena, zip, root(path, zip));
            checkpoint.read();
            return checkpoint;
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    private static void refuseLegacy(Path path, MemorySegment file) throws MalformedFileException {
        if (file.byteSize() > 0 && file.get(ValueLayout.JAVA_BYTE, 0) == (byte) 0x80) {
            throw new MalformedFileException(
                    path,
                    0,
                    "a checkpoint from before PyTorch 1.6; save it again with a newer one");
        }
    }

    /// The one folder that everything in the zip file lies in.
    private static String root(Path path, ZipDirectory zip) throws MalformedFileException {
        String found = null;
        for (String name : zip.names()) {
            int slash = name.indexOf('/');
            if (slash >= 0 && name.substring(slash).equals("/data.pkl")) {
                if (found != null) {
                    throw new MalformedFileException(path, 0, "two data.pkl in the zip file");
                }
                found = name.substring(0, slash);
            }
        }
        if (found == null) {
            throw new MalformedFileException(path, 0, "no data.pkl: not a PyTorch checkpoint");
        }
        return found;
    }

    private void read() throws MalformedFileException {
        String byteOrder = root + "/byteorder";
        if (zip.contains(byteOrder)) {
            byte[] order = zip.copy(byteOrder, MAX_BYTE_ORDER_BYTES);
            if (!new String(order, StandardCharsets.US_ASCII).equals("little")) {
                throw malformed(
                        zip.position(zip.bytes(byteOrder)), "numbers are not little-endian");
            }
        }
        String pickle = root + "/data.pkl";
        picklePosition = zip.position(zip.bytes(pickle));
        byte[] program = zip.copy(pickle, MAX_PICKLE_BYTES);
        Object top = new PickleMachine(path, picklePosition, program).run();
        if (!(top instanceof Map<?, ?> entries)) {
            throw malformed(
                    picklePosition,
                    "checkpoint holds " + PickleMachine.kind(top) + ", not a state dict");
        }
        if (entries.get(STATE_DICT_KEY) instanceof Map<?, ?> state) {
            flatten("", STATE_DICT_KEY + ".", state, 0);
            for (Map.Entry<?, ?> entry : entries.entrySet()) {
                if (!STATE_DICT_KEY.equals(entry.getKey())) {
                    String key = key("", entry.getKey());
                    values.put(key, plain(key, entry.getValue(), 0));
                }
            }
        } else {
            flatten("", "", entries, 0);
        }
    }

    /// @param prefix of the tensor names: the keys of the dicts around this one, each with a dot
    /// @param valuePrefix stands before `prefix` in the names of what is not a tensor
    private void flatten(String prefix, String valuePrefix, Map<?, ?> state, int depth)
            throws MalformedFileException {
        visit(depth);
        for (Map.Entry<?, ?> entry : state.entrySet()) {
            visit(depth);
            String name = key(prefix, entry.getKey());
            switch (entry.getValue()) {
                case Map<?, ?> inner -> flatten(name + ".", valuePrefix, inner, depth + 1);
                case PickledTensor tensor -> {
                    if (tensors.put(name, tensor(name, tensor)) != null) {
                        throw malformed(tensor.position(), "two tensors named '" + name + "'");
                    }
                }
                case null, default ->
                        values.put(
                                valuePrefix + name,
                                plain(valuePrefix + name, entry.getValue(), depth));
            }
        }
    }

    /// A pickled value as plain, unmodifiable Java; dict keys become strings.
    private Object plain(String name, Object value, int depth) throws MalformedFileException {
        visit(depth);
        return switch (value) {
            case PickledTensor tensor -> tensor(name, tensor);
            case Map<?, ?> map -> {
                SequencedMap<String, Object> plain = new LinkedHashMap<>();
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    String key = key("", entry.getKey());
                    plain.put(key, plain(key(name + ".", key), entry.getValue(), depth + 1));
                }
                yield Collections.unmodifiableSequencedMap(plain);
            }
            case Tuple(var items) -> plainList(name, items, depth);
            case List<?> items -> plainList(name, items, depth);
            case String text -> text;
            case Boolean truth -> truth;
            case Number number -> number;
            case byte[] bytes -> bytes.clone();
            case null -> null;
            default -> throw malformed(picklePosition, "'" + name + "' is not plain data");
        };
    }

    private List<Object> plainList(String name, List<?> items, int depth)
            throws MalformedFileException {
        List<Object> plain = new ArrayList<>();
        for (Object item : items) {
            plain.add(plain(key(name + ".", (long) plain.size()), item, depth + 1));
        }
        return Collections.unmodifiableList(plain);
    }

    private String key(String prefix, Object key) throws MalformedFileException {
        String name = prefix + key;
        if (name.length() > MAX_NAME) {
            throw malformed(
                    picklePosition, "name of more than " + MAX_NAME + " characters in the pickle");
        }
        return name;
    }

    private void visit(int depth) throws MalformedFileException {
        if (depth > MAX_DEPTH) {
            throw malformed(picklePosition, "values nested deeper than " + MAX_DEPTH);
        }
        if (++visits > MAX_VISITS) {
            throw malformed(picklePosition, "more than " + MAX_VISITS + " nested values");
        }
    }

    /// Checks a tensor against its storage, so that every element it can name is there.
    private StoredTensor tensor(String name, PickledTensor tensor) throws MalformedFileException {
        DType dtype = tensor.dtype();
        MemorySegment storage = storage(name, tensor);
        long available = storage.byteSize() / dtype.bytes(1);
        Shape shape;
        long last = tensor.offset();
        boolean inOrder = true;
        try {
            shape = new Shape(tensor.sizes());
            if (tensor.strides().size() != shape.rank()) {
                throw malformed(tensor, name, "has as many strides as dimensions");
            }
            long expected = 1;
            for (int axis = shape.rank() - 1; axis >= 0 && shape.elements() > 0; axis--) {
                long size = shape.size(axis);
                long stride = tensor.strides().get(axis);
                if (stride < 0) {
                    throw malformed(tensor, name, "has strides of at least 0");
                }
                inOrder &= size == 1 || stride == expected;
                expected *= size;
                last = Math.addExact(last, Math.multiplyExact(size - 1, stride));
            }
        } catch (IllegalArgumentException | ArithmeticException e) {
            throw malformed(tensor.position(), "tensor '" + name + "': " + e.getMessage());
        }
        long elements = shape.elements();
        boolean inside =
                elements == 0
                        ? last >= 0 && last <= available
                        : tensor.offset() >= 0 && last < available;
        if (!inside) {
            throw malformed(tensor, name, "lies inside its storage of " + available + " elements");
        }
        if (elements > available) {
            // An expanded view: its copy could be far larger than the file.
            throw malformed(tensor, name, "uses no element of its storage twice");
        }
        long start = dtype.bytes(tensor.offset());
        if (inOrder) {
            return new TensorView(
                    name, dtype, shape, storage.asSlice(start, dtype.bytes(elements)));
        }
        return new StridedTensor(
                name, dtype, shape, storage.asSlice(start).asReadOnly(), tensor.strides());
    }

    private MemorySegment storage(String name, PickledTensor tensor) throws MalformedFileException {
        PickledTensor.Storage storage = tensor.storage();
        String entry = root + "/data/" + storage.key();
        if (!zip.contains(entry)) {
            throw malformed(
                    tensor.position(),
                    "storage '%s' of tensor '%s' is not in the zip file"
                            .formatted(storage.key(), name));
        }
        MemorySegment bytes = zip.bytes(entry);
        long width = storage.type() instanceof TypedStorage(DType dtype) ? dtype.bytes(1) : 1;
        if (bytes.byteSize() % width != 0 || bytes.byteSize() / width != storage.elements()) {
            throw malformed(
                    tensor.position(),
                    "storage '%s' of tensor '%s' has %d bytes, not %d elements of %d"
                            .formatted(
                                    storage.key(),
                                    name,
                                    bytes.byteSize(),
                                    storage.elements(),
                                    width));
        }
        return bytes;
    }

    private MalformedFileException malformed(PickledTensor tensor, String name, String broken) {
        return malformed(
                tensor.position(),
                "tensor '%s' (offset %d, sizes %s, strides %s) breaks the rule that it %s"
                        .formatted(
                                name, tensor.offset(), tensor.sizes(), tensor.strides(), broken));
    }

    private MalformedFileException malformed(long position, String reason) {
        return new MalformedFileException(path, position, reason);
    }

    @Override
    public Path path() {
        return path;
    }

    /// The state dict's tensors by dotted name, in the order of the dict: [TensorView]s on the file
    /// where elements lie in C order, otherwise gathered on reading.
    @Override
    public SequencedMap<String, StoredTensor> tensors() {
        return Collections.unmodifiableSequencedMap(tensors);
    }

    /// What else the checkpoint holds (`model_args`, `iter_num`, `optimizer`): String, Long,
    /// BigInteger, Double, Boolean, byte\[], null, Map and List of these, and [StoredTensor].
    public SequencedMap<String, Object> values() {
        return Collections.unmodifiableSequencedMap(values);
    }

    @Override
    public void close() {
        arena.close();
    }
}
