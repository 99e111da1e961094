package dev.pollard.format;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// The SHA-256 of what it was fed, in lower-case hexadecimal: by it Pollard tells whether two
/// models, texts or runs are the same.
public final class Sha256 {
    private final MessageDigest digest;

    public Sha256() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /// Of `text` in UTF-8.
    public static String of(String text) {
        return new Sha256().add(text).hex();
    }

    /// Adds `text` in UTF-8, without its length: what is added next continues it.
    public Sha256 add(String text) {
        digest.update(text.getBytes(StandardCharsets.UTF_8));
        return this;
    }

    /// Adds what remains of `bytes`.
    public Sha256 add(ByteBuffer bytes) {
        digest.update(bytes);
        return this;
    }

    /// 64 digits. It starts anew.
    public String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }
}
