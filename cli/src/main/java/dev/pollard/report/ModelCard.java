package dev.pollard.report;

import dev.pollard.recipe.RunRecord;
import java.io.IOException;
import java.nio.file.Path;

public final class ModelCard {
    public static void write(RunRecord r, Path folder) throws IOException {}
}
