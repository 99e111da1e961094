package dev.pollard.hub;

import java.util.regex.Pattern;

/// A model's name on the Hub: `ORG/NAME`. Both parts are plain file names on every system.
public record RepositoryName(String organisation, String name) {
    private static final Pattern PART = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]{0,95}");

    /// @throws IllegalArgumentException if a part is not what the Hub allows
    public RepositoryName {
        if (!PART.matcher(organisation).matches() || !PART.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "'%s/%s' is not a model's name: give ORG/NAME".formatted(organisation, name));
        }
    }

    /// @throws IllegalArgumentException if `text` is not `ORG/NAME`
    public static RepositoryName parse(String text) {
        String[] parts = text.split("/", -1);
        if (parts.length != 2) {
            throw new IllegalArgumentException(
                    "'%s' is not a model's name: give ORG/NAME".formatted(text));
        }
        return new RepositoryName(parts[0], parts[1]);
    }

    /// Whether [#parse] takes it.
    public static boolean isOne(String text) {
        String[] parts = text.split("/", -1);
        return parts.length == 2
                && PART.matcher(parts[0]).matches()
                && PART.matcher(parts[1]).matches();
    }

    @Override
    public String toString() {
        return organisation + "/" + name;
    }
}
