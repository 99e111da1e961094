package dev.pollard.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A text with gaps for the fields of a record: `Question: {goal}\nAnswer:`.
///
/// A gap names a field, with dots into objects (`{choices.text}`), and may prepare it by named
/// steps: `{sentence|after:_|trim}`. A list is prepared element by element. A template that is one
/// gap and nothing else may stand for a list.
public final class Template {
    private static final Pattern GAP = Pattern.compile("\\{([^{}]+)}");
    private static final Pattern NUMBER = Pattern.compile("\\d{1,6}");

    private final String text;
    private final List<Gap> gaps = new ArrayList<>();
    private final List<String> between = new ArrayList<>(); // one more than gaps

    /// A record does not have what a template asks for.
    public static final class UnfitException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        public UnfitException(String problem) {
            super(problem, null, false, false);
        }
    }

    /// @param rewrites steps that the task itself defines, by name
    /// @throws IllegalArgumentException if a step is unknown
    public Template(String text, Map<String, ? extends UnaryOperator<String>> rewrites) {
        this.text = text;
        Matcher gap = GAP.matcher(text);
        int end = 0;
        while (gap.find()) {
            between.add(text.substring(end, gap.start()));
            gaps.add(Gap.of(gap.group(1), rewrites));
            end = gap.end();
        }
        between.add(text.substring(end));
    }

    /// Names of the fields that must be there.
    public List<String> fields() {
        return gaps.stream().map(gap -> gap.path.getFirst()).distinct().toList();
    }

    /// The template filled.
    ///
    /// @throws UnfitException if the record lacks a field or has no plain value in it
    public String text(JsonNode record) {
        var filled = new StringBuilder(between.getFirst());
        for (int i = 0; i < gaps.size(); i++) {
            filled.append(plain(gaps.get(i).value(record), gaps.get(i).name()));
            filled.append(between.get(i + 1));
        }
        return filled.toString();
    }

    /// The value of the only gap, a list or a plain value; the text of a template that is more.
    public JsonNode value(JsonNode record) {
        boolean alone = gaps.size() == 1 && between.stream().allMatch(String::isEmpty);
        return alone
                ? gaps.getFirst().value(record)
                : JsonNodeFactory.instance.textNode(text(record));
    }

    /// The texts of the only gap.
    ///
    /// @throws UnfitException if it is no list of plain values
    public List<String> texts(JsonNode record) {
        JsonNode value = value(record);
        if (!value.isArray()) {
            throw new UnfitException("has no list in %s".formatted(text));
        }
        var texts = new ArrayList<String>();
        value.forEach(element -> texts.add(plain(element, text)));
        return texts;
    }

    private static String plain(JsonNode value, String name) {
        if (!value.isValueNode() || value.isNull()) {
            throw new UnfitException("has no text in '%s'".formatted(name));
        }
        String text = value.asText();
        if (text.codePoints().anyMatch(c -> c >= 0xD800 && c <= 0xDFFF)) {
            throw new UnfitException("has half a character in '%s'".formatted(name));
        }
        return text;
    }

    @Override
    public String toString() {
        return text;
    }

    private record Gap(List<String> path, List<UnaryOperator<JsonNode>> steps) {
        static Gap of(String text, Map<String, ? extends UnaryOperator<String>> rewrites) {
            String[] parts = text.split("\\|");
            var steps = new ArrayList<UnaryOperator<JsonNode>>();
            for (int i = 1; i < parts.length; i++) {
                steps.add(step(parts[i], rewrites));
            }
            return new Gap(List.of(parts[0].split("\\.")), steps);
        }

        String name() {
            return String.join(".", path);
        }

        JsonNode value(JsonNode record) {
            JsonNode value = record;
            for (String name : path) {
                value = member(value, name);
            }
            for (var step : steps) {
                value = step.apply(value);
            }
            return value;
        }

        /// The member of an object, the element of a list by its number, or the member of every
        /// object of a list.
        private JsonNode member(JsonNode value, String name) {
            if (value instanceof ArrayNode list && NUMBER.matcher(name).matches()) {
                JsonNode element = list.get(Integer.parseInt(name));
                if (element == null) {
                    throw new UnfitException("has no '%s'".formatted(name()));
                }
                return element;
            }
            if (value instanceof ArrayNode list) {
                var members = JsonNodeFactory.instance.arrayNode();
                list.forEach(element -> members.add(member(element, name)));
                return members;
            }
            JsonNode member = value instanceof ObjectNode object ? object.get(name) : null;
            if (member == null || member.isNull()) {
                throw new UnfitException("has no '%s'".formatted(name()));
            }
            return member;
        }

        private static UnaryOperator<JsonNode> step(
                String text, Map<String, ? extends UnaryOperator<String>> rewrites) {
            if (text.equals("lines")) {
                return Gap::lines;
            }
            UnaryOperator<String> step =
                    rewrites.containsKey(text) ? rewrites.get(text) : Preparation.named(text);
            return value -> each(value, step);
        }

        private static JsonNode each(JsonNode value, UnaryOperator<String> step) {
            if (value instanceof ArrayNode list) {
                var prepared = JsonNodeFactory.instance.arrayNode();
                list.forEach(element -> prepared.add(each(element, step)));
                return prepared;
            }
            return JsonNodeFactory.instance.textNode(step.apply(plain(value, "it")));
        }

        private static JsonNode lines(JsonNode value) {
            var lines = new ArrayList<String>();
            value.forEach(line -> lines.add(plain(line, "it")));
            return JsonNodeFactory.instance.textNode(String.join("\n", lines));
        }
    }
}
