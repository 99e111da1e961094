package dev.pollard.prune.solver;

/// Linear algebra in float64 and plain loops.
final class Naive {
    private Naive() {}

    /// x of `a x = b`, by elimination with pivots.
    static double[] solve(double[][] a, double[] b) {
        int n = b.length;
        double[][] m = new double[n][n + 1];
        for (int i = 0; i < n; i++) {
            System.arraycopy(a[i], 0, m[i], 0, n);
            m[i][n] = b[i];
        }
        for (int k = 0; k < n; k++) {
            int pivot = k;
            for (int i = k + 1; i < n; i++) {
                pivot = Math.abs(m[i][k]) > Math.abs(m[pivot][k]) ? i : pivot;
            }
            double[] row = m[pivot];
            m[pivot] = m[k];
            m[k] = row;
            for (int i = k + 1; i < n; i++) {
                double factor = m[i][k] / row[k];
                for (int j = k; j <= n; j++) {
                    m[i][j] -= factor * row[j];
                }
            }
        }
        double[] x = new double[n];
        for (int i = n - 1; i >= 0; i--) {
            double sum = m[i][n];
            for (int j = i + 1; j < n; j++) {
                sum -= m[i][j] * x[j];
            }
            x[i] = sum / m[i][i];
        }
        return x;
    }

    /// Eigenvalues of a symmetric matrix, with its eigenvectors as columns.
    record Eigen(double[] values, double[][] vectors) {
        /// By Jacobi's rotations.
        static Eigen of(double[][] symmetric) {
            int n = symmetric.length;
            double[][] a = new double[n][];
            double[][] q = new double[n][n];
            for (int i = 0; i < n; i++) {
                a[i] = symmetric[i].clone();
                q[i][i] = 1;
            }
            for (int sweep = 0; sweep < 30; sweep++) {
                for (int i = 0; i < n; i++) {
                    for (int j = i + 1; j < n; j++) {
                        double angle = 0.5 * Math.atan2(2 * a[i][j], a[i][i] - a[j][j]);
                        rotate(a, q, i, j, Math.cos(angle), Math.sin(angle));
                    }
                }
            }
            double[] values = new double[n];
            for (int i = 0; i < n; i++) {
                values[i] = a[i][i];
            }
            return new Eigen(values, q);
        }

        private static void rotate(
                double[][] a, double[][] q, int i, int j, double cos, double sin) {
            for (int k = 0; k < a.length; k++) {
                double left = a[k][i];
                a[k][i] = cos * left + sin * a[k][j];
                a[k][j] = cos * a[k][j] - sin * left;
                left = q[k][i];
                q[k][i] = cos * left + sin * q[k][j];
                q[k][j] = cos * q[k][j] - sin * left;
            }
            for (int k = 0; k < a.length; k++) {
                double upper = a[i][k];
                a[i][k] = cos * upper + sin * a[j][k];
                a[j][k] = cos * a[j][k] - sin * upper;
            }
        }
    }
}
