package dev.pollard.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WorkersTest {
    private final Workers workers = new Workers(2);

    @AfterEach
    void close() {
        workers.close();
    }

    @Test
    void everyWorkerGetsItsItemsInAscendingOrder() {
        var seen = List.of(new ArrayList<Integer>(), new ArrayList<Integer>());
        workers.forEach(5, (worker, item) -> seen.get(worker).add(item));
        assertEquals(List.of(List.of(0, 2, 4), List.of(1, 3)), seen);
    }

    @Test
    void resultsComeInListOrder() {
        List<Callable<Integer>> tasks = List.of(() -> 3, () -> 1, () -> 2);
        assertEquals(List.of(3, 1, 2), workers.all(tasks));
    }

    @Test
    void whatATaskThrowsArrivesAsTheVeryObject() {
        for (Throwable thrown :
                List.of(
                        new IllegalStateException("outer", new IllegalStateException("inner")),
                        new IllegalArgumentException("alone"),
                        new AssertionError("outer", new AssertionError("inner")))) {
            assertSame(
                    thrown,
                    assertThrows(
                            Throwable.class, () -> workers.forEach(3, (_, _) -> sneak(thrown))));
        }
        var checked = new IOException("disk", new IOException("full"));
        Callable<Void> task =
                () -> {
                    throw checked;
                };
        var e = assertThrows(IllegalStateException.class, () -> workers.all(List.of(task)));
        assertSame(checked, e.getCause());
    }

    private static void sneak(Throwable thrown) {
        switch (thrown) {
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalArgumentException(thrown);
        }
    }

    @Test
    void theFirstFailureByOrderIsTheOneThatIsTold() {
        var bothAtWork = new CountDownLatch(2);
        List<Callable<Void>> tasks = List.of(fail("first", bothAtWork), fail("second", bothAtWork));
        var e = assertThrows(ArithmeticException.class, () -> workers.all(tasks));
        assertEquals("first", e.getMessage());
    }

    private static Callable<Void> fail(String message, CountDownLatch bothAtWork) {
        return () -> {
            bothAtWork.countDown();
            bothAtWork.await();
            throw new ArithmeticException(message);
        };
    }

    @Test
    void noItemIsBegunAfterAFailure() {
        var begun = Collections.synchronizedList(new ArrayList<Integer>());
        assertThrows(
                ArithmeticException.class,
                () ->
                        workers.forEach(
                                1_000,
                                (_, item) -> {
                                    begun.add(item);
                                    throw new ArithmeticException();
                                }));
        assertTrue(begun.size() <= 2, begun.toString());
    }

    @Test
    void anInterruptionEndsTheCallWhenTheItemsAtWorkHaveEnded() {
        var ended = new AtomicInteger();
        var caller = Thread.currentThread();
        var e =
                assertThrows(
                        IllegalStateException.class,
                        () ->
                                workers.forEach(
                                        1_000_000,
                                        (_, _) -> {
                                            caller.interrupt();
                                            ended.incrementAndGet();
                                        }));
        assertTrue(Thread.interrupted(), "the interruption was lost");
        assertEquals("interrupted", e.getMessage());
        assertTrue(ended.get() < 1_000_000, "every item was begun");
    }
}
