package dev.pollard.prune;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;

/// What an [Allocation] decided: one ratio for all layers of a block.
///
/// @param shares of the blocks with a layer to prune, in order
/// @param notes what did not go as asked
public record Allotment(List<Share> shares, List<String> notes) {
    /// No block gives more than this.
    public static final double MOST = 0.99;

    /// @param block 0-based
    /// @param outliers percentage of its scores that are outliers
    /// @param ratio fraction of the weights that its layers give
    public record Share(int block, double outliers, double ratio) {}

    public Allotment {
        shares = List.copyOf(shares);
        notes = List.copyOf(notes);
    }

    /// OWL: with `D'` the outliers `D` moved and scaled into `[0, 2 lambda]`, a block gives `asked
    /// - (D' - mean D')`. Every block counts once, whatever its size, as in the paper; so the
    /// ratios have the mean `asked`. If all blocks have the same outliers, all give `asked`.
    ///
    /// A ratio that would leave `[0, MOST]` is held at the bound, and the others move by one amount
    /// so that the mean stays.
    ///
    /// @param outliers percentage by block
    /// @param lambda half the distance between the highest and the lowest ratio
    /// @param asked in `[0, MOST]`
    public static Allotment byOutliers(
            SequencedMap<Integer, Double> outliers, double lambda, double asked) {
        double[] d = outliers.values().stream().mapToDouble(Double::doubleValue).toArray();
        double least = Arrays.stream(d).min().orElse(0);
        double width = Arrays.stream(d).max().orElse(0) - least;
        double[] scaled =
                Arrays.stream(d)
                        .map(x -> width > 0 ? (x - least) / width * 2 * lambda : 0)
                        .toArray();
        double mean = Arrays.stream(scaled).average().orElse(0);
        double[] ratios = Arrays.stream(scaled).map(x -> asked - (x - mean)).toArray();
        long outside = Arrays.stream(ratios).filter(r -> r < 0 || r > MOST).count();
        var notes = new ArrayList<String>();
        if (outside > 0) {
            ratios = within(ratios, asked);
            notes.add(
                    "owl: %d of %d blocks would leave [0, %s] and are held there; the others make up for it"
                            .formatted(outside, ratios.length, MOST));
        }
        var shares = new ArrayList<Share>();
        for (var block : outliers.entrySet()) {
            shares.add(new Share(block.getKey(), block.getValue(), ratios[shares.size()]));
        }
        return new Allotment(shares, notes);
    }

    /// The ratios moved by one amount and clipped, so that they have the mean `asked`: that amount
    /// is found by halving, for the mean never falls when the ratios move up.
    private static double[] within(double[] ratios, double asked) {
        double low = -2; // ratios lie in (-1, 2): all at 0
        double high = 1; // enough that the mean is at least as asked
        for (int i = 0; i < 64; i++) {
            double middle = (low + high) / 2;
            if (Arrays.stream(clipped(ratios, middle)).average().orElse(0) < asked) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return clipped(ratios, high);
    }

    private static double[] clipped(double[] ratios, double shift) {
        return Arrays.stream(ratios).map(r -> Math.clamp(r + shift, 0, MOST)).toArray();
    }
}
