package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.function.IntBinaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ComparisonGroupTest {
    private static final int ROWS = 9;
    private static final int COLUMNS = 40;

    @ParameterizedTest
    @CsvSource({
        "matrix, 0.5",
        "matrix, 0.7",
        "matrix, 0",
        "row, 0.5",
        "row, 0.33",
        "columns, 0.5",
        "columns, 0.7",
        "row, 2:4",
        "matrix, 4:8",
        "columns, 1:4"
    })
    void theLargestAreThoseOfASort(String comparison, String pattern) {
        var random = new Random(3);
        float[] weight = new float[ROWS * COLUMNS];
        for (int i = 0; i < weight.length; i++) {
            weight[i] = random.nextInt(-9, 10) / 4f; // many ties
        }
        var sparsity = Sparsity.parse(pattern);
        boolean[] kept = naive(weight, comparison, sparsity);
        try (var _ = Scope.open()) {
            Mask mask = named(comparison).largest(Tensor.of(weight, ROWS, COLUMNS), sparsity);
            for (int i = 0; i < weight.length; i++) {
                assertEquals(kept[i], mask.isKept(i / COLUMNS, i % COLUMNS), "weight " + i);
            }
        }
    }

    private static ComparisonGroup named(String name) {
        return switch (name) {
            case "matrix" -> new ComparisonGroup.Matrix();
            case "row" -> new ComparisonGroup.Row();
            default -> new ComparisonGroup.Columns(16); // the last block is narrower
        };
    }

    /// Sorts every group by itself, the lower index first among equals.
    private static boolean[] naive(float[] weight, String comparison, Sparsity sparsity) {
        IntBinaryOperator group =
                switch (sparsity) {
                    case Sparsity.SemiStructured(_, int of) -> (r, c) -> r * COLUMNS + c / of;
                    case Sparsity.Unstructured _ ->
                            switch (comparison) {
                                case "matrix" -> (_, _) -> 0;
                                case "row" -> (r, _) -> r;
                                default -> (_, c) -> c / 16;
                            };
                };
        int[] groups =
                IntStream.range(0, weight.length)
                        .map(i -> group.applyAsInt(i / COLUMNS, i % COLUMNS))
                        .toArray();
        boolean[] kept = new boolean[weight.length];
        for (int g : Arrays.stream(groups).distinct().toArray()) {
            var members =
                    IntStream.range(0, weight.length)
                            .filter(i -> groups[i] == g)
                            .boxed()
                            .sorted(Comparator.comparingDouble(i -> Math.abs(weight[i])))
                            .toList();
            int removed = (int) Math.floor(members.size() * sparsity.fraction() + 1e-9);
            members.subList(removed, members.size()).forEach(i -> kept[i] = true);
        }
        return kept;
    }
}
