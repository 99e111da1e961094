package dev.pollard.cli;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.pollard.format.MalformedFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// `--recipe FILE`: the options of `run` in YAML, by their long names. What the command line says
/// itself wins, whole options at a time.
final class RecipeFile {
    private static final String OPTION = "--recipe";
    private static final long LONGEST = 1 << 20;

    /// Options of which only one may stand.
    private static final Set<String> EITHER = Set.of("sparsity", "pattern");

    private RecipeFile() {}

    /// The arguments with the recipe's options put in.
    ///
    /// @throws IOException if the recipe is missing or is not a YAML mapping of plain values
    static String[] expand(String[] args) throws IOException {
        var given = List.of(args);
        if (given.isEmpty() || !given.getFirst().equals("run")) {
            return args;
        }
        for (int i = 1; i < args.length; i++) {
            if (args[i].equals(OPTION) && i + 1 < args.length) {
                return expand(given, Path.of(args[i + 1]));
            }
            if (args[i].startsWith(OPTION + "=")) {
                return expand(given, Path.of(args[i].substring(OPTION.length() + 1)));
            }
        }
        return args;
    }

    private static String[] expand(List<String> args, Path recipe) throws IOException {
        var expanded = new ArrayList<String>();
        expanded.add("run");
        read(recipe)
                .forEach(
                        (name, value) -> {
                            if (!isGiven(args, name)) {
                                add(expanded, name, value);
                            }
                        });
        expanded.addAll(args.subList(1, args.size()));
        return expanded.toArray(String[]::new);
    }

    private static Map<String, Object> read(Path recipe) throws IOException {
        if (Files.size(recipe) > LONGEST) {
            throw new MalformedFileException(recipe, LONGEST, "too long for a recipe");
        }
        try {
            Map<String, Object> options =
                    new YAMLMapper()
                            .readValue(
                                    Files.readString(recipe),
                                    new TypeReference<LinkedHashMap<String, Object>>() {});
            return options == null ? Map.of() : options;
        } catch (JacksonException e) {
            long at = e.getLocation() == null ? 0 : Math.max(0, e.getLocation().getCharOffset());
            throw new MalformedFileException(
                    recipe, at, "not a YAML mapping of options to values", e);
        }
    }

    private static boolean isGiven(List<String> args, String name) {
        var names = EITHER.contains(name) ? EITHER : Set.of(name);
        return args.stream()
                .anyMatch(
                        arg ->
                                names.stream()
                                        .anyMatch(
                                                n ->
                                                        arg.equals("--" + n)
                                                                || arg.startsWith("--" + n + "=")));
    }

    private static void add(List<String> args, String name, Object value) {
        switch (value) {
            case null -> {}
            case Boolean flag -> {
                if (flag) {
                    args.add("--" + name);
                }
            }
            case List<?> values -> values.forEach(one -> add(args, name, one));
            case Map<?, ?> values -> values.forEach((k, v) -> add(args, name, k + "=" + v));
            default -> args.add("--" + name + "=" + value);
        }
    }
}
