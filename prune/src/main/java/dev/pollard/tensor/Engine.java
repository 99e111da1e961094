package dev.pollard.tensor;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.global.torch;

/// libtorch as this process runs it: loaded once, one thread per worker.
public final class Engine {
    /// What must stand in the environment before the native libraries load. Pollard's workers are
    /// the parallelism, so each of them runs single-threaded torch and BLAS.
    private static final Map<String, String> ENVIRONMENT =
            Map.of(
                    "OMP_NUM_THREADS", "1",
                    "OPENBLAS_NUM_THREADS", "1",
                    "OMP_WAIT_POLICY", "PASSIVE");

    /// Tensors of this size and more give their memory back when they are freed. Smaller ones, the
    /// activations of a sequence, are recycled: fresh pages would cost as much as an addition.
    private static final int OWN_PAGES_BYTES = 8 << 20;

    private static final int ARENAS = 4;

    /// What stays with the process at the end of each of them.
    private static final int KEPT_HEAP_BYTES = 32 << 20;

    /// Tensors below this size are recycled, and so much freed memory is kept for them, once
    /// [#recycleMemory] was called.
    private static final int RECYCLED_BYTES = 64 << 20;

    private static final int KEPT_BYTES = 1 << 30;

    /// A page of every system we know, or a multiple of it.
    private static final long PAGE_BYTES = 1 << 16;

    private static boolean loaded;
    private static volatile boolean bf16Products;

    private Engine() {}

    /// Loads libtorch; the first call costs about a second, later ones nothing.
    public static synchronized void load() {
        if (!loaded) {
            ENVIRONMENT.forEach(CLibrary::setEnvironment);
            CLibrary.tuneAllocator(OWN_PAGES_BYTES, ARENAS, KEPT_HEAP_BYTES);
            torch.set_num_threads(1);
            loaded = true;
        }
    }

    /// Lines for `doctor`: version, BLAS and instruction set that libtorch chose.
    public static List<String> describe() {
        load();
        return torch.show_config()
                .getString()
                .lines()
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .toList();
    }

    /// libtorch's version; `unknown` if its own description does not tell.
    public static String version() {
        var version = Pattern.compile("TORCH_VERSION=([^,\\s]+)");
        return describe().stream()
                .map(version::matcher)
                .filter(Matcher::find)
                .map(found -> found.group(1))
                .findFirst()
                .orElse("unknown");
    }

    /// Caps the instruction set that oneDNN may use; without effect once libtorch is loaded.
    ///
    /// @throws IllegalStateException if libtorch is already loaded
    public static synchronized void limitInstructionSet(String isa) {
        if (loaded) {
            throw new IllegalStateException("libtorch is already loaded");
        }
        CLibrary.setEnvironment("ONEDNN_MAX_CPU_ISA", isa);
    }

    /// Keeps the memory of freed tensors for the next ones instead of giving it back: for work that
    /// makes tensors of the same sizes over and over, as training does. To be called before the
    /// workers start; for the rest of the process.
    public static void recycleMemory() {
        load();
        CLibrary.keepFreed(RECYCLED_BYTES, KEPT_BYTES);
    }

    /// While it is open, float32 products (linear layers, attention, Grams) round their operands
    /// to bfloat16 and add up in float32.
    ///
    /// A switch of the whole process: not for several threads at once.
    public static Bf16Products bf16Products(boolean on) {
        load();
        boolean before = bf16Products;
        switchBf16Products(on);
        return () -> switchBf16Products(before);
    }

    /// Ends what [#bf16Products] began.
    @FunctionalInterface
    public interface Bf16Products extends AutoCloseable {
        @Override
        void close();
    }

    static boolean hasBf16Products() {
        return bf16Products;
    }

    private static void switchBf16Products(boolean on) {
        if (on != bf16Products) {
            torch.globalContext().setFloat32MatmulPrecision(on ? "medium" : "highest");
            bf16Products = on;
        }
    }

    /// While it is open, nothing that this thread computes is recorded for gradients.
    public static Unrecorded unrecorded() {
        load();
        var guard = new NoGradGuard();
        return guard::close;
    }

    /// Ends what [#unrecorded] began, on the same thread.
    @FunctionalInterface
    public interface Unrecorded extends AutoCloseable {
        @Override
        void close();
    }

    /// Lets the system take back the pages of a mapped file that were read and are not needed any
    /// more: they would count as memory of this process. Reading them again is allowed.
    ///
    /// @param mapped bytes of a file mapped read-only; other memory is left alone
    public static void forgetPages(MemorySegment mapped) {
        if (mapped.isMapped() && mapped.isReadOnly()) {
            CLibrary.forgetPages(mapped, PAGE_BYTES);
        }
    }
}
