package dev.pollard.train;

/// The learning rate of every step: a linear warm-up to the peak, then as [Shape] says, down to a
/// fraction of it.
///
/// @param shape how the rate falls
/// @param peak the highest rate
/// @param warmUp steps until it is reached
/// @param steps of the whole training
/// @param decay steps of the descent at the end, for [Shape#WSD]; the other shapes ignore it
/// @param floor the rate of the last step, as a fraction of the peak
public record Schedule(
        Shape shape, double peak, long warmUp, long steps, long decay, double floor) {
    /// How the rate falls after the warm-up.
    public enum Shape {
        /// Half a wave of the cosine to the last step (Loshchilov, Hutter: SGDR, arXiv 1608.03983).
        COSINE,
        /// A straight line to the floor, which the step after the last one would have.
        LINEAR,
        /// Warm-up, stable, decay (Hu et al.: MiniCPM, arXiv 2404.06395): the peak is held, and the
        /// rate falls only at the end, as 1 − √ (Hägele et al., arXiv 2405.18392). So the end may
        /// be moved while the peak is held, and nothing that was trained is lost.
        WSD
    }

    /// @throws IllegalArgumentException if a number makes no sense, or warm-up and decay are longer
    ///     than the whole
    public Schedule {
        if (!(peak > 0) || !Double.isFinite(peak)) {
            throw new IllegalArgumentException("learning rate: " + peak);
        }
        if (!(floor >= 0) || floor > 1) {
            throw new IllegalArgumentException("final fraction of the learning rate: " + floor);
        }
        if (warmUp < 0 || decay < 0 || steps < 1 || warmUp + falling(shape, decay) > steps) {
            throw new IllegalArgumentException(
                    "%,d steps of warm-up and %,d of decay in %,d steps"
                            .formatted(warmUp, falling(shape, decay), steps));
        }
    }

    private static long falling(Shape shape, long decay) {
        return shape == Shape.WSD ? decay : 0;
    }

    /// The rate of a step.
    ///
    /// @param step 0-based
    public double rate(long step) {
        if (step < warmUp) {
            return peak * (step + 1) / warmUp;
        }
        return switch (shape) {
            case COSINE -> {
                double progress = share(step, warmUp);
                yield peak * (floor + (1 - floor) * (1 + Math.cos(Math.PI * progress)) / 2);
            }
            case LINEAR -> {
                double left = (steps - step) / (double) (steps - warmUp);
                yield peak * (floor + (1 - floor) * left);
            }
            case WSD -> {
                double progress = share(step, steps - decay);
                yield peak * (floor + (1 - floor) * (1 - Math.sqrt(progress)));
            }
        };
    }

    /// How far a step is between a first one, 0, and the last, 1.
    private double share(long step, long first) {
        long last = steps - 1;
        return step <= first || last <= first
                ? 0
                : Math.min(1, (step - first) / (double) (last - first));
    }

    /// Whether the rate of a step is the same if training ends with the step `end` asked for.
    ///
    /// @param step the number of steps done
    public boolean mayEndAt(long end, long step) {
        return end >= step
                && (end == steps || shape == Shape.WSD && step <= Math.min(end, steps) - decay);
    }

    /// The same with another end.
    public Schedule endingAt(long end) {
        return new Schedule(shape, peak, warmUp, end, decay, floor);
    }

    /// What of it may not change when a run is resumed, as text; whether the end may move,
    /// [#mayEndAt] tells.
    String identity() {
        return endingAt(Long.MAX_VALUE).toString();
    }
}
