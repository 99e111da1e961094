package dev.pollard.cli;

import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Which layers a run changes; mixed into the commands that make a model from a model.
final class LayerOptions {
    private Pattern include;
    private Pattern exclude;

    @Option(
            names = "--include",
            order = 15,
            paramLabel = "REGEX",
            description =
                    "Change only layers in whose name this is found. Default: every linear layer of"
                            + " the blocks; embeddings, norms, biases and head are never changed")
    private void setInclude(String regex) {
        include = pattern(regex);
    }

    @Option(
            names = "--exclude",
            order = 16,
            paramLabel = "REGEX",
            description = "Change no layer in whose name this is found.")
    private void setExclude(String regex) {
        exclude = pattern(regex);
    }

    Optional<Pattern> include() {
        return Optional.ofNullable(include);
    }

    Optional<Pattern> exclude() {
        return Optional.ofNullable(exclude);
    }

    private static Pattern pattern(String regex) {
        try {
            return Pattern.compile(regex);
        } catch (PatternSyntaxException e) {
            throw new TypeConversionException(
                    "'%s' is not a regular expression: %s".formatted(regex, e.getDescription()));
        }
    }
}
