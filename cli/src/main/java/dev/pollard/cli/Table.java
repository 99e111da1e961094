package dev.pollard.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/// Lines of aligned columns; the last column takes what is left of the line and wraps there.
final class Table {
    private static final String GAP = "  ";
    private static final int NARROWEST_LAST = 24;

    private final List<String> header;
    private final List<Boolean> right;
    private final List<List<String>> rows = new ArrayList<>();

    /// @param header titles; one that begins with `>` heads a column of numbers, set to the right
    Table(String... header) {
        this.right = List.of(header).stream().map(title -> title.startsWith(">")).toList();
        this.header =
                List.of(header).stream()
                        .map(title -> title.startsWith(">") ? title.substring(1) : title)
                        .toList();
    }

    /// @throws IllegalArgumentException if there are not as many cells as titles
    void row(String... cells) {
        if (cells.length != header.size()) {
            throw new IllegalArgumentException("%d cells".formatted(cells.length));
        }
        rows.add(List.of(cells));
    }

    /// Header in bold, then the rows; `out` cuts nothing, so a line may be longer than the terminal
    /// when the columns before the last are.
    void print(Console console) {
        print(console.columns(), line -> console.say("@|bold " + line + "|@"), console::raw);
    }

    private void print(int columns, Consumer<String> title, Consumer<String> body) {
        int last = header.size() - 1;
        int[] widths = new int[header.size()];
        for (int c = 0; c < widths.length; c++) {
            int column = c;
            widths[c] =
                    Math.max(
                            header.get(c).length(),
                            rows.stream()
                                    .mapToInt(row -> row.get(column).length())
                                    .max()
                                    .orElse(0));
        }
        int before = 0;
        for (int c = 0; c < last; c++) {
            before += widths[c] + GAP.length();
        }
        int room = Math.max(NARROWEST_LAST, columns - before);
        title.accept(line(header, widths));
        for (var row : rows) {
            if (right.get(last) || row.getLast().length() <= room) {
                body.accept(line(row, widths));
                continue;
            }
            var cells = new ArrayList<>(row);
            for (String part : wrap(row.getLast(), room)) {
                cells.set(last, part);
                body.accept(line(cells, widths));
                cells.replaceAll(_ -> "");
            }
        }
    }

    private String line(List<String> cells, int[] widths) {
        var line = new StringBuilder();
        for (int c = 0; c < widths.length; c++) {
            String padding = " ".repeat(Math.max(0, widths[c] - cells.get(c).length()));
            line.append(right.get(c) ? padding + cells.get(c) : cells.get(c) + padding).append(GAP);
        }
        return line.toString().stripTrailing();
    }

    /// Lines of at most `width` characters, broken at blanks; a longer word has a line of its own.
    static List<String> wrap(String text, int width) {
        var lines = new ArrayList<String>();
        var line = new StringBuilder();
        for (String word : text.split(" ")) {
            if (!line.isEmpty() && line.length() + 1 + word.length() > width) {
                lines.add(line.toString());
                line.setLength(0);
            }
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        lines.add(line.toString());
        return lines;
    }
}
