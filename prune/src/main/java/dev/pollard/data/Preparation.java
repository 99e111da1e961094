package dev.pollard.data;

import dev.pollard.format.Nearest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The steps by which a template may prepare a text, by the name they have in a task's definition.
final class Preparation {
    private static final List<String> NAMES =
            List.of(
                    "trim",
                    "capitalize",
                    "uncapitalize",
                    "capitalize-open-sentence",
                    "drop-last",
                    "before",
                    "after",
                    "before-last",
                    "after-last",
                    "map",
                    "lines");

    /// White space at either end, no-break spaces included.
    private static final Pattern EDGES =
            Pattern.compile("^[\\s\\p{Z}]+|[\\s\\p{Z}]+\\z", Pattern.UNICODE_CHARACTER_CLASS);

    /// What follows the last sentence that has ended.
    private static final Pattern OPEN_SENTENCE = Pattern.compile("(?<=[.!?][\"')]? )[^.!?]+$");

    private Preparation() {}

    /// @param text `name` or `name:argument`
    /// @throws IllegalArgumentException if there is no such step
    static UnaryOperator<String> named(String text) {
        int colon = text.indexOf(':');
        String name = colon < 0 ? text : text.substring(0, colon);
        String argument = colon < 0 ? "" : text.substring(colon + 1);
        return switch (name) {
            case "trim" -> s -> EDGES.matcher(s).replaceAll("");
            case "capitalize" -> Preparation::capitalized;
            case "uncapitalize" ->
                    s ->
                            s.isEmpty()
                                    ? s
                                    : s.substring(0, 1).toLowerCase(Locale.ROOT) + s.substring(1);
            case "capitalize-open-sentence" ->
                    s -> OPEN_SENTENCE.matcher(s).replaceFirst(m -> quoted(capitalized(m.group())));
            case "drop-last" -> s -> s.isEmpty() ? s : s.substring(0, s.length() - 1);
            case "before" -> s -> s.substring(0, found(s, s.indexOf(argument), argument));
            case "after" ->
                    s -> s.substring(found(s, s.indexOf(argument), argument) + argument.length());
            case "before-last" -> s -> s.substring(0, found(s, s.lastIndexOf(argument), argument));
            case "after-last" ->
                    s ->
                            s.substring(
                                    found(s, s.lastIndexOf(argument), argument)
                                            + argument.length());
            case "map" -> mapping(argument);
            default -> throw new IllegalArgumentException(Nearest.unknown("step", name, NAMES));
        };
    }

    /// The first letter large, all others small.
    private static String capitalized(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.offsetByCodePoints(0, 1);
        return text.substring(0, first).toUpperCase(Locale.ROOT)
                + text.substring(first).toLowerCase(Locale.ROOT);
    }

    private static String quoted(String replacement) {
        return Matcher.quoteReplacement(replacement);
    }

    private static int found(String text, int index, String sought) {
        if (index < 0) {
            throw new Template.UnfitException("has no '%s' in '%s'".formatted(sought, text));
        }
        return index;
    }

    private static UnaryOperator<String> mapping(String argument) {
        var map = new HashMap<String, String>();
        Arrays.stream(argument.split(","))
                .map(pair -> pair.split("=", 2))
                .forEach(pair -> map.put(pair[0], pair[1]));
        return s -> {
            String value = map.get(s);
            if (value == null) {
                throw new Template.UnfitException(
                        "has '%s' where one of %s belongs"
                                .formatted(s, map.keySet().stream().sorted().toList()));
            }
            return value;
        };
    }
}
