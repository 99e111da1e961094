package dev.pollard.prune.solver;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.model.Compute;
import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.Mask;
import dev.pollard.prune.RandomLayer;
import dev.pollard.prune.Sparsity;
import dev.pollard.stats.Gram;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LeastSquaresTest {
    private static final double DAMPING = 0.01;

    private Scope scope;

    @BeforeEach
    void openScope() {
        scope = Scope.open();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    /// A layer whose teacher reads other inputs than it does itself, or the same; what is minimised
    /// over it in double loops.
    private static final class Layer {
        final int rows;
        final int columns;
        final int tokens;
        final Tensor dense;
        final Tensor inputs; // [tokens, in]
        final Tensor teacher;
        final boolean cross;

        Layer(int rows, int columns, boolean cross, int... deadInputs) {
            var random = RandomLayer.of(rows, columns, 5, deadInputs);
            this.rows = rows;
            this.columns = columns;
            this.tokens = random.tokens();
            this.cross = cross;
            dense = Tensor.of(random.weight(), rows, columns);
            inputs = Tensor.of(random.inputs(), tokens, columns);
            var noise = new Random(6);
            float[] other = random.inputs().clone();
            for (int i = 0; i < other.length; i++) {
                other[i] += (float) (0.3 * noise.nextGaussian());
            }
            teacher = cross ? Tensor.of(other, tokens, columns) : inputs;
        }

        Gram gram() {
            return new Gram(inputs.transpose(0, 1).matmul(inputs).div(tokens), tokens);
        }

        LeastSquares error(Coordinates coordinates, double damping) {
            return error(coordinates, damping, Compute.FLOAT32);
        }

        LeastSquares error(Coordinates coordinates, double damping, Compute steps) {
            Optional<Gram> c =
                    cross
                            ? Optional.of(
                                    new Gram(
                                            teacher.transpose(0, 1).matmul(inputs).div(tokens),
                                            tokens))
                            : Optional.empty();
            return LeastSquares.of(dense, gram(), c, coordinates, damping, steps);
        }

        double[][] products(Tensor left) {
            double[][] a = matrix(left);
            double[][] x = matrix(inputs);
            double[][] sum = new double[columns][columns];
            for (int t = 0; t < tokens; t++) {
                for (int i = 0; i < columns; i++) {
                    for (int j = 0; j < columns; j++) {
                        sum[i][j] += a[t][i] * x[t][j] / tokens;
                    }
                }
            }
            return sum;
        }

        /// λ.
        double lambda(double damping) {
            double[][] h = products(inputs);
            return damping
                    * IntStream.range(0, columns).mapToDouble(i -> h[i][i]).average().orElse(0);
        }

        /// `H + λI`.
        double[][] damped(double damping) {
            double[][] h = products(inputs);
            double lambda = lambda(damping);
            for (int i = 0; i < columns; i++) {
                h[i][i] += lambda;
            }
            return h;
        }

        /// `W_d C + λ W_d`.
        double[][] aim(double damping) {
            double[][] c = products(teacher);
            double[][] w = matrix(dense);
            double lambda = lambda(damping);
            double[][] aim = new double[rows][columns];
            for (int r = 0; r < rows; r++) {
                for (int j = 0; j < columns; j++) {
                    aim[r][j] = lambda * w[r][j];
                    for (int i = 0; i < columns; i++) {
                        aim[r][j] += w[r][i] * c[i][j];
                    }
                }
            }
            return aim;
        }

        /// f.
        double of(double[][] weight, double damping) {
            double[][] x = matrix(inputs);
            double[][] y = matrix(teacher);
            double[][] w = matrix(dense);
            double sum = 0;
            for (int r = 0; r < rows; r++) {
                for (int t = 0; t < tokens; t++) {
                    double error = 0;
                    for (int j = 0; j < columns; j++) {
                        error += w[r][j] * y[t][j] - weight[r][j] * x[t][j];
                    }
                    sum += error * error / tokens;
                }
                for (int j = 0; j < columns; j++) {
                    sum += lambda(damping) * Math.pow(weight[r][j] - w[r][j], 2);
                }
            }
            return sum;
        }

        double of(Tensor weight, double damping) {
            return of(matrix(weight), damping);
        }

        /// The dense weight with half of it gone at random, and with one row gone.
        Tensor half() {
            var random = new Random(8);
            float[] w = dense.toFloats();
            for (int i = 0; i < w.length; i++) {
                w[i] = random.nextBoolean() || i / columns == 1 ? 0 : w[i];
            }
            return Tensor.of(w, rows, columns);
        }

        /// The minimum of f over the weights that are not zero in `pattern`, row by row.
        double[][] exact(Tensor pattern) {
            double[][] h = damped(DAMPING);
            double[][] aim = aim(DAMPING);
            double[][] kept = matrix(pattern);
            double[][] best = new double[rows][columns];
            for (int r = 0; r < rows; r++) {
                int row = r;
                int[] s = IntStream.range(0, columns).filter(j -> kept[row][j] != 0).toArray();
                double[][] a = new double[s.length][s.length];
                double[] b = new double[s.length];
                for (int i = 0; i < s.length; i++) {
                    b[i] = aim[r][s[i]];
                    for (int j = 0; j < s.length; j++) {
                        a[i][j] = h[s[i]][s[j]];
                    }
                }
                double[] x = Naive.solve(a, b);
                for (int i = 0; i < s.length; i++) {
                    best[r][s[i]] = x[i];
                }
            }
            return best;
        }
    }

    private static double[][] matrix(Tensor tensor) {
        float[] values = tensor.toFloats();
        int columns = (int) tensor.size(1);
        double[][] matrix = new double[(int) tensor.size(0)][columns];
        for (int i = 0; i < values.length; i++) {
            matrix[i / columns][i % columns] = values[i];
        }
        return matrix;
    }

    private static void assertClose(double[][] expected, Tensor actual, double delta) {
        double[][] found = matrix(actual);
        for (int r = 0; r < expected.length; r++) {
            assertArrayEquals(expected[r], found[r], delta, "row " + r);
        }
    }

    /// What the first step of [LeastSquares#approach] gives.
    private static Tensor proximalPoint(
            LeastSquares error, Tensor start, double mu, double l1, double l2) {
        return error.approach(start, 1, mu, 1, l1, l2, (_, _) -> {});
    }

    private static Tensor ones(Mask mask) {
        return mask.applyTo(Tensor.full(1, mask.rows(), mask.columns()));
    }

    // ---- gradient steps ----

    @ParameterizedTest
    @ValueSource(ints = {1, 10, 100})
    void withoutRegularisationTheStepsAreTheClosedForm(int steps) {
        var layer = new Layer(6, 12, false);
        Gram gram = layer.gram();
        var error =
                LeastSquares.of(
                        layer.dense, gram, Optional.empty(), Coordinates.RAW, 0, Compute.FLOAT32);
        double eta = 1 / Normal.of(gram, Coordinates.RAW, 0).largestEigenvalue();
        var eigen = Naive.Eigen.of(layer.products(layer.inputs));
        double[][] dense = matrix(layer.dense);
        double[][] start = matrix(layer.half());
        double[][] expected = new double[6][12];
        for (int r = 0; r < 6; r++) {
            for (int k = 0; k < 12; k++) {
                double along = 0;
                for (int j = 0; j < 12; j++) {
                    along += (start[r][j] - dense[r][j]) * eigen.vectors()[j][k];
                }
                along *= Math.pow(1 - eta * eigen.values()[k], steps);
                for (int j = 0; j < 12; j++) {
                    expected[r][j] += along * eigen.vectors()[j][k];
                }
            }
            for (int j = 0; j < 12; j++) {
                expected[r][j] += dense[r][j];
            }
        }
        assertClose(expected, error.descend(layer.half(), steps, 0, 0), 1e-5);
    }

    @Test
    void aGramThatCannotBeInvertedIsNamedAsThat() {
        var gram = new Gram(Tensor.of(new float[] {1e10f, 1e10f, 1e10f, 1e10f}, 2, 2), 10);
        Tensor dense = Tensor.of(new float[] {1, 2}, 1, 2);
        var raw = Coordinates.RAW;
        var error = LeastSquares.of(dense, gram, Optional.empty(), raw, 0, Compute.FLOAT32);
        var e =
                assertThrows(
                        UnusableStatisticsException.class,
                        () ->
                                error.approach(
                                        dense, 1, 0.1, 1, 0, 0, (_, nearest) -> nearest.zero_()));
        assertTrue(e.getMessage().contains("cannot be inverted in float32"), e.getMessage());
    }

    @Test
    void oneStepByHand() {
        var identity = new Gram(Tensor.of(new float[] {1, 0, 0, 1}, 2, 2), 10);
        Tensor dense = Tensor.of(new float[] {1, -0.2f}, 1, 2);
        var error =
                LeastSquares.of(
                        dense, identity, Optional.empty(), Coordinates.RAW, 0, Compute.FLOAT32);
        Tensor start = Tensor.of(new float[] {0.5f, 0.3f}, 1, 2); // u = 0.4
        double eta = 1 / 1.05;
        double first = 0.5 + eta * (1 - 0.5);
        double second = 0.3 + eta * (-0.2 - 0.3);
        double threshold = eta * 0.25 / 2 * 0.4; // half of f + λ₁ u ‖V‖₁ is gone down
        assertArrayEquals(
                new float[] {
                    (float) ((first - threshold) / (1 + eta * 2)),
                    (float) ((second + threshold) / (1 + eta * 2))
                },
                error.descend(start, 1, 0.25, 2).toFloats(),
                1e-6f);
        assertArrayEquals(
                new float[] {(float) (first - eta * 0.4), 0}, // nearer to zero than that
                error.descend(start, 1, 2, 0).toFloats(),
                1e-6f);
        // (W_d + μ W_s) / (1 + μ + λ₂), then the threshold
        assertArrayEquals(
                new float[] {(1 + 0.5f * 0.5f) / 3.5f - 0.04f, 0},
                proximalPoint(error, start, 0.5, 0.1, 2).toFloats(),
                1e-6f);
    }

    // ---- minima ----

    @ParameterizedTest
    @CsvSource({"RAW, false", "SCALED, false", "RAW, true", "SCALED, true"})
    void theProximalPointSolvesItsNormalEquations(Coordinates coordinates, boolean cross) {
        var layer = new Layer(5, 16, cross, 4);
        var error = layer.error(coordinates, DAMPING);
        double mu = 0.1;
        double l2 = 0.03;
        double[][] h = layer.damped(DAMPING);
        double[][] aim = layer.aim(DAMPING);
        double[][] w = matrix(layer.half());
        double[][] expected = new double[5][];
        double[] s = new double[16];
        for (int j = 0; j < 16; j++) {
            s[j] = coordinates == Coordinates.SCALED ? Math.sqrt(h[j][j]) : 1;
        }
        for (int r = 0; r < 5; r++) {
            double[][] a = new double[16][16];
            double[] b = new double[16];
            for (int i = 0; i < 16; i++) {
                b[i] = aim[r][i] / s[i] + mu * w[r][i] * s[i];
                for (int j = 0; j < 16; j++) {
                    a[i][j] = h[i][j] / (s[i] * s[j]) + (i == j ? mu + l2 : 0);
                }
            }
            expected[r] = Naive.solve(a, b);
            for (int j = 0; j < 16; j++) {
                expected[r][j] /= s[j];
            }
        }
        Tensor v = proximalPoint(error, error.enter(layer.half()), mu, 0, l2);
        assertClose(expected, error.leave(v), 1e-4);
    }

    @Test
    void theFurtherItApproachesTheNearerItIsToThePattern() {
        var layer = new Layer(8, 40, false);
        var sparsity = new Sparsity.SemiStructured(2, 4);
        var error = layer.error(Coordinates.SCALED, DAMPING);
        var row = new ComparisonGroup.Row();
        LeastSquares.Projection pattern = (v, nearest) -> row.part(v, nearest, sparsity);
        Tensor start = error.enter(layer.dense);
        start = row.largest(start, sparsity).applyTo(start);
        double before = Double.POSITIVE_INFINITY;
        for (int steps : List.of(1, 12, 48)) {
            Tensor v = error.approach(start, steps, 0.1, 2, 0, 0, pattern);
            assertTrue(Mask.ofNonZero(v).sparsity() < 0.05, "not dense");
            pattern.part(v, Tensor.empty(v.shape()));
            double away = v.square().sum().item(); // the rest
            assertTrue(away < before, steps + " steps: " + away + " after " + before);
            before = away;
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void coordinatesDoNotMoveTheMinimum(boolean cross) {
        var layer = new Layer(5, 16, cross);
        double[][] exact = layer.exact(layer.dense);
        for (var coordinates : Coordinates.values()) {
            var error = layer.error(coordinates, DAMPING);
            Tensor start = error.enter(layer.half());
            assertClose(exact, error.leave(error.solve(start, Tensor.full(1, 5, 16), 60)), 1e-4);
        }
    }

    /// Rounding is a part of the way gone, not of the matrix.
    @ParameterizedTest
    @CsvSource({"SCALED, false", "SCALED, true", "RAW, false"})
    void roundedStepsGoWhereExactOnesGo(Coordinates coordinates, boolean cross) {
        var layer = new Layer(96, 40, cross);
        var exact = layer.error(coordinates, DAMPING);
        var rounded = layer.error(coordinates, DAMPING, Compute.BFLOAT16);
        Tensor start = exact.enter(layer.half());
        var sparsity = new Sparsity.SemiStructured(2, 4);
        var row = new ComparisonGroup.Row();
        LeastSquares.Projection pattern = (v, nearest) -> row.part(v, nearest, sparsity);
        assertNear(
                start,
                proximalPoint(exact, start, 0.1, 0, 0.01),
                proximalPoint(rounded, start, 0.1, 0, 0.01));
        assertNear(start, exact.descend(start, 30, 0, 0.01), rounded.descend(start, 30, 0, 0.01));
        // With a mask in between one weight more or less changes all that follows.
        double[] errors = new double[2];
        for (int steps : List.of(12, 48)) {
            int i = 0;
            for (var error : List.of(exact, rounded)) {
                Tensor v = error.approach(start, steps, 0.1, 1.5, 0, 0.01, pattern);
                v = row.largest(v, sparsity).applyTo(v);
                errors[i++] = layer.of(exact.leave(v), DAMPING);
            }
            assertEquals(errors[0], errors[1], 0.06 * errors[0], steps + " steps");
        }
        errors[0] = layer.of(exact.leave(exact.descendSparse(start, 10, pattern)), DAMPING);
        errors[1] = layer.of(exact.leave(rounded.descendSparse(start, 10, pattern)), DAMPING);
        assertEquals(errors[0], errors[1], 0.01 * errors[0]);
    }

    private static void assertNear(Tensor start, Tensor expected, Tensor found) {
        double way = expected.sub(start).square().sum().item();
        double apart = found.sub(expected).square().sum().item();
        assertTrue(apart > 0, "nothing was rounded");
        assertTrue(apart < 1e-4 * way, apart + " on a way of " + way);
    }

    // ---- the mask fixed ----

    @ParameterizedTest
    @CsvSource({
        "SCALED, false, 10",
        "SCALED, false, 30",
        "SCALED, true, 20",
        "RAW, false, 30",
        "RAW, true, 30"
    })
    void conjugateGradientsComeNearTheExactSolution(
            Coordinates coordinates, boolean cross, int steps) {
        var layer = new Layer(10, 48, cross, 3, 17);
        Tensor half = layer.half();
        var error = layer.error(coordinates, DAMPING);
        double[][] exact = layer.exact(half);
        double best = layer.of(exact, DAMPING);
        var mask = Mask.ofNonZero(half);
        Tensor solved = error.leave(error.solve(error.enter(half), ones(mask), steps));
        assertTrue(mask.covers(solved));
        double found = layer.of(solved, DAMPING);
        assertTrue(found <= 1.02 * best, found + " beyond " + best);
        assertTrue(found < 0.9 * layer.of(half, DAMPING), "there was nothing to win");
        assertArrayEquals(new double[48], matrix(solved)[1], "the row without a weight");
    }

    @ParameterizedTest
    @EnumSource(Coordinates.class)
    void noConjugateGradientStepMakesTheErrorLarger(Coordinates coordinates) {
        var layer = new Layer(6, 32, true, 3);
        var error = layer.error(coordinates, DAMPING);
        Tensor start = error.enter(layer.half());
        var mask = Mask.ofNonZero(layer.half());
        double before = layer.of(layer.half(), DAMPING);
        for (int steps : List.of(1, 2, 3, 5, 8, 13, 21, 34, 100)) {
            double now = layer.of(error.leave(error.solve(start, ones(mask), steps)), DAMPING);
            assertTrue(now <= before * (1 + 1e-5), steps + " steps: " + now + " after " + before);
            before = now;
        }
    }

    // ---- the mask soft ----

    @ParameterizedTest
    @CsvSource({"matrix, 0.5", "row, 0.5", "row, 0.7", "columns, 0.5", "row, 2:4", "matrix, 4:8"})
    void stepsWithASoftMaskKeepThePattern(String name, String pattern) {
        var layer = new Layer(8, 40, false);
        var sparsity = Sparsity.parse(pattern);
        ComparisonGroup comparison =
                switch (name) {
                    case "matrix" -> new ComparisonGroup.Matrix();
                    case "row" -> new ComparisonGroup.Row();
                    default -> new ComparisonGroup.Columns(16);
                };
        var error = layer.error(Coordinates.SCALED, DAMPING);
        Tensor dense = error.enter(layer.dense);
        LeastSquares.Projection projection = (v, nearest) -> comparison.part(v, nearest, sparsity);
        var other = RandomLayer.of(8, 40, 9).weight(); // a mask that has nothing to do with it
        var first = comparison.largest(Tensor.of(other, 8, 40), sparsity);
        Tensor start = first.applyTo(dense);
        boolean moved = false;
        for (int steps = 1; steps <= 12; steps++) {
            Tensor v = error.descendSparse(start, steps, projection);
            var mask = Mask.ofNonZero(v);
            assertEquals(first.kept(), mask.kept());
            assertEquals(comparison.largest(v, sparsity), mask);
            moved |= !mask.equals(first);
        }
        assertTrue(moved, "the mask never moved");
        double before = layer.of(error.leave(start), DAMPING);
        Tensor after = error.descendSparse(start, 30, projection);
        assertTrue(layer.of(error.leave(after), DAMPING) < before);
    }

    // ---- the inputs themselves ----

    @ParameterizedTest
    @CsvSource({"RAW, true, 0", "SCALED, true, 0", "SCALED, false, 0.2", "SCALED, true, 0.2"})
    void miniBatchesReachTheMinimumOfTheGram(Coordinates coordinates, boolean cross, double l2) {
        var layer = new Layer(6, 12, cross);
        var error = layer.error(coordinates, DAMPING);
        Tensor start = error.enter(layer.half());
        Tensor v = stepped(layer, error, new Adam(800, 0.01, 10), 0, l2, 1);
        Tensor best = proximalPoint(error, start, 0, 0, l2);
        double least = objective(layer, error, best, l2);
        double found = objective(layer, error, v, l2);
        assertTrue(found < 1.03 * least, found + " beyond " + least);
        assertTrue(objective(layer, error, start, l2) > 1.5 * least, "there was nothing to win");
    }

    private static double objective(Layer layer, LeastSquares error, Tensor v, double l2) {
        return layer.of(error.leave(v), DAMPING) + l2 * v.square().sum().item();
    }

    private static Tensor stepped(
            Layer layer, LeastSquares error, Adam adam, double l1, double l2, long seed) {
        return error.descend(
                error.enter(layer.half()),
                layer.dense,
                layer.inputs,
                layer.cross ? Optional.of(layer.teacher) : Optional.empty(),
                adam,
                l1,
                l2,
                new Random(seed));
    }

    @Test
    void miniBatchesAndGramAgreeOnL1() {
        var layer = new Layer(6, 12, false);
        var error = layer.error(Coordinates.SCALED, DAMPING);
        Tensor v = stepped(layer, error, new Adam(2000, 0.05, 1 << 20), 0.5, 0, 1);
        Tensor gram = error.descend(error.enter(layer.half()), 3000, 0.5, 0);
        assertArrayEquals(gram.toFloats(), v.toFloats(), 0.02f * (float) gram.abs().max().item());
        long zeros = Mask.ofNonZero(gram).pruned();
        assertTrue(zeros > 0 && Math.abs(zeros - Mask.ofNonZero(v).pruned()) <= 2);
    }

    @Test
    void theSeedDecidesTheOrderOfBatches() {
        var layer = new Layer(6, 12, true);
        var error = layer.error(Coordinates.SCALED, DAMPING);
        var adam = new Adam(3, 0.1, 7);
        float[] one = stepped(layer, error, adam, 0.01, 0.01, 1).toFloats();
        assertArrayEquals(one, stepped(layer, error, adam, 0.01, 0.01, 1).toFloats());
        assertFalse(Arrays.equals(one, stepped(layer, error, adam, 0.01, 0.01, 2).toFloats()));
    }

    @Test
    void theRateIsAFractionOfTheWeights() {
        var layer = new Layer(6, 12, false);
        var error = layer.error(Coordinates.SCALED, DAMPING);
        Tensor start = error.enter(layer.half());
        Tensor v = stepped(layer, error, new Adam(1, 0.1, 1 << 20), 0, 0, 1);
        double unit = start.abs().mean().item();
        assertEquals(0.1 * unit, v.sub(start).abs().max().item(), 1e-4 * unit);
        assertEquals(0.1 * unit, v.sub(start).abs().mean().item(), 1e-2 * unit);
    }
}
