package dev.pollard.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
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

    private static boolean loaded;

    private Engine() {}

    /// Loads libtorch; the first call costs about a second, later ones nothing.
    public static synchronized void load() {
        if (!loaded) {
            ENVIRONMENT.forEach(Engine::setEnvironment);
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

    /// Caps the instruction set that oneDNN may use; without effect once libtorch is loaded.
    ///
    /// @throws IllegalStateException if libtorch is already loaded
    public static synchronized void limitInstructionSet(String isa) {
        if (loaded) {
            throw new IllegalStateException("libtorch is already loaded");
        }
        setEnvironment("ONEDNN_MAX_CPU_ISA", isa);
    }

    /// `setenv` of the C library: Java's own copy of the environment is read-only, and the native
    /// libraries read the C one.
    @SuppressWarnings("restricted")
    private static void setEnvironment(String name, String value) {
        var linker = Linker.nativeLinker();
        var setenv = linker.defaultLookup().find("setenv");
        if (setenv.isEmpty()) {
            return; // Windows: the launcher's environment has to do
        }
        var call =
                linker.downcallHandle(
                        setenv.get(),
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT,
                                ValueLayout.ADDRESS,
                                ValueLayout.ADDRESS,
                                ValueLayout.JAVA_INT));
        try (var arena = Arena.ofConfined()) {
            MemorySegment key = arena.allocateFrom(name);
            int status = (int) call.invokeExact(key, arena.allocateFrom(value), 1);
            if (status != 0) {
                throw new IllegalStateException("setenv " + name + " failed");
            }
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("setenv " + name, e);
        }
    }
}
