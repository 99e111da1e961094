package dev.pollard.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// A piece of a page, before it is text.
///
/// A page is built as a tree and becomes markup in one place, [#markup], which escapes every text
/// and every attribute: nothing from a model or data file can become markup. The markup is HTML and
/// well-formed XML at once.
sealed interface Node permits Node.Text, Node.Element {
    /// Elements that HTML writes without an end.
    Set<String> VOID = Set.of("meta", "br", "hr");

    record Text(String text) implements Node {}

    /// Grows by [#with] and [#add].
    record Element(String name, Map<String, String> attributes, List<Node> children)
            implements Node {
        Element with(String attribute, Object value) {
            attributes.put(attribute, value.toString());
            return this;
        }

        Element add(Node... more) {
            children.addAll(List.of(more));
            return this;
        }

        Element add(List<? extends Node> more) {
            children.addAll(more);
            return this;
        }

        Element add(String text) {
            return add(new Text(text));
        }
    }

    static Element element(String name) {
        return new Element(name, new LinkedHashMap<>(), new ArrayList<>());
    }

    static Element element(String name, String text) {
        return element(name).add(text);
    }

    static Element element(String name, Node... children) {
        return element(name).add(children);
    }

    static Text text(String text) {
        return new Text(text);
    }

    /// Words of a file or a user: whatever direction they are written in stays among themselves.
    static Element foreign(String text) {
        return element("bdi", text == null ? "" : text);
    }

    /// The same with the middle left out if it is long; all of it is said to who points at it.
    static Element foreign(String text, int most) {
        String shortened = Figures.shortened(text, most);
        var words = foreign(shortened);
        return shortened.equals(text) ? words : words.with("title", text);
    }

    /// The text of this piece.
    default String markup() {
        var out = new StringBuilder();
        write(out);
        return out.toString();
    }

    private void write(StringBuilder out) {
        switch (this) {
            case Text(String text) -> escape(text, out);
            case Element(String name, var attributes, var children) -> {
                out.append('<').append(name);
                attributes.forEach(
                        (attribute, value) -> {
                            out.append(' ').append(attribute).append("=\"");
                            escape(value, out);
                            out.append('"');
                        });
                if (VOID.contains(name)) {
                    out.append("/>");
                    return;
                }
                out.append('>');
                children.forEach(child -> child.write(out));
                out.append("</").append(name).append('>');
            }
        }
    }

    private static void escape(String text, StringBuilder out) {
        text.codePoints()
                .forEach(
                        c -> {
                            switch (c) {
                                case '&' -> out.append("&amp;");
                                case '<' -> out.append("&lt;");
                                case '>' -> out.append("&gt;");
                                case '"' -> out.append("&quot;");
                                case '\'' -> out.append("&#39;");
                                default -> out.appendCodePoint(isCharacter(c) ? c : 0xFFFD);
                            }
                        });
    }

    /// Whether XML 1.0 knows the character: no control character, no half of a pair.
    private static boolean isCharacter(int c) {
        return c == '\t'
                || c == '\n'
                || c == '\r'
                || c >= 0x20 && c <= 0xD7FF
                || c >= 0xE000 && c <= 0xFFFD
                || c >= 0x10000;
    }
}
