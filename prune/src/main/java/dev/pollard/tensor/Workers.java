package dev.pollard.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/// A fixed crew of threads, each running single-threaded torch.
///
/// Two workers of one thread scale twofold where torch's own two threads wander between 0.8 and
/// 1.6. Parallel streams opened inside a task run on the same crew.
public final class Workers implements AutoCloseable {
    private final ForkJoinPool pool;
    private final int count;

    /// @throws IllegalArgumentException if `count` is not positive
    public Workers(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("need at least one worker: " + count);
        }
        this.count = count;
        this.pool =
                new ForkJoinPool(
                        count,
                        ForkJoinPool.defaultForkJoinWorkerThreadFactory,
                        null,
                        false,
                        count,
                        count,
                        1,
                        null,
                        1,
                        TimeUnit.DAYS);
    }

    public int count() {
        return count;
    }

    /// What a worker does with one item.
    @FunctionalInterface
    public interface Body {
        void run(int worker, int item);
    }

    /// Runs `body` for items `0 … items - 1`: item `i` always on worker `i mod count`, in ascending
    /// order, each in a [Scope] of its own. So what a worker adds up is the same in every run.
    ///
    /// After a failure, or when the calling thread is interrupted, no further item is begun; the
    /// call ends when the items at work have ended, so that their memory may be freed.
    ///
    /// @throws RuntimeException the first failure, after all workers stopped
    /// @throws IllegalStateException if the calling thread is interrupted
    public void forEach(int items, Body body) {
        var stop = new AtomicBoolean();
        var tasks = new ArrayList<Callable<Void>>();
        for (int w = 0; w < Math.min(count, items); w++) {
            int worker = w;
            tasks.add(
                    () -> {
                        for (int item = worker; item < items && !stop.get(); item += count) {
                            try (var _ = Scope.open()) {
                                body.run(worker, item);
                            } catch (Throwable e) {
                                stop.set(true);
                                throw e;
                            }
                        }
                        return null;
                    });
        }
        all(tasks, stop);
    }

    /// Runs the tasks concurrently, started in list order; results in list order.
    ///
    /// @throws RuntimeException the first failure by list order, the very object that was thrown,
    ///     after all tasks ended; a checked one is the cause of an [IllegalStateException]
    /// @throws IllegalStateException if the calling thread is interrupted, after all tasks ended
    public <T> List<T> all(List<? extends Callable<T>> tasks) {
        return all(tasks, new AtomicBoolean());
    }

    /// @param stop set when the calling thread is interrupted
    private <T> List<T> all(List<? extends Callable<T>> tasks, AtomicBoolean stop) {
        var submitted = new ArrayList<ForkJoinTask<Outcome<T>>>();
        for (var task : tasks) {
            submitted.add(pool.submit(() -> Outcome.<T>of(task)));
        }
        var results = new ArrayList<T>();
        Throwable failure = null;
        InterruptedException interruption = null;
        for (var task : submitted) {
            Outcome<T> outcome = null;
            while (outcome == null) {
                try {
                    outcome = task.get();
                } catch (ExecutionException e) {
                    outcome = new Outcome<>(null, e); // the pool itself failed
                } catch (InterruptedException e) {
                    // A task at work still uses its tensors: wait for it all the same.
                    interruption = e;
                    stop.set(true);
                }
            }
            results.add(outcome.result());
            failure = failure == null ? outcome.failure() : failure;
        }
        if (interruption != null) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", interruption);
        }
        return switch (failure) {
            case null -> results;
            case Error error -> throw error;
            case RuntimeException runtime -> throw runtime;
            default -> throw new IllegalStateException(failure);
        };
    }

    /// How a task ended. What it threw travels as a value, for the pool would throw a copy of it.
    private record Outcome<T>(T result, Throwable failure) {
        static <T> Outcome<T> of(Callable<? extends T> task) {
            try {
                return new Outcome<>(task.call(), null);
            } catch (Throwable e) {
                return new Outcome<>(null, e);
            }
        }
    }

    @Override
    public void close() {
        pool.close();
    }
}
