package dev.pollard.data;

import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.regex.Pattern;

/// What a model shall serve, as a user names it on the command line:
/// `NAME=FILE[:field][@weight]`.
///
/// @param name letters, digits and `._-`
/// @param weight how much it counts beside other domains, more than 0
public record Domain(String name, Source source, double weight) {
    private static final Pattern NAME = Pattern.compile("[\\p{Alnum}._-]+");

    /// @throws IllegalArgumentException if the name has other characters, or the weight is not a
    ///     number above 0
    public Domain {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "'%s' is no name of a domain: letters, digits and ._- are".formatted(name));
        }
        if (!(weight > 0) || Double.isInfinite(weight)) {
            throw new IllegalArgumentException(
                    "domain '%s' of weight %s: give a number above 0".formatted(name, weight));
        }
    }

    /// Reads what a user wrote. What follows the last `@` is a weight if it is a number, unless
    /// there is a file of that whole name; else the weight is 1.
    ///
    /// @throws IllegalArgumentException if it is no domain, or its source is none
    public static Domain parse(String specification) {
        int equals = specification.indexOf('=');
        if (equals < 1) {
            throw new IllegalArgumentException(
                    "a domain is NAME=FILE[:field][@weight], not '%s'".formatted(specification));
        }
        String name = specification.substring(0, equals);
        String source = specification.substring(equals + 1);
        int at = source.lastIndexOf('@');
        if (at > 0 && !Source.exists(source)) {
            try {
                double weight = Double.parseDouble(source.substring(at + 1));
                return new Domain(name, Source.parse(source.substring(0, at)), weight);
            } catch (NumberFormatException _) {
                // the @ belongs to the file, or to a template
            }
        }
        return new Domain(name, Source.parse(source), 1);
    }

    /// Draws windows of every domain, each of its own seed: what is drawn of one does not depend
    /// on the others.
    ///
    /// @param samples windows of each domain
    /// @param length ids per window
    /// @param seed the same seed draws the same windows
    /// @param tokenizer may be empty if all sources are token ids
    /// @param vocabulary size of the model's: ids must be below
    /// @return those of each of `domains`, in order
    /// @throws IllegalArgumentException if there is no domain, two have one name, or one holds less
    ///     than it must give
    /// @throws dev.pollard.format.MalformedFileException if a file is empty or breaks its format
    /// @throws java.nio.file.NoSuchFileException if a file is missing
    public static SequencedMap<Domain, TokenWindows> sample(
            List<Domain> domains,
            int samples,
            int length,
            long seed,
            Optional<Tokenizer> tokenizer,
            int vocabulary)
            throws IOException {
        if (domains.isEmpty()) {
            throw new IllegalArgumentException("no domain");
        }
        var names = new HashSet<String>();
        for (var domain : domains) {
            if (!names.add(domain.name)) {
                throw new IllegalArgumentException(
                        "two domains are named '%s'".formatted(domain.name));
            }
        }
        var drawn = new LinkedHashMap<Domain, TokenWindows>();
        for (var domain : domains) {
            var calibration =
                    new Calibration(
                            List.of(domain.source),
                            samples,
                            length,
                            Sampling.RANDOM,
                            seed ^ domain.name.hashCode());
            drawn.put(domain, calibration.read(tokenizer, vocabulary));
        }
        return drawn;
    }

    /// As the user wrote it.
    @Override
    public String toString() {
        return "%s=%s%s".formatted(name, source, weight == 1 ? "" : "@" + weight);
    }
}
