package dev.pollard.hub;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// The models that are part of the repository: `saplings/NAME` is a Hugging Face folder, and
/// `saplings/texts` holds texts to calibrate them with and to measure them on.
public final class Saplings {
    private static final String NAME = "saplings";

    private Saplings() {}

    /// The folder in the checkout that this program was built in: the launcher, Maven's tests and
    /// an IDE all run classes or jars that lie below it. Empty for a jar that was taken
    /// elsewhere.
    public static Optional<Path> folder() {
        Path place;
        try {
            var source = Saplings.class.getProtectionDomain().getCodeSource();
            place = Path.of(source.getLocation().toURI());
        } catch (URISyntaxException | IllegalArgumentException _) {
            return Optional.empty(); // classes of no file
        }
        return above(place);
    }

    /// The nearest folder of that name beside `place` or beside one of the folders it lies in.
    static Optional<Path> above(Path place) {
        for (Path up = place.getParent(); up != null; up = up.getParent()) {
            if (Files.isDirectory(up.resolve(NAME))) {
                return Optional.of(up.resolve(NAME));
            }
        }
        return Optional.empty();
    }
}
