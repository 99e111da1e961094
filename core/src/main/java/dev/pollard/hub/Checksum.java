package dev.pollard.hub;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.regex.Pattern;

/// What the bytes of a file must hash to. The Hub keeps large files outside of git and knows their
/// SHA-256; of small ones it knows git's name: the SHA-1 of `blob LENGTH\0` and the bytes.
record Checksum(Kind kind, String hex) {
    enum Kind {
        SHA256("SHA-256", 64),
        GIT_BLOB("SHA-1", 40);

        private final String algorithm;
        private final Pattern form;

        Kind(String algorithm, int digits) {
            this.algorithm = algorithm;
            this.form = Pattern.compile("[0-9a-f]{" + digits + "}");
        }
    }

    private static final int CHUNK = 1 << 20;

    /// @throws IllegalArgumentException if `hex` has not as many lower-case digits as the kind asks
    Checksum {
        if (!kind.form.matcher(hex).matches()) {
            throw new IllegalArgumentException(
                    "'%s' is no %s".formatted(hex, kind.name().toLowerCase(Locale.ROOT)));
        }
    }

    /// A digest that waits for the bytes of a file of this length.
    MessageDigest begin(long bytes) {
        try {
            var digest = MessageDigest.getInstance(kind.algorithm);
            if (kind == Kind.GIT_BLOB) {
                digest.update(("blob " + bytes + "\0").getBytes(StandardCharsets.US_ASCII));
            }
            return digest;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has it", e);
        }
    }

    /// Whether `digest` has seen the right bytes; it is reset.
    boolean matches(MessageDigest digest) {
        return HexFormat.of().formatHex(digest.digest()).equals(hex);
    }

    /// Whether a file has the right bytes; reads all of it.
    boolean matches(Path file) throws IOException {
        var digest = begin(Files.size(file));
        update(digest, file, Long.MAX_VALUE);
        return matches(digest);
    }

    /// Feeds at most `most` bytes of a file to `digest`.
    ///
    /// @return how many there were
    static long update(MessageDigest digest, Path file, long most) throws IOException {
        byte[] chunk = new byte[CHUNK];
        long done = 0;
        try (var stream = Files.newInputStream(file)) {
            while (done < most) {
                int count = stream.read(chunk, 0, (int) Math.min(CHUNK, most - done));
                if (count < 0) {
                    break;
                }
                digest.update(chunk, 0, count);
                done += count;
            }
        }
        return done;
    }
}
