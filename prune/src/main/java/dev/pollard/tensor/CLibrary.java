package dev.pollard.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/// The few calls of the C library that decide how much memory a process holds. Where the library
/// has none of that name, nothing happens: they change no result.
final class CLibrary {
    private static final int M_MMAP_THRESHOLD = -3; // of glibc's mallopt
    private static final int M_TRIM_THRESHOLD = -1;
    private static final int M_ARENA_MAX = -8;
    private static final int MADV_DONTNEED = 4;

    private static final Optional<MethodHandle> MADVISE =
            find("madvise", ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT);

    private CLibrary() {}

    /// `setenv`: Java's own copy of the environment is read-only, and the native libraries read
    /// the C one.
    static void setEnvironment(String name, String value) {
        var setenv = find("setenv", ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
        if (setenv.isEmpty()) {
            return; // Windows: the launcher's environment has to do
        }
        try (var arena = Arena.ofConfined()) {
            MemorySegment key = arena.allocateFrom(name);
            int status = (int) setenv.get().invokeExact(key, arena.allocateFrom(value), 1);
            if (status != 0) {
                throw new IllegalStateException("setenv " + name + " failed");
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("setenv " + name, e);
        }
    }

    /// Blocks of `bytes` and more get pages of their own, which go back to the system when they
    /// are freed; no more than `arenas` heaps share the smaller ones, and of what is freed at the
    /// end of a heap up to `kept` bytes stay with the process. Left alone, glibc raises the limit
    /// to 32 MB and keeps a heap for every thread; with a limit of ours it would keep 128 KB.
    static void tuneAllocator(int bytes, int arenas, int kept) {
        find("mallopt", ValueLayout.JAVA_INT, ValueLayout.JAVA_INT)
                .ifPresent(
                        mallopt -> {
                            call(mallopt, M_MMAP_THRESHOLD, bytes);
                            call(mallopt, M_ARENA_MAX, arenas);
                            call(mallopt, M_TRIM_THRESHOLD, kept);
                        });
    }

    /// Blocks below `largest` bytes come from one heap that all threads share; of what is freed
    /// there up to `kept` bytes stay with the process.
    static void keepFreed(int largest, int kept) {
        find("mallopt", ValueLayout.JAVA_INT, ValueLayout.JAVA_INT)
                .ifPresent(
                        mallopt -> {
                            call(mallopt, M_ARENA_MAX, 1);
                            call(mallopt, M_MMAP_THRESHOLD, largest);
                            call(mallopt, M_TRIM_THRESHOLD, kept);
                        });
    }

    /// Tells the system that the pages inside a mapped, unchanged segment need not stay in memory;
    /// a later access reads them from the file again.
    static void forgetPages(MemorySegment mapped, long pageBytes) {
        long from = Math.ceilDiv(mapped.address(), pageBytes) * pageBytes;
        long to = (mapped.address() + mapped.byteSize()) / pageBytes * pageBytes;
        if (MADVISE.isEmpty() || to <= from) {
            return;
        }
        try {
            int _ =
                    (int)
                            MADVISE.get()
                                    .invokeExact(
                                            MemorySegment.ofAddress(from),
                                            to - from,
                                            MADV_DONTNEED);
        } catch (Throwable e) {
            throw new IllegalStateException("madvise", e);
        }
    }

    private static void call(MethodHandle mallopt, int option, int value) {
        try {
            int _ = (int) mallopt.invokeExact(option, value);
        } catch (Throwable e) {
            throw new IllegalStateException("mallopt", e);
        }
    }

    @SuppressWarnings("restricted") // signatures as the C standard and glibc document them
    private static Optional<MethodHandle> find(String name, MemoryLayout... parameters) {
        var linker = Linker.nativeLinker();
        return linker.defaultLookup()
                .find(name)
                .map(
                        address ->
                                linker.downcallHandle(
                                        address,
                                        FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters)));
    }
}
