package dev.pollard.cli;

import dev.pollard.model.Compute;
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
                    "Numbers that linear layers multiply. bf16 is about twice as fast on CPUs that"
                            + " have it ('pollard doctor' tells); Grams, attention and norms stay"
                            + " float32. Default: ${DEFAULT-VALUE}")
    Compute compute;

    @Option(
            names = "--threads",
            order = 81,
            paramLabel = "N",
            description =
                    "Workers, each running one sequence at a time. The same number gives the same"
                            + " bytes. Default: the processors of this machine")
    void setThreads(int threads) {
        if (threads < 1 || threads > MOST_THREADS) {
            throw new TypeConversionException(
                    "'%d' is not between 1 and %d".formatted(threads, MOST_THREADS));
        }
        this.threads = threads;
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
