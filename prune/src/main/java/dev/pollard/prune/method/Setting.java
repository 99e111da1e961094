package dev.pollard.prune.method;

import dev.pollard.format.Nearest;
import java.util.List;

/// A hyper-parameter of a method, as `--set name=value` takes it.
public sealed interface Setting {
    String name();

    /// One line for people.
    String help();

    /// The value when nothing is set.
    Object byDefault();

    /// What may be set, in words: `a number in [0, 1]`.
    String range();

    /// @throws IllegalArgumentException if the text is no such value or outside the range
    Object parse(String text);

    /// A real number in `[least, most]`.
    record Real(String name, Double byDefault, double least, double most, String help)
            implements Setting {
        @Override
        public String range() {
            return "a number in [%s, %s]".formatted(text(least), text(most));
        }

        @Override
        public Double parse(String text) {
            try {
                return check(Double.parseDouble(text));
            } catch (NumberFormatException e) {
                throw refusal(this, text, e);
            }
        }

        /// @return the value
        /// @throws IllegalArgumentException if it is outside the range
        double check(double value) {
            if (!(value >= least && value <= most)) {
                throw refusal(this, String.valueOf(value), null);
            }
            return value;
        }

        private static String text(double bound) {
            return bound == Math.rint(bound) && Math.abs(bound) < 1e9
                    ? String.valueOf((long) bound)
                    : String.valueOf(bound);
        }
    }

    /// A whole number in `[least, most]`.
    record Whole(String name, Integer byDefault, int least, int most, String help)
            implements Setting {
        @Override
        public String range() {
            return "a whole number in [%d, %d]".formatted(least, most);
        }

        @Override
        public Integer parse(String text) {
            try {
                return check(Integer.parseInt(text));
            } catch (NumberFormatException e) {
                throw refusal(this, text, e);
            }
        }

        /// @return the value
        /// @throws IllegalArgumentException if it is outside the range
        int check(int value) {
            if (value < least || value > most) {
                throw refusal(this, String.valueOf(value), null);
            }
            return value;
        }
    }

    /// One of a few words.
    record Choice(String name, String byDefault, List<String> options, String help)
            implements Setting {
        @Override
        public String range() {
            return "one of " + String.join(", ", options);
        }

        @Override
        public String parse(String text) {
            return check(text);
        }

        /// @return the word
        /// @throws IllegalArgumentException if it is none of them
        String check(String word) {
            if (!options.contains(word)) {
                var refusal = refusal(this, word, null);
                var nearest = Nearest.to(word, options);
                throw nearest.isEmpty()
                        ? refusal
                        : new IllegalArgumentException(
                                "%s; did you mean '%s'?"
                                        .formatted(refusal.getMessage(), nearest.get()));
            }
            return word;
        }
    }

    private static IllegalArgumentException refusal(
            Setting setting, String text, NumberFormatException cause) {
        return new IllegalArgumentException(
                "%s must be %s: '%s'".formatted(setting.name(), setting.range(), text), cause);
    }
}
