package dev.pollard.report;

import static dev.pollard.report.Node.element;

import dev.pollard.report.Node.Element;
import java.util.ArrayList;
import java.util.List;

/// A table that grows row by row.
final class Rows {
    private final String caption;
    private final List<String> titles;
    private final List<Element> rows = new ArrayList<>();

    /// @param titles one that begins with `>` heads a column of numbers, set to the right
    Rows(String caption, List<String> titles) {
        this.caption = caption;
        this.titles = titles;
    }

    Rows(String caption, String... titles) {
        this(caption, List.of(titles));
    }

    /// @param cells one for each title; the first heads the row
    void add(List<? extends Node> cells) {
        var row = element("tr");
        for (int c = 0; c < cells.size(); c++) {
            String title = titles.get(c);
            var cell = c == 0 ? element("th").with("scope", "row") : element("td");
            if (title.startsWith(">")) {
                cell.with("class", "number");
            }
            row.add(cell.with("data-title", plain(title)).add(cells.get(c)));
        }
        rows.add(row);
    }

    void add(Node... cells) {
        add(List.of(cells));
    }

    private static String plain(String title) {
        return title.startsWith(">") ? title.substring(1) : title;
    }

    /// Rows that become blocks of lines where the page is narrow.
    Element stacked() {
        return table().with("class", "stack");
    }

    /// In a frame that scrolls by itself, so that the page does not.
    Element framed() {
        return element("div", table())
                .with("class", "frame")
                .with("role", "region")
                .with("tabindex", "0")
                .with("aria-label", caption);
    }

    private Element table() {
        var head = element("tr");
        for (String title : titles) {
            var cell = element("th", plain(title)).with("scope", "col");
            head.add(title.startsWith(">") ? cell.with("class", "number") : cell);
        }
        return element(
                "table",
                element("caption", caption),
                element("thead", head),
                element("tbody").add(rows));
    }
}
