package dev.pollard.model;

import dev.pollard.config.Rope;
import dev.pollard.tensor.Tensor;

/// Turns query and key heads by their positions, see [Rope].
final class Rotary {
    private final int dimensions;
    private final PositionTable cosines;
    private final PositionTable sines;

    Rotary(Rope rope, Residents residents) {
        this.dimensions = rope.dimensions();
        float[] frequencies = rope.inverseFrequencies();
        this.cosines = new PositionTable(residents, time -> cosines(time, frequencies));
        this.sines = new PositionTable(residents, time -> sines(time, frequencies));
    }

    /// `[heads, time, width]` → the same, the first entries of every head turned.
    Tensor turn(Tensor x, Rows rows) {
        long width = x.size(2);
        Tensor cos = rows.pick(cosines.atLeast(rows.reach())); // [time, dimensions]
        Tensor sin = rows.pick(sines.atLeast(rows.reach())); // [time, dimensions]
        Tensor turning = dimensions == width ? x : x.narrow(2, 0, dimensions);
        Tensor turned = turning.rotate(cos, sin); // [heads, time, dimensions]
        return dimensions == width
                ? turned
                : Tensor.cat(2, turned, x.narrow(2, dimensions, width - dimensions));
    }

    /// `[time, dimensions]`: both halves the same.
    private static Tensor cosines(int time, float[] frequencies) {
        int half = frequencies.length;
        float[] table = new float[time * 2 * half];
        for (int t = 0; t < time; t++) {
            for (int i = 0; i < half; i++) {
                float cosine = (float) Math.cos(t * frequencies[i]);
                table[t * 2 * half + i] = cosine;
                table[t * 2 * half + half + i] = cosine;
            }
        }
        return Tensor.of(table, time, 2L * half);
    }

    /// `[time, dimensions]`: the first half negative, for it multiplies the swapped second half.
    private static Tensor sines(int time, float[] frequencies) {
        int half = frequencies.length;
        float[] table = new float[time * 2 * half];
        for (int t = 0; t < time; t++) {
            for (int i = 0; i < half; i++) {
                float sine = (float) Math.sin(t * frequencies[i]);
                table[t * 2 * half + i] = -sine;
                table[t * 2 * half + half + i] = sine;
            }
        }
        return Tensor.of(table, time, 2L * half);
    }
}
