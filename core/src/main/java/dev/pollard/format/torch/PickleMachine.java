package dev.pollard.format.torch;

import dev.pollard.format.DType;
import dev.pollard.format.MalformedFileException;
import dev.pollard.format.torch.PickledGlobal.Callable;
import dev.pollard.format.torch.PickledGlobal.NamedDType;
import dev.pollard.format.torch.PickledGlobal.TypedStorage;
import dev.pollard.format.torch.PickledGlobal.UntypedStorage;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Reads the part of Python's pickle language (protocols 2 to 5) in which PyTorch writes
/// checkpoints.
///
/// A pickle is a program for a stack machine. This one knows data (None, bool, int, float, str,
/// bytes, list, tuple, dict), the names of [PickledGlobal], and how tensors are put together; every
/// other instruction or name ends the reading. Python values become:
///
/// | Python | Java |
/// |---|---|
/// | None | `null` |
/// | int | `Long`, or `BigInteger` beyond 64 bits |
/// | float | `Double` |
/// | str, bool, bytes | `String`, `Boolean`, `byte[]` |
/// | list | `ArrayList` |
/// | tuple | [Tuple] |
/// | dict, OrderedDict | `LinkedHashMap` |
/// | tensor, parameter | [PickledTensor] |
///
/// Containers may contain themselves: whoever walks the result must bound depth and work.
final class PickleMachine {
    /// Distinct from a list: arguments and keys are told apart by it.
    record Tuple(List<Object> items) {}

    /// Bounds on what a hostile program can make this machine hold; a checkpoint of a thousand
    /// tensors needs some ten thousand values.
    private static final int MAX_VALUES = 4_000_000;

    private static final int MAX_STACK = 1_000_000;
    private static final int MAX_PROTOCOL = 5;
    private static final int MAX_LINE = 256;
    private static final int MAX_RANK = 64;

    private final Path file;
    private final long base;
    private final ByteBuffer program;
    private final List<Object> stack = new ArrayList<>();
    private final List<Integer> marks = new ArrayList<>();
    private final Map<Long, Object> memo = new HashMap<>();
    private int instruction;
    private int values;

    /// @param file named in messages
    /// @param base offset of the program in the file
    PickleMachine(Path file, long base, byte[] program) {
        this.file = file;
        this.base = base;
        this.program = ByteBuffer.wrap(program).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// Runs the program to its STOP and returns the value on top.
    Object run() throws MalformedFileException {
        while (true) {
            instruction = program.position();
            int opcode = u8();
            switch (opcode) {
                case 0x80 -> protocol(); // PROTO
                case 0x95 -> take(Long.BYTES); // FRAME: only a hint for buffering
                case '.' -> {
                    return stop();
                }

                case 'N' -> push(null);
                case 0x88 -> push(true);
                case 0x89 -> push(false);
                case 'J' -> push((long) take(Integer.BYTES).getInt()); // BININT
                case 'K' -> push((long) u8()); // BININT1
                case 'M' -> push((long) Short.toUnsignedInt(take(Short.BYTES).getShort()));
                case 0x8a -> push(integer(u8())); // LONG1
                case 'G' -> push(take(Double.BYTES).order(ByteOrder.BIG_ENDIAN).getDouble());
                case 0x8c -> push(text(u8())); // SHORT_BINUNICODE
                case 'X' -> push(text(u32())); // BINUNICODE
                case 0x8d -> push(text(take(Long.BYTES).getLong())); // BINUNICODE8
                case 'C' -> push(bytes(u8())); // SHORT_BINBYTES
                case 'B' -> push(bytes(u32())); // BINBYTES

                case '(' -> mark();
                case '0' -> pop();
                case '1' -> popToMark();
                case '2' -> push(top()); // DUP

                case ')' -> push(new Tuple(List.of()));
                case 0x85 -> push(tuple(1));
                case 0x86 -> push(tuple(2));
                case 0x87 -> push(tuple(3));
                case 't' -> push(new Tuple(Collections.unmodifiableList(popToMark())));
                case ']' -> push(new ArrayList<>());
                case 'a' -> append(Collections.singletonList(pop()));
                case 'e' -> append(popToMark());
                case '}' -> push(new LinkedHashMap<>());
                case 's' -> setItems(tuple(2).items());
                case 'u' -> setItems(popToMark());

                case 'q' -> remember(u8()); // BINPUT
                case 'r' -> remember(u32()); // LONG_BINPUT
                case 0x94 -> remember(memo.size()); // MEMOIZE
                case 'h' -> push(recall(u8())); // BINGET
                case 'j' -> push(recall(u32())); // LONG_BINGET

                case 'c' -> push(global(line(), line())); // GLOBAL
                case 0x93 -> { // STACK_GLOBAL
                    Object name = pop();
                    push(global(string(pop()), string(name)));
                }
                case 'Q' -> push(storage(pop())); // BINPERSID
                case 'R' -> { // REDUCE
                    Object arguments = pop();
                    push(reduce(pop(), arguments));
                }
                case 'b' -> build();

                default ->
                        throw malformed(
                                "pickle instruction 0x%02x is not one of data".formatted(opcode));
            }
        }
    }

    private void protocol() throws MalformedFileException {
        int version = u8();
        if (version > MAX_PROTOCOL) {
            throw malformed("pickle protocol " + version + " is unknown");
        }
    }

    private Object stop() throws MalformedFileException {
        Object result = pop();
        if (!stack.isEmpty() || !marks.isEmpty()) {
            throw malformed("pickle stops with values left over");
        }
        return result;
    }

    // The stack. A mark is a floor: nothing below it can be popped before the mark itself is.

    private void push(Object value) throws MalformedFileException {
        if (stack.size() == MAX_STACK) {
            throw malformed("pickle stacks more than " + MAX_STACK + " values");
        }
        count();
        stack.add(value);
    }

    /// To be called for whatever takes memory.
    private void count() throws MalformedFileException {
        if (++values > MAX_VALUES) {
            throw malformed("pickle makes more than " + MAX_VALUES + " values");
        }
    }

    private Object top() throws MalformedFileException {
        int floor = marks.isEmpty() ? 0 : marks.getLast();
        if (stack.size() <= floor) {
            throw malformed("pickle takes a value from an empty stack");
        }
        return stack.getLast();
    }

    private Object pop() throws MalformedFileException {
        Object value = top();
        stack.removeLast();
        return value;
    }

    private void mark() throws MalformedFileException {
        count();
        marks.add(stack.size());
    }

    private List<Object> popToMark() throws MalformedFileException {
        if (marks.isEmpty()) {
            throw malformed("pickle looks for a mark that is not there");
        }
        List<Object> above = stack.subList(marks.removeLast(), stack.size());
        List<Object> taken = new ArrayList<>(above);
        above.clear();
        return taken;
    }

    private Tuple tuple(int size) throws MalformedFileException {
        Object[] items = new Object[size];
        for (int i = size - 1; i >= 0; i--) {
            items[i] = pop();
        }
        return new Tuple(Collections.unmodifiableList(Arrays.asList(items)));
    }

    private void remember(long index) throws MalformedFileException {
        count();
        memo.put(index, top());
    }

    private Object recall(long index) throws MalformedFileException {
        Object value = memo.get(index);
        if (value == null && !memo.containsKey(index)) {
            throw malformed("pickle recalls value " + index + ", which it never remembered");
        }
        return value;
    }

    // Containers.

    @SuppressWarnings("unchecked") // every ArrayList on the stack was put there by ']'
    private void append(List<Object> items) throws MalformedFileException {
        if (!(top() instanceof ArrayList<?> list)) {
            throw malformed("pickle appends to " + kind(top()));
        }
        ((List<Object>) list).addAll(items);
    }

    private void setItems(List<Object> keysAndValues) throws MalformedFileException {
        if (!(top() instanceof LinkedHashMap<?, ?> map)) {
            throw malformed("pickle sets items of " + kind(top()));
        }
        if (keysAndValues.size() % 2 != 0) {
            throw malformed("pickle sets a key without a value");
        }
        for (int i = 0; i < keysAndValues.size(); i += 2) {
            put(map, keysAndValues.get(i), keysAndValues.get(i + 1));
        }
    }

    /// Keys are scalars: hashing a container could recurse without end.
    @SuppressWarnings("unchecked") // every LinkedHashMap on the stack was put there by '}'
    private void put(LinkedHashMap<?, ?> map, Object key, Object value)
            throws MalformedFileException {
        boolean scalar =
                key == null
                        || key instanceof String
                        || key instanceof Number
                        || key instanceof Boolean;
        if (!scalar) {
            throw malformed("pickle uses " + kind(key) + " as a key");
        }
        ((Map<Object, Object>) map).put(key, value);
    }

    // Names and what may be done with them.

    private PickledGlobal global(String module, String name) throws MalformedFileException {
        String qualified = module + "." + name;
        return PickledGlobal.named(qualified)
                .orElseThrow(
                        () ->
                                malformed(
                                        "pickle asks for '%s'; only tensors and plain data are read"
                                                .formatted(qualified)));
    }

    private Object reduce(Object function, Object arguments) throws MalformedFileException {
        if (!(function instanceof Callable callable) || !(arguments instanceof Tuple(var items))) {
            throw malformed("pickle calls " + kind(function) + " with " + kind(arguments));
        }
        return switch (callable) {
            case ORDERED_DICT -> orderedDict(items);
            case REBUILD_TENSOR_V2 -> tensor(items, 6, 7);
            case REBUILD_TENSOR_V3 -> tensor(items, 7, 8);
            case REBUILD_PARAMETER -> parameter(items);
        };
    }

    private Object orderedDict(List<Object> arguments) throws MalformedFileException {
        LinkedHashMap<Object, Object> dict = new LinkedHashMap<>();
        if (arguments.isEmpty()) {
            return dict;
        }
        if (arguments.size() != 1 || !(arguments.getFirst() instanceof List<?> pairs)) {
            throw malformed("OrderedDict is not made from a list of pairs");
        }
        for (Object pair : pairs) {
            count();
            List<?> keyAndValue =
                    switch (pair) {
                        case Tuple(var items) -> items;
                        case List<?> items -> items;
                        case null, default -> List.of();
                    };
            if (keyAndValue.size() != 2) {
                throw malformed("OrderedDict is not made from a list of pairs");
            }
            put(dict, keyAndValue.get(0), keyAndValue.get(1));
        }
        return dict;
    }

    /// (storage, offset, sizes, strides, requires_grad, hooks\[, dtype]\[, metadata])
    private PickledTensor tensor(List<Object> arguments, int least, int most)
            throws MalformedFileException {
        boolean typed = least == 6;
        if (arguments.size() < least
                || arguments.size() > most
                || !(arguments.get(0) instanceof PickledTensor.Storage storage)
                || !(arguments.get(1) instanceof Long offset)) {
            throw malformed("tensor is not made from a storage, an offset, sizes and strides");
        }
        DType dtype;
        if (typed && storage.type() instanceof TypedStorage(DType ofStorage)) {
            dtype = ofStorage;
        } else if (!typed && arguments.get(6) instanceof NamedDType(DType named)) {
            dtype = named;
        } else {
            throw malformed("tensor without a dtype");
        }
        return new PickledTensor(
                base + instruction,
                storage,
                dtype,
                offset,
                integers(arguments.get(2)),
                integers(arguments.get(3)));
    }

    private List<Long> integers(Object value) throws MalformedFileException {
        if (!(value instanceof Tuple(var items)) || items.size() > MAX_RANK) {
            throw malformed("sizes or strides are not a tuple of at most " + MAX_RANK);
        }
        List<Long> integers = new ArrayList<>(items.size());
        for (Object item : items) {
            if (!(item instanceof Long integer)) {
                throw malformed("sizes or strides hold " + kind(item));
            }
            integers.add(integer);
        }
        return List.copyOf(integers);
    }

    /// (tensor, requires_grad, hooks)
    private PickledTensor parameter(List<Object> arguments) throws MalformedFileException {
        if (arguments.size() != 3 || !(arguments.getFirst() instanceof PickledTensor tensor)) {
            throw malformed("parameter is not made from a tensor");
        }
        return tensor;
    }

    /// ('storage', type, key, device, number of elements)
    private PickledTensor.Storage storage(Object id) throws MalformedFileException {
        if (id instanceof Tuple(var parts)
                && parts.size() == 5
                && "storage".equals(parts.get(0))
                && parts.get(1) instanceof PickledGlobal type
                && (type instanceof TypedStorage || type instanceof UntypedStorage)
                && parts.get(2) instanceof String key
                && parts.get(3) instanceof String _
                && parts.get(4) instanceof Long elements) {
            return new PickledTensor.Storage(type, key, elements);
        }
        throw malformed("persistent id is not that of a storage");
    }

    /// State dicts carry attributes (`_metadata`: module versions) that no weight depends on.
    private void build() throws MalformedFileException {
        Object state = pop();
        if (!(top() instanceof LinkedHashMap) || !(state instanceof LinkedHashMap)) {
            throw malformed("pickle sets the state of " + kind(top()));
        }
    }

    // Operands.

    private ByteBuffer take(long length) throws MalformedFileException {
        if (length < 0 || length > program.remaining()) {
            throw malformed("pickle ends inside an instruction");
        }
        int n = (int) length;
        ByteBuffer operand = program.slice(program.position(), n).order(ByteOrder.LITTLE_ENDIAN);
        program.position(program.position() + n);
        return operand;
    }

    private int u8() throws MalformedFileException {
        if (!program.hasRemaining()) {
            throw malformed("pickle ends inside an instruction");
        }
        return Byte.toUnsignedInt(program.get());
    }

    private long u32() throws MalformedFileException {
        return Integer.toUnsignedLong(take(Integer.BYTES).getInt());
    }

    private byte[] bytes(long length) throws MalformedFileException {
        ByteBuffer operand = take(length);
        byte[] bytes = new byte[operand.remaining()];
        operand.get(bytes);
        return bytes;
    }

    /// Two's complement, little-endian, as few bytes as needed; none is 0.
    private Number integer(int length) throws MalformedFileException {
        byte[] bytes = bytes(length);
        for (int i = 0; i < length / 2; i++) {
            byte swapped = bytes[i];
            bytes[i] = bytes[length - 1 - i];
            bytes[length - 1 - i] = swapped;
        }
        BigInteger value = length == 0 ? BigInteger.ZERO : new BigInteger(bytes);
        return value.bitLength() < Long.SIZE ? (Number) value.longValueExact() : value;
    }

    private String text(long length) throws MalformedFileException {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(take(length)).toString();
        } catch (CharacterCodingException e) {
            throw new MalformedFileException(file, base + instruction, "text is not UTF-8", e);
        }
    }

    private String line() throws MalformedFileException {
        StringBuilder line = new StringBuilder();
        for (int c = u8(); c != '\n'; c = u8()) {
            if (line.length() == MAX_LINE) {
                throw malformed("name of more than " + MAX_LINE + " characters");
            }
            line.append((char) c);
        }
        return line.toString();
    }

    private String string(Object value) throws MalformedFileException {
        if (value instanceof String text) {
            return text;
        }
        throw malformed("pickle asks for a name that is " + kind(value));
    }

    private MalformedFileException malformed(String reason) {
        return new MalformedFileException(file, base + instruction, reason);
    }

    /// What a message calls a value; its content may be huge or contain itself.
    static String kind(Object value) {
        return switch (value) {
            case null -> "None";
            case String _ -> "a string";
            case Boolean _ -> "a bool";
            case Double _ -> "a float";
            case Number _ -> "an int";
            case byte[] _ -> "bytes";
            case Tuple _ -> "a tuple";
            case List<?> _ -> "a list";
            case Map<?, ?> _ -> "a dict";
            case PickledTensor _ -> "a tensor";
            case PickledTensor.Storage _ -> "a storage";
            default -> "a name";
        };
    }
}
