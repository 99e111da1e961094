package dev.pollard.prune.method;

import dev.pollard.prune.Selection;
import dev.pollard.prune.Sparsity;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// SparseGPT by the book, in plain double loops: the inverse of the damped Gram matrix by Gauss and
/// Jordan, one column after the other eliminated from it, no factors, no lazy blocks.
///
/// @param extra how many more weights a ratio removes of every block than it should: the authors'
///     code compares with `<=` and removes 1 more
record NaiveSurgeon(double damping, int block, int extra) {
    /// @param weight `[rows, columns]`, as float32 holds it
    /// @param inputs `[tokens][columns]`
    /// @param kept out: `[rows][columns]`
    /// @return the new weight
    double[][] prune(double[][] weight, double[][] inputs, Sparsity sparsity, boolean[][] kept) {
        int rows = weight.length;
        int columns = weight[0].length;
        double[][] inverse = inverse(gram(inputs, columns));
        // What removing column j divides by, and how it spreads, once the columns before are gone.
        double[] pivot = new double[columns];
        double[][] spread = new double[columns][];
        for (int j = 0; j < columns; j++) {
            pivot[j] = inverse[j][j];
            spread[j] = inverse[j].clone();
            for (int a = j + 1; a < columns; a++) {
                double factor = inverse[a][j] / pivot[j];
                for (int b = j; b < columns; b++) {
                    inverse[a][b] -= factor * spread[j][b];
                }
            }
        }
        double[][] w = Arrays.stream(weight).map(double[]::clone).toArray(double[][]::new);
        for (int c = 0; c < columns; c++) {
            int column = c;
            if (Arrays.stream(inputs).allMatch(x -> x[column] == 0)) {
                for (int r = 0; r < rows; r++) {
                    w[r][c] = 0;
                }
            }
        }
        for (boolean[] row : kept) {
            Arrays.fill(row, true);
        }
        int width =
                switch (sparsity) {
                    case Sparsity.Unstructured _ -> block;
                    case Sparsity.SemiStructured(_, int of) -> of;
                };
        for (int from = 0; from < columns; from += width) {
            int to = Math.min(columns, from + width);
            switch (sparsity) {
                case Sparsity.Unstructured(double ratio) -> {
                    int size = rows * (to - from);
                    int count = (int) Selection.count(size, ratio);
                    remove(w, pivot, 0, rows, from, to, count + extra, kept);
                }
                case Sparsity.SemiStructured(int keep, int of) -> {
                    for (int r = 0; r < rows; r++) {
                        remove(w, pivot, r, r + 1, from, to, of - keep, kept);
                    }
                }
            }
            for (int r = 0; r < rows; r++) {
                for (int j = from; j < to; j++) {
                    if (!kept[r][j]) {
                        double error = w[r][j] / pivot[j];
                        for (int k = j + 1; k < columns; k++) {
                            w[r][k] -= error * spread[j][k];
                        }
                        w[r][j] = 0;
                    }
                }
            }
        }
        return w;
    }

    /// Of the rectangle the `count` of the lowest score, in the order of a stable sort.
    private static void remove(
            double[][] w,
            double[] pivot,
            int firstRow,
            int lastRow,
            int from,
            int to,
            int count,
            boolean[][] kept) {
        List<int[]> order =
                IntStream.range(firstRow, lastRow)
                        .boxed()
                        .flatMap(r -> IntStream.range(from, to).mapToObj(c -> new int[] {r, c}))
                        .sorted(
                                Comparator.comparingDouble(
                                        (int[] at) ->
                                                w[at[0]][at[1]] * w[at[0]][at[1]] / pivot[at[1]]))
                        .limit(count)
                        .toList();
        for (int[] at : order) {
            kept[at[0]][at[1]] = false;
        }
    }

    /// `2 XᵀX + λI` as the authors form it.
    private double[][] gram(double[][] inputs, int columns) {
        double[][] h = new double[columns][columns];
        for (double[] x : inputs) {
            for (int a = 0; a < columns; a++) {
                for (int b = 0; b < columns; b++) {
                    h[a][b] += 2 * x[a] * x[b];
                }
            }
        }
        double trace = 0;
        for (int j = 0; j < columns; j++) {
            h[j][j] = h[j][j] == 0 ? 1 : h[j][j];
            trace += h[j][j];
        }
        for (int j = 0; j < columns; j++) {
            h[j][j] += damping * trace / columns;
        }
        return h;
    }

    private static double[][] inverse(double[][] a) {
        int n = a.length;
        double[][] inverse = new double[n][n];
        for (int i = 0; i < n; i++) {
            inverse[i][i] = 1;
        }
        for (int p = 0; p < n; p++) {
            double scale = 1 / a[p][p];
            for (int k = 0; k < n; k++) {
                a[p][k] *= scale;
                inverse[p][k] *= scale;
            }
            for (int i = 0; i < n; i++) {
                double factor = a[i][p];
                if (i != p && factor != 0) {
                    for (int k = 0; k < n; k++) {
                        a[i][k] -= factor * a[p][k];
                        inverse[i][k] -= factor * inverse[p][k];
                    }
                }
            }
        }
        return inverse;
    }
}
