package dev.pollard.report;

import static dev.pollard.report.Node.element;

import dev.pollard.report.Node.Element;
import java.util.Locale;

/// Shapes of drawings. Colours come from the page's style sheet by class.
final class Svg {
    private Svg() {}

    /// @param title for those who do not see it
    static Element drawing(String title, double width, double height) {
        return element("svg")
                .with("xmlns", "http://www.w3.org/2000/svg")
                .with("viewBox", "0 0 %s %s".formatted(at(width), at(height)))
                .with("role", "img")
                .with("aria-label", title);
    }

    static Element rectangle(double x, double y, double width, double height) {
        return element("rect")
                .with("x", at(x))
                .with("y", at(y))
                .with("width", at(width))
                .with("height", at(Math.max(0, height)));
    }

    static Element line(double x1, double y1, double x2, double y2) {
        return element("line")
                .with("x1", at(x1))
                .with("x2", at(x2))
                .with("y1", at(y1))
                .with("y2", at(y2));
    }

    static Element circle(double x, double y, double radius) {
        return element("circle").with("cx", at(x)).with("cy", at(y)).with("r", at(radius));
    }

    /// @param points `x,y x,y …` as [#point] writes them, behind each other
    static Element polyline(String points) {
        return element("polyline").with("points", points);
    }

    static String point(double x, double y) {
        return at(x) + "," + at(y) + " ";
    }

    /// @param anchor `start`, `middle` or `end`: which part of the words stands at x
    static Element label(String words, double x, double y, String anchor) {
        return element("text", words).with("x", at(x)).with("y", at(y)).with("text-anchor", anchor);
    }

    static String at(double coordinate) {
        return String.format(Locale.ROOT, "%.1f", coordinate);
    }
}
