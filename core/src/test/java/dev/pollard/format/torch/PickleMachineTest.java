package dev.pollard.format.torch;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PickleMachineTest {
    private static final Path FILE = Path.of("hand.pt");

    @Test
    void plainPythonBecomesPlainJava() throws MalformedFileException {
        PickleWriter pickle =
                new PickleWriter()
                        .op(']', '(', 'N', 0x88, 0x89, 'K', 200, 'M', 0xff, 0xff)
                        .integer(-5)
                        .op('G', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0)
                        .text("é😀")
                        .op('C', 2, 1, 2)
                        .op('e');
        List<?> list = (List<?>) run(pickle);
        assertNull(list.get(0));
        assertEquals(List.of(true, false, 200L, 65535L, -5L, 1.5, "é😀"), list.subList(1, 8));
        assertArrayEquals(new byte[] {1, 2}, (byte[]) list.get(8));
    }

    @Test
    void longIntegersKeepSignAndSize() throws MalformedFileException {
        assertEquals(0L, run(new PickleWriter().op(0x8a, 0)));
        assertEquals(-1L, run(new PickleWriter().op(0x8a, 1, 0xff)));
        assertEquals(
                Long.MIN_VALUE, run(new PickleWriter().op(0x8a, 8, 0, 0, 0, 0, 0, 0, 0, 0x80)));
        assertEquals(
                BigInteger.ONE.shiftLeft(64),
                run(new PickleWriter().op(0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1)));
    }

    @Test
    void dictsKeepTheirOrderAndMemoTheirValues() throws MalformedFileException {
        PickleWriter pickle =
                new PickleWriter()
                        .global("collections", "OrderedDict")
                        .op(')', 'R', '(')
                        .text("z")
                        .op('q', 7)
                        .integer(1)
                        .text("a")
                        .op('h', 7, 'u');
        assertEquals("{z=1, a=z}", run(pickle).toString());
    }

    @Test
    void newerProtocolsAreRead() throws MalformedFileException {
        byte[] program = {
            (byte) 0x80,
            4,
            (byte) 0x95,
            9,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            '}',
            (byte) 0x94,
            (byte) 0x8c,
            1,
            'k',
            (byte) 0x94,
            'K',
            3,
            's',
            '.'
        };
        assertEquals(Map.of("k", 3L), new PickleMachine(FILE, 0, program).run());
        PickleWriter stacked =
                new PickleWriter().text("collections").text("OrderedDict").op(0x93, ')', 'R');
        assertEquals(Map.of(), run(stacked));
    }

    @ParameterizedTest
    @CsvSource({
        "os, system",
        "posix, system",
        "builtins, eval",
        "builtins, getattr",
        "subprocess, Popen",
        "torch, load",
        "torch._utils, _rebuild_device_tensor_from_numpy",
        "torch, FloatStorage.x",
        "numpy.core.multiarray, _reconstruct",
        "__main__, Model",
        "collections, defaultdict"
    })
    void everyOtherNameIsRefusedBeforeItIsUsed(String module, String name) {
        PickleWriter call =
                new PickleWriter().global(module, name).text("touch owned").op(0x85, 'R');
        assertRefused(call, "'" + module + "." + name + "'", 2);
        PickleWriter stacked = new PickleWriter().text(module).text(name).op(0x93);
        assertRefused(stacked, "'" + module + "." + name + "'");
    }

    /// GLOBAL's older and rarer relatives: INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1, PERSID, BUFFER, SET.
    @ParameterizedTest
    @CsvSource({"i", "o", "\u0081", "\u0092", "\u0082", "P", "\u0097", "\u008f", "I", "S", "g"})
    void instructionsThatAreNotDataAreRefused(String opcode) {
        assertRefused(
                new PickleWriter().op(opcode.charAt(0)),
                "0x%02x".formatted((int) opcode.charAt(0)));
    }

    @Test
    void onlyKnownCallablesAreCalled() {
        assertRefused(new PickleWriter().text("f").op(')', 'R'), "calls a string");
        assertRefused(
                new PickleWriter().global("torch", "FloatStorage").op(')', 'R'), "calls a name");
        assertRefused(
                new PickleWriter().global("collections", "OrderedDict").op(']', 'R'), "a list");
        assertRefused(
                new PickleWriter().global("torch._utils", "_rebuild_tensor_v2").op(')', 'R'),
                "storage");
        assertRefused(
                new PickleWriter().global("torch._utils", "_rebuild_parameter").op(')', 'R'),
                "tensor");
    }

    @Test
    void stateIsOnlySetOnStateDicts() {
        assertRefused(new PickleWriter().op(']', '}', 'b'), "a list");
        assertRefused(new PickleWriter().op('}', ']', 'b'), "a dict");
    }

    @Test
    void persistentIdsAreStoragesOrNothing() {
        assertRefused(new PickleWriter().text("0").op('Q'), "persistent id");
        assertRefused(
                new PickleWriter()
                        .op('(')
                        .text("module")
                        .global("torch", "FloatStorage")
                        .text("0")
                        .text("cpu")
                        .integer(1)
                        .op('t', 'Q'),
                "persistent id");
    }

    @Test
    void countsBeyondThePickleAreRefusedWithoutAllocation() {
        assertRefused(new PickleWriter().op('X').int32(Integer.MAX_VALUE), "ends inside", 2);
        assertRefused(new PickleWriter().op('X').int32(-1), "ends inside");
        assertRefused(new PickleWriter().op('B').int32(-1), "ends inside");
        assertRefused(
                new PickleWriter().op(0x8d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
                "ends inside");
        assertRefused(new PickleWriter().op(0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80), "ends inside");
        assertRefused(new PickleWriter().op(0x8a, 255, 1), "ends inside");
    }

    @Test
    void everyTruncationIsRefused() {
        byte[] whole =
                new PickleWriter()
                        .op('}', 'q', 0, '(')
                        .text("w")
                        .tensor("FloatStorage", "0", 6, 0, new int[] {2, 3}, new int[] {3, 1})
                        .op('u')
                        .stop();
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThrows(
                    MalformedFileException.class,
                    () -> new PickleMachine(FILE, 0, cut).run(),
                    "cut to " + length);
        }
    }

    @Test
    void everyChangedByteEitherReadsOrIsRefused() {
        byte[] whole =
                new PickleWriter()
                        .op('}', 'q', 0, '(')
                        .text("w")
                        .tensor("FloatStorage", "0", 6, 0, new int[] {2, 3}, new int[] {3, 1})
                        .op('u')
                        .stop();
        for (int at = 0; at < whole.length; at++) {
            for (int value = 0; value < 256; value++) {
                byte[] changed = whole.clone();
                changed[at] = (byte) value;
                try {
                    new PickleMachine(FILE, 0, changed).run();
                } catch (MalformedFileException e) {
                    assertTrue(e.offset() <= whole.length, e.getMessage());
                }
            }
        }
    }

    @Test
    void memoIsOnlyReadWhereItWasWritten() {
        assertRefused(new PickleWriter().op('h', 3), "value 3");
        assertRefused(new PickleWriter().op('j').int32(-1), "value 4294967295");
        assertRefused(new PickleWriter().op('q', 0), "empty stack");
    }

    @Test
    void farMemoIndexCostsNothing() throws MalformedFileException {
        assertEquals(
                List.of(), run(new PickleWriter().op(']', 'r').int32(-1).op('0', 'j').int32(-1)));
    }

    @Test
    void stackNeverGoesBelowItsFloor() {
        assertRefused(new PickleWriter().op('0'), "empty stack");
        assertRefused(new PickleWriter().op(']', '(', '0'), "empty stack");
        assertRefused(new PickleWriter().op('t'), "mark");
        assertRefused(new PickleWriter().op('N', 0x86), "empty stack");
        assertRefused(new PickleWriter(), "empty stack");
        assertRefused(new PickleWriter().op('N', 'N'), "left over");
        assertRefused(new PickleWriter().op('}', '(', 'N', 'u'), "without a value");
        assertRefused(new PickleWriter().op('N', 'N', 'a'), "appends to None");
    }

    @Test
    void keysAreScalars() {
        assertRefused(new PickleWriter().op('}', ')', 'N', 's'), "a tuple as a key");
        assertRefused(new PickleWriter().op('}', ']', 'N', 's'), "a list as a key");
    }

    @Test
    void millionsOfValuesAreRefusedInTime() {
        for (String flood : List.of("]", "(", "]0", "N2", "]q\u0000", "}(K\u0001Nu0")) {
            byte[] program = flood.repeat((1 << 24) / flood.length()).getBytes(ISO_8859_1);
            assertTimeout(
                    Duration.ofSeconds(5),
                    () ->
                            assertThrows(
                                    MalformedFileException.class,
                                    () -> new PickleMachine(FILE, 0, program).run()));
        }
    }

    /// One long list, remembered once, copied again and again.
    @Test
    void repeatedCopiesOfALongListAreCounted() {
        PickleWriter pickle = new PickleWriter().op(']', '(');
        for (int i = 0; i < 10_000; i++) {
            pickle.op('K', i & 255, 'N', 0x86);
        }
        pickle.op('e', 'q', 0, '0');
        for (int i = 0; i < 10_000; i++) {
            pickle.global("collections", "OrderedDict").op('h', 0, 0x85, 'R', '0');
        }
        assertTimeout(Duration.ofSeconds(5), () -> assertRefused(pickle, "more than"));
    }

    private static Object run(PickleWriter pickle) throws MalformedFileException {
        return new PickleMachine(FILE, 0, pickle.stop()).run();
    }

    private static void assertRefused(PickleWriter pickle, String reason) {
        MalformedFileException e = assertThrows(MalformedFileException.class, () -> run(pickle));
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    private static void assertRefused(PickleWriter pickle, String reason, long offset) {
        byte[] program = pickle.stop();
        MalformedFileException e =
                assertThrows(
                        MalformedFileException.class,
                        () -> new PickleMachine(FILE, 1000, program).run());
        assertTrue(e.getMessage().contains(reason), e.getMessage());
        assertEquals(1000 + offset, e.offset());
    }
}
