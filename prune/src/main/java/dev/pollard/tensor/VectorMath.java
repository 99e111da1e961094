package dev.pollard.tensor;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/// What the Vector API leaves open, done in a fixed order of exact operations: its own sum of lanes
/// and its own exponential give other last bits when code is compiled than when it is interpreted,
/// and then the same run gives other bytes.
public final class VectorMath {
    private static final float LOG2_E = 1.44269504f;

    /// ln 2 in two parts, the first exact in few bits, so that `n · LN2_HIGH` is exact.
    private static final float LN2_HIGH = 0.693359375f;

    private static final float LN2_LOW = -2.12194440e-4f;

    /// Adding and subtracting 1.5 · 2²³ rounds a small number to a whole one, ties to even.
    private static final float ROUND = 12_582_912f;

    private static final float LEAST = -87.33f;
    private static final float MOST = 88.37f;

    private VectorMath() {}

    /// `eˣ` lane by lane, within 3 units in the last place; below -87.33 and above 88.37 the values
    /// at these ends, NaN for NaN.
    public static FloatVector exp(FloatVector x) {
        var clamped = x.max(LEAST).min(MOST);
        var n = clamped.mul(LOG2_E).add(ROUND).sub(ROUND); // eˣ = 2ⁿ eʳ, |r| ≤ ½ ln 2
        var negated = n.neg();
        var species = x.species();
        var r =
                negated.fma(
                        FloatVector.broadcast(species, LN2_LOW),
                        negated.fma(FloatVector.broadcast(species, LN2_HIGH), clamped));
        // Taylor's series: the first term left out is below 6 · 10⁻⁹.
        var y = FloatVector.broadcast(species, 1f / 5040);
        y = y.fma(r, FloatVector.broadcast(species, 1f / 720));
        y = y.fma(r, FloatVector.broadcast(species, 1f / 120));
        y = y.fma(r, FloatVector.broadcast(species, 1f / 24));
        y = y.fma(r, FloatVector.broadcast(species, 1f / 6));
        y = y.fma(r, FloatVector.broadcast(species, 0.5f));
        y = y.fma(r, FloatVector.broadcast(species, 1f));
        y = y.fma(r, FloatVector.broadcast(species, 1f));
        var power = (IntVector) n.convert(VectorOperators.F2I, 0);
        return y.mul(power.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
    }

    /// The sum of the lanes, from the first to the last.
    public static double sum(FloatVector x) {
        double sum = 0;
        for (int lane = 0; lane < x.length(); lane++) {
            sum += x.lane(lane);
        }
        return sum;
    }
}
