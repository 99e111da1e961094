package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.text;

import dev.pollard.report.Node.Element;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/// What every page has: the shell, its style, and the pieces that sections are made of.
///
/// A page is one file without network or script, HTML that is well-formed XML too.
final class Page {
    private static final int HASH_DIGITS = 12;

    private Page() {}

    /// The text of a page.
    static String of(String title, List<Element> body) {
        var head =
                element(
                        "head",
                        element("meta").with("charset", "utf-8"),
                        element("meta")
                                .with("name", "viewport")
                                .with("content", "width=device-width, initial-scale=1"),
                        // Should a word slip through unescaped, the browser still runs nothing.
                        element("meta")
                                .with("http-equiv", "Content-Security-Policy")
                                .with("content", "default-src 'none'; style-src 'unsafe-inline'"),
                        element("meta").with("name", "color-scheme").with("content", "light dark"),
                        element("title", title),
                        element("style", style()));
        var page = element("html", head, element("body").add(body)).with("lang", "en");
        return "<!DOCTYPE html>\n" + page.markup() + "\n";
    }

    private static String style() {
        try (var css = Page.class.getResourceAsStream("report.css")) {
            return new String(css.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Element section(String id, String title, Node... content) {
        return element("section", element("h2", title)).add(content).with("id", id);
    }

    /// Words below the title of a section.
    static Element lead(Node... words) {
        return element("p", words).with("class", "lead");
    }

    /// Links to the sections that have a title.
    static Element contents(List<Element> sections) {
        var contents = element("nav").with("aria-label", "Sections");
        for (var section : sections) {
            if (section.children().getFirst() instanceof Element(String name, var _, var title)
                    && name.equals("h2")) {
                contents.add(
                        element("a").with("href", "#" + section.attributes().get("id")).add(title));
            }
        }
        return contents;
    }

    /// A number that matters: what it is, the value before if there is one, the value now.
    static Element tile(Node name, String before, String now, String... below) {
        var figure = element("p").with("class", "figure");
        if (!before.isEmpty()) {
            figure.add(element("span", before).with("class", "before"), text(" → "));
        }
        var tile =
                element(
                        "div",
                        element("p", name).with("class", "name"),
                        figure.add(element("strong", now)));
        for (String line : below) {
            if (!line.isEmpty()) {
                tile.add(element("p", Node.foreign(line)).with("class", "below"));
            }
        }
        return tile.with("class", "tile");
    }

    /// A drawing with its title, what it shows, and the same as a table.
    ///
    /// @param drawing one or several, with what explains their colours
    static Element chart(String title, String about, List<Element> drawing, Element table) {
        return element("figure", element("h3", title), element("figcaption", about))
                .add(drawing)
                .add(element("details", element("summary", "The numbers as a table"), table));
    }

    static Element charts(List<Element> charts) {
        return element("div").add(charts).with("class", "charts");
    }

    static Element facts(String title, Element list) {
        return element("div", element("h3", title), list);
    }

    static void fact(Element list, String name, Node value) {
        list.add(element("dt", name), element("dd", value));
    }

    /// The first digits of a hash.
    static Element hash(String sha256) {
        boolean cut = sha256.length() > HASH_DIGITS;
        return element("code", cut ? sha256.substring(0, HASH_DIGITS) + "…" : sha256)
                .with("class", "hash");
    }
}
