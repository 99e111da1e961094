package dev.pollard.tensor;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// What the Vector API leaves open, done in a fixed order of exact operations: its own sum of lanes
/// and its own exponential give other last bits when code is compiled than when it is interpreted,
/// and then the same run gives other bytes.
public final class VectorMath {
    /// The only species this is for: a constant, or the compiler makes objects of the vectors.
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

    private static final FloatVector LOG2_E_LANES = lanes(1.44269504f);

    /// ln 2 in two parts, the first exact in few bits, so that n times it is exact.
    private static final FloatVector MINUS_LN2_HIGH = lanes(-0.693359375f);

    private static final FloatVector MINUS_LN2_LOW = lanes(2.12194440e-4f);

    /// Adding 1.5 · 2²³ rounds a small number to a whole one, ties to even, in the lowest bits.
    private static final FloatVector ROUND_LANES = lanes(12_582_912f);

    private static final FloatVector ONE = lanes(1f);
    private static final FloatVector TERM_2 = lanes(1f / 2);
    private static final FloatVector TERM_3 = lanes(1f / 6);
    private static final FloatVector TERM_4 = lanes(1f / 24);
    private static final FloatVector TERM_5 = lanes(1f / 120);
    private static final FloatVector TERM_6 = lanes(1f / 720);
    private static final FloatVector TERM_7 = lanes(1f / 5040);

    private static final float LEAST = -87.33f;
    private static final float MOST = 88.37f;

    private VectorMath() {}

    /// `eˣ` lane by lane of a vector of the preferred species, within 3 units in the last place;
    /// below -87.33 and above 88.37 the values at these ends, NaN for NaN.
    public static FloatVector exp(FloatVector x) {
        var clamped = x.max(LEAST).min(MOST);
        var shifted = clamped.fma(LOG2_E_LANES, ROUND_LANES); // its lowest bits are n
        var n = shifted.sub(ROUND_LANES); // eˣ = 2ⁿ eʳ, |r| ≤ ½ ln 2
        var r = n.fma(MINUS_LN2_LOW, n.fma(MINUS_LN2_HIGH, clamped));
        // Taylor's series: the first term left out is below 6 · 10⁻⁹.
        var y = r.fma(TERM_7, TERM_6);
        y = y.fma(r, TERM_5);
        y = y.fma(r, TERM_4);
        y = y.fma(r, TERM_3);
        y = y.fma(r, TERM_2);
        y = y.fma(r, ONE);
        y = y.fma(r, ONE);
        // Adds n to the exponent: shifted left by 23, nothing but n is left of `shifted`.
        return y.reinterpretAsInts()
                .add(shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23))
                .reinterpretAsFloats();
    }

    private static FloatVector lanes(float value) {
        return FloatVector.broadcast(SPECIES, value);
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
