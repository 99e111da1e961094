package dev.pollard.hub;

import java.util.regex.Pattern;

/// A file of a repository, as the Hub lists it.
///
/// @param name a plain file name, checked to stay in its folder on every system
/// @param bytes its length
record HubFile(String name, long bytes, Checksum checksum) {
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}");

    /// @throws IllegalArgumentException if the name is not plain or the length negative
    HubFile {
        if (!isPlain(name) || bytes < 0) {
            throw new IllegalArgumentException("'%s' of %d bytes".formatted(name, bytes));
        }
    }

    /// Whether a name may become that of a file: no separator, no drive, no step up, nothing
    /// hidden.
    static boolean isPlain(String name) {
        return PLAIN.matcher(name).matches();
    }
}
