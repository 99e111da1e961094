package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Svg.circle;
import static dev.pollard.report.Svg.label;
import static dev.pollard.report.Svg.line;
import static dev.pollard.report.Svg.point;
import static dev.pollard.report.Svg.polyline;

import dev.pollard.report.Node.Element;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;

/// Lines of values over places on the horizontal axis, told apart by colour and by the shape of
/// their marks.
///
/// @param title of the drawing
/// @param places to the right, in ascending order
/// @param across what the places are
/// @param series the lines that have a name; a colour and a shape for each of the first
///     [#SERIES], then from the beginning
/// @param crowd values of lines without a name, one for each place; drawn thin behind the others
/// @param levels horizontal lines: a value to compare with
record LineChart(
        String title,
        List<Place> places,
        String across,
        List<Series> series,
        List<double[]> crowd,
        List<Level> levels) {
    static final int SERIES = 6;

    private static final int WIDTH = Charts.WIDTH;
    private static final double LEFT = 54;
    private static final double RIGHT = WIDTH - 16;
    private static final double TOP = 14;
    private static final double BOTTOM = 196;
    private static final double MARK = 4;

    /// @param at on the axis
    /// @param label empty for none
    record Place(double at, String label) {}

    /// @param words about the point, for those who point at it
    record Point(double at, double value, String words) {}

    /// @param points in ascending order
    record Series(String name, List<Point> points) {}

    record Level(String name, double value) {}

    Element drawing() {
        var axis = axis();
        var drawing = Svg.drawing(title, WIDTH, BOTTOM + 36);
        for (double tick : axis.ticks()) {
            double y = y(axis, tick);
            drawing.add(
                    line(LEFT, y, RIGHT, y).with("class", "grid"),
                    label(axis.label(tick), LEFT - 6, y + 4, "end"));
        }
        int most = Math.max(4, (int) ((RIGHT - LEFT) / Math.max(1, places.size()) / 6.5));
        for (var place : places) {
            double x = x(place.at());
            double end = 3.2 * Math.min(most, place.label().length());
            double middle = Math.min(x, WIDTH - end);
            drawing.add(
                    label(Figures.shortened(place.label(), most), middle, BOTTOM + 16, "middle"));
        }
        drawing.add(label(across, (LEFT + RIGHT) / 2, BOTTOM + 32, "middle"));
        for (var values : crowd) {
            crowd(drawing, axis, values);
        }
        for (var level : levels) {
            if (Double.isFinite(level.value())) {
                double y = y(axis, level.value());
                drawing.add(
                        line(LEFT, y, RIGHT, y).with("class", "level"),
                        label(Figures.shortened(level.name(), 30), RIGHT, y - 4, "end")
                                .with("class", "level"));
            }
        }
        for (int s = 0; s < series.size(); s++) {
            draw(drawing, axis, series.get(s), s % SERIES);
        }
        return drawing;
    }

    private Axis axis() {
        return Axis.around(
                DoubleStream.concat(
                                series.stream()
                                        .flatMap(line -> line.points().stream())
                                        .mapToDouble(Point::value),
                                DoubleStream.concat(
                                        crowd.stream().flatMapToDouble(DoubleStream::of),
                                        levels.stream().mapToDouble(Level::value)))
                        .toArray());
    }

    private double x(double at) {
        double low = places.getFirst().at();
        double high = places.getLast().at();
        double margin = 16;
        return high > low
                ? LEFT + margin + (RIGHT - LEFT - 2 * margin) * (at - low) / (high - low)
                : (LEFT + RIGHT) / 2;
    }

    private static double y(Axis axis, double value) {
        return BOTTOM - (BOTTOM - TOP) * Math.clamp(axis.part(value), 0, 1);
    }

    private void crowd(Element drawing, Axis axis, double[] values) {
        var path = new StringBuilder();
        for (int p = 0; p < values.length; p++) {
            if (Double.isFinite(values[p])) {
                path.append(point(x(places.get(p).at()), y(axis, values[p])));
            }
        }
        drawing.add(polyline(path.toString()).with("class", "crowd"));
    }

    private void draw(Element drawing, Axis axis, Series line, int style) {
        var group = element("g").with("class", "series k" + style);
        var path = new StringBuilder();
        var marks = new ArrayList<Element>();
        for (var point : line.points()) {
            double x = x(point.at());
            var words = element("title", point.words());
            if (Double.isFinite(point.value())) {
                double y = y(axis, point.value());
                path.append(point(x, y));
                marks.add(element("g", words, mark(style, x, y)));
            } else { // out of the picture: the line ends, and begins anew
                flush(group, path);
                marks.add(element("g", words, label("✕", x, TOP, "middle")));
            }
        }
        flush(group, path);
        drawing.add(group.add(marks));
    }

    private static void flush(Element group, StringBuilder path) {
        if (!path.isEmpty()) {
            group.add(polyline(path.toString()));
            path.setLength(0);
        }
    }

    private static Element mark(int style, double x, double y) {
        double r = MARK;
        return switch (style) {
            case 0 -> circle(x, y, r);
            case 1 -> Svg.rectangle(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
            case 2 -> polygon(x, y - 1.2 * r, x + 1.1 * r, y + 0.8 * r, x - 1.1 * r, y + 0.8 * r);
            case 3 -> polygon(x, y - 1.3 * r, x + 1.3 * r, y, x, y + 1.3 * r, x - 1.3 * r, y);
            case 4 -> polygon(x, y + 1.2 * r, x + 1.1 * r, y - 0.8 * r, x - 1.1 * r, y - 0.8 * r);
            default -> circle(x, y, r - 0.5).with("class", "ring");
        };
    }

    private static Element polygon(double... coordinates) {
        var points = new StringBuilder();
        for (int i = 0; i < coordinates.length; i += 2) {
            points.append(point(coordinates[i], coordinates[i + 1]));
        }
        return element("polygon").with("points", points);
    }

    /// Which line is which.
    Element legend() {
        var legend = element("p").with("class", "legend");
        for (int s = 0; s < series.size(); s++) {
            var sign =
                    element("svg")
                            .with("xmlns", "http://www.w3.org/2000/svg")
                            .with("viewBox", "0 0 24 12")
                            .with("width", "24")
                            .with("height", "12")
                            .with("aria-hidden", "true")
                            .with("class", "sign")
                            .add(
                                    element("g", line(0, 6, 24, 6), mark(s % SERIES, 12, 6))
                                            .with("class", "series k" + s % SERIES));
            legend.add(element("span", sign, foreign(series.get(s).name())));
        }
        return legend;
    }
}
