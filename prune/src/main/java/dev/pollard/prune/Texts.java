package dev.pollard.prune;

import dev.pollard.data.TokenWindows;
import java.util.ArrayList;
import java.util.List;

/// The token ids that a run may look at, `[sequences][time]`.
///
/// @param calibration open-domain text, all sequences of one length; may be empty
/// @param domains text of what the model shall serve; may be empty
public record Texts(int[][] calibration, List<Domain> domains) {
    /// What a model shall serve.
    ///
    /// @param weight how much it counts beside the others, positive
    /// @param sequences at least one, all of one length
    public record Domain(String name, double weight, int[][] sequences) {
        public Domain(String name, double weight, TokenWindows windows) {
            this(name, weight, windows.all());
        }

        /// @throws IllegalArgumentException if there is no text, or the weight is not positive
        public Domain {
            if (sequences.length == 0) {
                throw new IllegalArgumentException("no text of the domain " + name);
            }
            if (!(weight > 0 && weight < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(
                        "the weight of the domain %s must be positive: %s".formatted(name, weight));
            }
        }
    }

    /// Which of them a sweep gathers its statistics from.
    public enum Part {
        /// The calibration sequences.
        CALIBRATION,
        /// Those of all domains, one after the other.
        DOMAINS,
        /// Both, the calibration sequences first.
        BOTH
    }

    public Texts {
        domains = List.copyOf(domains);
    }

    /// Open-domain text alone.
    public Texts(int[][] calibration) {
        this(calibration, List.of());
    }

    /// @throws IllegalArgumentException if sequences differ in length
    int[][] of(Part part) {
        var sequences = new ArrayList<int[]>();
        if (part != Part.DOMAINS) {
            sequences.addAll(List.of(calibration));
        }
        if (part != Part.CALIBRATION) {
            domains.forEach(domain -> sequences.addAll(List.of(domain.sequences())));
        }
        return sequences.toArray(int[][]::new);
    }
}
