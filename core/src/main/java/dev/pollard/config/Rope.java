package dev.pollard.config;

import dev.pollard.format.MalformedFileException;
import java.util.Optional;

/// Rotary position embedding (Su et al., "RoFormer", arXiv 2104.09864) in the half-split form:
/// entry `i` of a head turns together with entry `i + dimensions/2`.
///
/// @param theta base of the frequencies
/// @param dimensions how many of a head's first entries turn, an even number; the rest pass
/// @param scaling how the frequencies are stretched for longer contexts
public record Rope(double theta, int dimensions, Scaling scaling) {
    /// Stretches the frequencies.
    public sealed interface Scaling {}

    public record Unscaled() implements Scaling {}

    /// All frequencies divided by `factor`.
    public record Linear(double factor) implements Scaling {}

    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between them
    /// (Grattafiori et al., "The Llama 3 Herd of Models", arXiv 2407.21783).
    ///
    /// @param lowFrequency wavelengths above `originalContext / lowFrequency` are divided
    /// @param highFrequency wavelengths below `originalContext / highFrequency` are kept
    public record Llama3(
            double factor, double lowFrequency, double highFrequency, int originalContext)
            implements Scaling {}

    /// Radians per position, `[dimensions / 2]`. The arithmetic is float32 where the reference
    /// implementation's is: at position 8,000 the last bit of a frequency is 5e-4 radians.
    public float[] inverseFrequencies() {
        float[] frequencies = new float[dimensions / 2];
        for (int i = 0; i < frequencies.length; i++) {
            float exponent = (float) (2 * i) / dimensions;
            float frequency = 1f / (float) Math.pow(theta, exponent);
            frequencies[i] =
                    switch (scaling) {
                        case Unscaled() -> frequency;
                        case Linear(double factor) -> frequency / (float) factor;
                        case Llama3 llama3 -> stretch(frequency, llama3);
                    };
        }
        return frequencies;
    }

    private static float stretch(float frequency, Llama3 by) {
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength > by.originalContext / by.lowFrequency) {
            return frequency / (float) by.factor;
        }
        if (wavelength < by.originalContext / by.highFrequency) {
            return frequency;
        }
        double smooth =
                (by.originalContext / wavelength - by.lowFrequency)
                        / (by.highFrequency - by.lowFrequency);
        return (float) ((1 - smooth) * (frequency / by.factor) + smooth * frequency);
    }

    /// Reads either spelling: `rope_parameters`, or `rope_theta` with `rope_scaling`.
    ///
    /// @param headWidth entries of a head
    /// @param theta base if none is named
    /// @param share of a head's entries that turns, if none is named
    static Rope read(Keys model, int headWidth, double theta, double share)
            throws MalformedFileException {
        Optional<Keys> parameters = model.object("rope_parameters");
        return read(
                model,
                parameters.isPresent() ? parameters : model.object("rope_scaling"),
                headWidth,
                model.positive(theta, "rope_theta", "rotary_emb_base"),
                model.positive(share, "partial_rotary_factor", "rotary_pct"));
    }

    /// @param parameters the object with type and factors, if there is one
    static Rope read(
            Keys model, Optional<Keys> parameters, int headWidth, double theta, double share)
            throws MalformedFileException {
        if (parameters.isEmpty()) {
            return new Rope(
                    theta,
                    dimensions(model, "partial_rotary_factor", headWidth, share),
                    new Unscaled());
        }
        Keys keys = parameters.get();
        double base = keys.positive(theta, "rope_theta");
        double part = keys.positive(share, "partial_rotary_factor");
        return new Rope(
                base,
                dimensions(keys, "partial_rotary_factor", headWidth, part),
                scaling(model, keys));
    }

    private static int dimensions(Keys keys, String name, int headWidth, double share)
            throws MalformedFileException {
        int dimensions = (int) (headWidth * share);
        keys.require(
                dimensions >= 2 && dimensions <= headWidth && dimensions % 2 == 0,
                name,
                "would turn %d of %d entries of a head".formatted(dimensions, headWidth));
        return dimensions;
    }

    private static Scaling scaling(Keys model, Keys keys) throws MalformedFileException {
        String name = keys.has("rope_type") ? "rope_type" : "type";
        String type = keys.text(name).orElse("default");
        return switch (type) {
            case "default" -> new Unscaled();
            case "linear" -> new Linear(needed(keys, "factor"));
            case "llama3" -> {
                double low = needed(keys, "low_freq_factor");
                double high = needed(keys, "high_freq_factor");
                keys.require(
                        high > low,
                        "high_freq_factor",
                        "must be above low_freq_factor %s, not %s".formatted(low, high));
                int original =
                        keys.has("original_max_position_embeddings")
                                ? keys.size("original_max_position_embeddings")
                                : model.size(
                                        "original_max_position_embeddings",
                                        "max_position_embeddings");
                yield new Llama3(needed(keys, "factor"), low, high, original);
            }
            default ->
                    throw keys.wrong(
                            name,
                            "'%s' is not supported; supported: default, linear, llama3"
                                    .formatted(type));
        };
    }

    private static double needed(Keys keys, String name) throws MalformedFileException {
        var value = keys.optionalPositive(name);
        if (value.isEmpty()) {
            throw keys.wrong(name, "is missing");
        }
        return value.getAsDouble();
    }
}
