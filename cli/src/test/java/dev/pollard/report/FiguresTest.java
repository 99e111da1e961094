package dev.pollard.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;

class FiguresTest {
    @Test
    void numbersKeepTheDigitsThatMeanSomething() {
        assertEquals("18.97", Figures.number(18.973));
        assertEquals("27.10", Figures.number(27.1));
        assertEquals("0.001234", Figures.number(0.00123412));
        assertEquals("12,346", Figures.number(12345.6));
        assertEquals("1.235e+07", Figures.number(12345678));
        assertEquals("0", Figures.number(0));
        assertEquals("not a number", Figures.number(Double.NaN));
        assertEquals("0.5", Figures.brief(0.5));
        assertEquals("100", Figures.brief(100));
        assertEquals("5", Figures.brief(4.96));
        assertEquals("infinite", Figures.number(Double.POSITIVE_INFINITY));
    }

    @Test
    void changesAreSaidAsPercentOrAsTimes() {
        assertEquals("+42.9 %", Figures.change(18.973, 27.104));
        assertEquals("-10.0 %", Figures.change(10, 9));
        assertEquals("× 4.30", Figures.change(10, 43));
        assertEquals("× 12,000", Figures.change(10, 120_000));
        assertEquals("", Figures.change(0, 1));
        assertEquals("", Figures.change(1, Double.NaN));
    }

    @Test
    void patternsReadAsWords() {
        assertEquals("50 %", Figures.pattern("0.5"));
        assertEquals("62.5 %", Figures.pattern("0.625"));
        assertEquals("0 %", Figures.pattern("0.0"));
        assertEquals("2:4 (2 of every 4 kept)", Figures.pattern("2:4"));
        assertEquals("heads=0.2", Figures.pattern("heads=0.2"));
    }

    @Test
    void namesLoseTheirFolders() {
        assertEquals("m.gguf", Figures.fileName("../a/m.gguf"));
        assertEquals("llama", Figures.fileName("/a/llama/"));
        assertEquals("llama", Figures.fileName("C:\\models\\llama"));
        assertEquals("c4.jsonl.gz", Figures.sourceName("rows:/d/c4.jsonl.gz:text"));
        assertEquals("wiki.txt", Figures.sourceName("wiki.txt"));
    }

    @Test
    void shortenedTextKeepsBothEnds() {
        assertEquals("abc…xyz", Figures.shortened("abcdefghijklmnopqrstuvwxyz", 7));
        assertEquals("🌳🌳…🌳", Figures.shortened("🌳".repeat(9), 4));
        assertEquals("short", Figures.shortened("short", 18));
    }

    @Test
    void scaleTakesRatiosWhereValuesSpreadWide() {
        double[] wide = Scale.of(DoubleStream.of(1, 128)).edges();
        assertEquals(Scale.STEPS + 1, wide.length);
        assertEquals(2, wide[1], 1e-9);
        double[] narrow = Scale.of(DoubleStream.of(1, 8, Double.NaN)).edges();
        assertEquals(2, narrow[1], 1e-9);
        var scale = Scale.of(DoubleStream.of(1, 8));
        assertEquals(0, scale.step(1));
        assertEquals(Scale.STEPS - 1, scale.step(8));
        assertEquals(2, Scale.of(DoubleStream.of(0.5, 0.5001)).edges().length);
        assertEquals(0, Scale.of(DoubleStream.of(Double.NaN)).edges().length);
    }
}
