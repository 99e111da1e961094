package dev.pollard.prune.solver;

import dev.pollard.stats.Gram;
import dev.pollard.tensor.NotPositiveDefiniteException;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/// The left-hand side of a layer's normal equations: the Gram matrix `H` of its inputs, damped, in
/// the coordinates `V = W S` that the solvers step in, `A = S⁻¹ (H + λI) S⁻¹`. S is the root of the
/// damped diagonal (scaled), so that A has ones on its own, or the identity (raw).
///
/// Made once for all layers that read the same inputs, see [Gram#derive].
final class Normal implements AutoCloseable {
    private static final int POWER_STEPS = 20;
    private static final double MARGIN = 1.05; // power iteration comes from below

    private record Key(Coordinates coordinates, double damping) {}

    private final Tensor matrix;
    private final Tensor scale;
    private final double lambda;
    private final double largestEigenvalue;
    private final Map<Double, Tensor> inverses = new HashMap<>();

    private Normal(Tensor matrix, Tensor scale, double lambda, double largestEigenvalue) {
        this.matrix = matrix;
        this.scale = scale;
        this.lambda = lambda;
        this.largestEigenvalue = largestEigenvalue;
    }

    /// @param damping λ as a fraction of the mean of H's diagonal
    /// @throws UnusableStatisticsException if H is not finite
    static Normal of(Gram gram, Coordinates coordinates, double damping) {
        return gram.derive(
                new Key(coordinates, damping), g -> make(g.matrix(), coordinates, damping));
    }

    private static Normal make(Tensor gram, Coordinates coordinates, double damping) {
        if (!gram.isFinite()) {
            throw new UnusableStatisticsException(
                    "the Gram matrix of the inputs has NaN or infinite entries: the activations"
                            + " overflow, or the weights before this layer are broken");
        }
        try (var scope = Scope.open()) {
            float[] diagonal = gram.diagonal().toFloats();
            int n = diagonal.length;
            double mean = 0;
            for (float d : diagonal) {
                mean += d / n;
            }
            double lambda = damping * mean;
            float[] scale = new float[n];
            for (int j = 0; j < n; j++) {
                double d = coordinates == Coordinates.SCALED ? diagonal[j] + lambda : 1;
                scale[j] = (float) Math.sqrt(d > 0 ? d : 1); // a dead input stays as it is
            }
            Tensor s = Tensor.of(scale, n);
            Tensor damped = Tensor.empty(n, n).copy_(gram).addToDiagonal_(Tensor.full(lambda, n));
            Tensor a = damped.div(s).div(s.reshape(n, 1));
            return new Normal(scope.keep(a), scope.keep(s), lambda, largestEigenvalue(a));
        }
    }

    /// By power iteration from a fixed start.
    private static double largestEigenvalue(Tensor a) {
        Tensor x = Tensor.full(1, a.size(0), 1);
        double norm = 0;
        for (int i = 0; i < POWER_STEPS; i++) {
            x = a.matmul(x);
            norm = Math.sqrt(x.square().sum().item());
            if (norm == 0) { // no input was ever anything but zero
                return 1;
            }
            x = x.div(norm);
        }
        return MARGIN * norm;
    }

    /// `A [in, in]`.
    Tensor matrix() {
        return matrix;
    }

    /// The diagonal of S, `[in]`.
    Tensor scale() {
        return scale;
    }

    double lambda() {
        return lambda;
    }

    double largestEigenvalue() {
        return largestEigenvalue;
    }

    /// `(A + μI)⁻¹ [in, in]` float32; made once for each μ, and freed with this. Float32 will do:
    /// with a μ that is worth the name the condition is some thousands in scaled coordinates.
    ///
    /// @throws UnusableStatisticsException if `A + μI` is singular in float32
    synchronized Tensor inverse(double mu) {
        return inverses.computeIfAbsent(
                mu,
                _ -> {
                    try (var scope = Scope.open()) {
                        Tensor shifted = Tensor.empty(matrix.shape()).copy_(matrix);
                        shifted.addToDiagonal_(Tensor.full(mu, matrix.size(0)));
                        return scope.keep(shifted.cholesky().choleskyInverse());
                    } catch (NotPositiveDefiniteException e) {
                        throw new UnusableStatisticsException(
                                "the Gram matrix of the inputs cannot be inverted in float32, not even with %s added to its diagonal: scaled coordinates, or more damping or pull, would help"
                                        .formatted(mu));
                    }
                });
    }

    @Override
    public void close() {
        matrix.close();
        scale.close();
        inverses.values().forEach(Tensor::close);
    }
}
