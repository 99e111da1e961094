package dev.pollard.report;

import static dev.pollard.report.Node.element;
import static dev.pollard.report.Node.foreign;
import static dev.pollard.report.Node.text;

import dev.pollard.recipe.RunRecord;
import dev.pollard.report.Node.Element;
import java.util.LinkedHashMap;
import java.util.List;

/// What went into a run and what it took: model, method, calibration, machine, time, and how to do
/// it again.
final class SettingSection {
    private SettingSection() {}

    static Element setting(RunRecord run) {
        var model = element("dl");
        Page.fact(model, "File", foreign(run.model().path()));
        Page.fact(model, "Architecture", foreign(run.model().architecture()));
        Page.fact(model, "Weights stored as", foreign(run.model().storage()));
        Page.fact(model, "Parameters", text(Figures.count(run.model().parameters())));
        Page.fact(model, "Prunable", text(Figures.count(run.model().prunable())));
        Page.fact(model, "Bytes of tensors", text(Figures.count(run.model().bytes())));

        var method = element("dl");
        Page.fact(method, "Name", foreign(run.method().name()));
        Page.fact(method, "Pattern", foreign(Figures.pattern(run.pattern())));
        Page.fact(method, "Allocation", foreign(run.method().allocation()));
        run.method()
                .settings()
                .forEach(
                        (name, value) ->
                                method.add(
                                        element("dt", foreign(name)),
                                        element("dd", foreign(value))));
        Page.fact(method, "Inputs of the layers", foreign(inputs(run.method().inputs())));
        Page.fact(method, "Computed in", foreign(run.method().compute()));
        Page.fact(method, "Seed", text(Long.toString(run.seed())));

        var calibration = element("dl");
        var facts = run.calibration();
        if (facts.sequences() == 0) {
            String none = "none: the method saw no data";
            Page.fact(
                    calibration, "Text", text(run.domains().isEmpty() ? none : "that of domains"));
        } else {
            var sources = element("ul");
            facts.source().forEach(source -> sources.add(element("li", foreign(source))));
            Page.fact(calibration, "Text", sources);
            Page.fact(calibration, "Sampling", foreign(facts.sampling()));
            Page.fact(
                    calibration,
                    "Sequences × length",
                    text(
                            "%s × %s tokens"
                                    .formatted(
                                            Figures.count(facts.sequences()),
                                            Figures.count(facts.length()))));
            Page.fact(calibration, "Tokens", text(Figures.count(facts.tokens())));
            Page.fact(calibration, "SHA-256 of the ids", Page.hash(facts.sha256()));
        }
        for (var domain : run.domains()) {
            Page.fact(
                    calibration,
                    "Domain",
                    foreign(
                            "%s: %s, %s × %s tokens, weight %s"
                                    .formatted(
                                            domain.name(),
                                            domain.source(),
                                            Figures.count(domain.sequences()),
                                            Figures.count(domain.length()),
                                            Figures.brief(domain.weight()))));
        }
        return Page.section(
                "setting",
                "Model, method, calibration",
                element(
                                "div",
                                Page.facts("Model", model),
                                Page.facts("Method", method),
                                Page.facts("Calibration", calibration),
                                Page.facts("Machine and versions", machine(run)))
                        .with("class", "facts"));
    }

    private static Element machine(RunRecord run) {
        var machine = element("dl");
        Page.fact(machine, "Pollard", foreign(run.pollard()));
        var environment = run.environment();
        if (environment == null) {
            Page.fact(machine, "Machine", text("not recorded"));
            return machine;
        }
        Page.fact(machine, "Java", foreign(environment.java()));
        Page.fact(machine, "libtorch", foreign(environment.libtorch()));
        Page.fact(machine, "System", foreign(environment.os()));
        Page.fact(machine, "Processor", foreign(environment.processor()));
        Page.fact(machine, "Threads", text(Integer.toString(environment.threads())));
        return machine;
    }

    private static String inputs(String inputs) {
        return switch (inputs) {
            case "pruned" -> "of the model pruned so far";
            case "dense" -> "of the dense model";
            case "both" -> "of the model pruned so far, aimed at the dense one";
            default -> inputs;
        };
    }

    static Element time(RunRecord run) {
        var seconds = run.seconds();
        var phases = new LinkedHashMap<String, Double>();
        phases.put("load", seconds.load());
        phases.put("capture", seconds.capture());
        phases.put("gradients", seconds.gradients());
        phases.put("prune", seconds.prune());
        phases.put("propagate", seconds.propagate());
        phases.put("commit", seconds.commit());
        phases.put("save", seconds.save());
        phases.put("verify", seconds.verify());
        phases.put("evaluate", seconds.evaluate());
        double other =
                seconds.total() - phases.values().stream().mapToDouble(Double::doubleValue).sum();
        phases.put("other", Math.max(0, other));
        String title = "Time of each phase, s";
        var rows = new Rows(title, "Phase", ">Seconds");
        phases.forEach((phase, took) -> rows.add(text(phase), text(Figures.number(took))));
        rows.add(text("total"), text(Figures.number(seconds.total())));
        var drawing =
                Page.chart(
                        title,
                        "%s in all%s"
                                .formatted(
                                        Figures.seconds(seconds.total()),
                                        run.peakRssBytes() == null
                                                ? ""
                                                : "; peak memory "
                                                        + Figures.bytes(run.peakRssBytes())),
                        List.of(Charts.bars(title, phases, Figures::seconds)),
                        rows.framed());
        return Page.section("time", "Time and memory", Page.charts(List.of(drawing)));
    }

    static Element reproduce(RunRecord run) {
        var hashes = new Rows("SHA-256", "Of", "Digest");
        hashes.add(text("tensors of the dense model"), element("code", run.model().sha256()));
        if (!run.calibration().sha256().isEmpty()) {
            hashes.add(text("calibration token ids"), element("code", run.calibration().sha256()));
        }
        for (var evaluation : run.evaluations()) {
            hashes.add(
                    element(
                            "span",
                            text("ids or questions of "),
                            foreign(new Score(evaluation).task())),
                    element("code", evaluation.sha256()));
        }
        return Page.section(
                "reproduce",
                "To do it again",
                element("pre", element("code", run.command())),
                hashes.stacked());
    }
}
