package dev.pollard.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;

/// What the build wrote about itself.
///
/// @param version Pollard's version
/// @param jvmFlags the flags the launcher passes, separated by blanks
record Build(String version, String jvmFlags) {
    static Build read() {
        var properties = new Properties();
        try (var stream = Build.class.getResourceAsStream("build.properties")) {
            properties.load(stream);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Build(properties.getProperty("version"), properties.getProperty("jvm.flags"));
    }
}
