package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.SampleFacts;
import dev.pollard.report.Node.Element;
import java.util.Optional;

/// What both models write, side by side.
final class SampleSection {
    private SampleSection() {}

    /// Empty if nothing was generated.
    static Optional<Element> of(RunRecord run) {
        if (run.samples().isEmpty()) {
            return Optional.empty();
        }
        var section =
                Page.section(
                        "samples",
                        "What both models write",
                        Page.lead(
                                text(
                                        "The same prompt, always the likeliest next token: a look,"
                                                + " not a measurement.")));
        run.samples().forEach(sample -> section.add(sample(sample)));
        return Optional.of(section);
    }

    private static Element sample(SampleFacts sample) {
        return element(
                        "div",
                        element("p", foreign(sample.prompt())).with("class", "prompt"),
                        side("Dense", sample.dense()),
                        side("Pruned", sample.pruned()))
                .with("class", "sample");
    }

    private static Element side(String model, String words) {
        return element(
                "div",
                element("h3", model),
                words.isBlank()
                        ? element("p", "wrote nothing").with("class", "below")
                        : element("p", foreign(words)).with("class", "written"));
    }
}
