package dev.pollard.data;

/// Text of what a model shall serve.
///
/// @param name for people, and for the report
/// @param weight how much it counts beside other domains, positive
public record Domain(String name, Source source, double weight) {
    private static final String FORM = "NAME=FILE[:field][@WEIGHT]";

    /// @throws IllegalArgumentException if the name is empty or the weight not positive
    public Domain {
        if (name.isBlank()) {
            throw new IllegalArgumentException("a domain needs a name: " + FORM);
        }
        if (!(weight > 0 && weight < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "the weight of the domain %s must be positive: %s".formatted(name, weight));
        }
    }

    /// Reads `NAME=FILE[:field][@WEIGHT]`; the weight is 1 if none is given.
    ///
    /// @throws IllegalArgumentException if the text is not of that form
    public static Domain parse(String text) {
        int end = text.indexOf('=');
        if (end < 1) {
            throw new IllegalArgumentException("'%s' is no domain: give %s".formatted(text, FORM));
        }
        String name = text.substring(0, end);
        String source = text.substring(end + 1);
        int at = source.lastIndexOf('@');
        double weight = 1;
        if (at > 0 && source.substring(at + 1).matches("[0-9.eE+-]+")) {
            try {
                weight = Double.parseDouble(source.substring(at + 1));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException(
                        "the weight of the domain %s is no number: %s"
                                .formatted(name, source.substring(at + 1)),
                        e);
            }
            source = source.substring(0, at);
        }
        return new Domain(name, Source.parse(source), weight);
    }

    @Override
    public String toString() {
        return "%s=%s%s".formatted(name, source, weight == 1 ? "" : "@" + weight);
    }
}
