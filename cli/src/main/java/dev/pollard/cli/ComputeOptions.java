package dev.pollard.cli;

import dev.pollard.model.Compute;
import dev.pollard.tensor.Bf16;
import dev.pollard.tensor.Bf16Probe;
import dev.pollard.tensor.Engine;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// What a command computes with; mixed into those that run a model.
final class ComputeOptions {
    private static final int MOST_THREADS = 1024;

    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(
            names = "--compute",
            order = 82,
            paramLabel = "float32|bf16",
            defaultValue = "float32",
            converter = ToCompute.class,
            description =
                    "What the products of the forward passes multiply: linear layers, attention,"
                            + " Grams. bf16 is several times as fast on CPUs with AMX, about twice"
                            + " with AVX512_BF16 ('pollard doctor' tells); norms, softmax, sums and"
                            + " the methods stay float32, but for the steps of sds. Default:"
                            + " ${DEFAULT-VALUE}")
    Compute compute;

    @Option(
            names = "--threads",
            order = 81,
            paramLabel = "N",
            description =
                    "Workers. The same number gives the same bytes. Default: the processors of this"
                            + " machine")
    void setThreads(int threads) {
        if (threads < 1 || threads > MOST_THREADS) {
            throw new TypeConversionException(
                    "'%d' is not between 1 and %d".formatted(threads, MOST_THREADS));
        }
        this.threads = threads;
    }

    /// Makes sure that the machine can do what was asked for, before libtorch loads.
    ///
    /// @param cache folder that keeps what was found out about bf16 until the machine starts anew
    /// @throws IllegalArgumentException if bf16 was asked for and does not work here
    void prepare(Path cache) throws IOException {
        if (compute != Compute.BFLOAT16) {
            return;
        }
        try {
            switch (Bf16Probe.run(cache.resolve("bf16"))) {
                case Bf16.Plain _ -> {}
                case Bf16.Capped(String instructionSet, _) ->
                        Engine.limitInstructionSet(instructionSet);
                case Bf16.Unusable(String reason) ->
                        throw new IllegalArgumentException(
                                "--compute bf16 does not work on this machine: " + reason);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while the CPU was probed", e);
        }
    }

    int threads() {
        return threads;
    }

    private static final class ToCompute implements ITypeConverter<Compute> {
        @Override
        public Compute convert(String text) {
            return switch (text) {
                case "float32", "fp32" -> Compute.FLOAT32;
                case "bf16", "bfloat16" -> Compute.BFLOAT16;
                default ->
                        throw new TypeConversionException(
                                "'%s' is neither float32 nor bf16".formatted(text));
            };
        }
    }
}
