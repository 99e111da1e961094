package dev.pollard.report;

import dev.pollard.recipe.RunRecord;
import dev.pollard.recipe.RunRecord.CalibrationFacts;
import dev.pollard.recipe.RunRecord.ControlFacts;
import dev.pollard.recipe.RunRecord.EnvironmentFacts;
import dev.pollard.recipe.RunRecord.MethodFacts;
import dev.pollard.recipe.RunRecord.ModelFacts;
import dev.pollard.recipe.RunRecord.SampleFacts;
import dev.pollard.recipe.RunRecord.Seconds;
import dev.pollard.recipe.RunRecord.Size;
import dev.pollard.recipe.RunRecord.StepFacts;
import java.util.List;
import java.util.Map;

/// Fills what a record lacks, so that nobody after it meets a null: a `report.json` may come from
/// another version, or from an editor.
final class Missing {
    private Missing() {}

    static RunRecord filled(RunRecord r) {
        return new RunRecord(
                r.schema(),
                words(r.pollard()),
                words(r.command()),
                words(r.created()),
                model(r.model()),
                method(r.method()),
                words(r.pattern()),
                r.seed(),
                calibration(r.calibration()),
                list(r.domains()).stream().map(Missing::domain).toList(),
                list(r.layers()).stream().map(Missing::layer).toList(),
                r.sparsity(),
                list(r.evaluations()).stream().map(Missing::evaluation).toList(),
                list(r.samples()).stream().map(Missing::sample).toList(),
                r.control() == null ? null : control(r.control()),
                r.size() == null ? new Size(0, 0) : r.size(),
                r.seconds() == null ? new Seconds(0, 0, 0, 0, 0, 0, 0, 0, 0, 0) : r.seconds(),
                r.peakRssBytes(),
                r.environment() == null ? null : environment(r.environment()),
                list(r.warnings()));
    }

    private static ModelFacts model(ModelFacts m) {
        return m == null
                ? new ModelFacts("", "", "", 0, 0, 0, "")
                : new ModelFacts(
                        words(m.path()),
                        words(m.architecture()),
                        words(m.storage()),
                        m.parameters(),
                        m.prunable(),
                        m.bytes(),
                        words(m.sha256()));
    }

    private static MethodFacts method(MethodFacts m) {
        return m == null
                ? new MethodFacts("", Map.of(), "", "", "")
                : new MethodFacts(
                        words(m.name()),
                        m.settings() == null ? Map.of() : m.settings(),
                        words(m.inputs()),
                        words(m.compute()),
                        m.allocation() == null ? "uniform" : m.allocation());
    }

    private static CalibrationFacts calibration(CalibrationFacts c) {
        return c == null
                ? new CalibrationFacts(List.of(), "", 0, 0, 0, "")
                : new CalibrationFacts(
                        list(c.source()),
                        words(c.sampling()),
                        c.sequences(),
                        c.length(),
                        c.tokens(),
                        words(c.sha256()));
    }

    private static RunRecord.DomainFacts domain(RunRecord.DomainFacts d) {
        return new RunRecord.DomainFacts(
                words(d.name()),
                words(d.source()),
                d.weight(),
                d.sequences(),
                d.length(),
                words(d.sha256()));
    }

    private static RunRecord.LayerFacts layer(RunRecord.LayerFacts l) {
        return new RunRecord.LayerFacts(
                words(l.name()),
                l.rows(),
                l.columns(),
                l.sparsity(),
                l.relativeError(),
                words(l.error()),
                l.seconds(),
                list(l.notes()),
                list(l.steps()).stream().map(Missing::step).toList(),
                l.histogram());
    }

    private static StepFacts step(StepFacts s) {
        return new StepFacts(
                words(s.step()),
                s.relativeError(),
                s.heldOutError(),
                s.sparsity(),
                s.seconds(),
                s.maskMoved());
    }

    private static SampleFacts sample(SampleFacts s) {
        return new SampleFacts(words(s.prompt()), words(s.dense()), words(s.pruned()));
    }

    private static ControlFacts control(ControlFacts c) {
        return new ControlFacts(
                words(c.name()),
                words(c.summary()),
                c.relativeError(),
                c.layers() == null ? Map.of() : c.layers(),
                c.seconds());
    }

    private static EnvironmentFacts environment(EnvironmentFacts e) {
        return new EnvironmentFacts(
                words(e.java()),
                words(e.libtorch()),
                words(e.os()),
                words(e.processor()),
                e.threads());
    }

    private static RunRecord.EvaluationFacts evaluation(RunRecord.EvaluationFacts e) {
        return new RunRecord.EvaluationFacts(
                words(e.task()),
                words(e.metric()),
                e.higherIsBetter(),
                e.dense(),
                e.pruned(),
                e.control(),
                e.denseStderr(),
                e.stderr(),
                e.differenceStderr(),
                e.pValue(),
                e.items(),
                e.shots(),
                e.version(),
                e.tokens(),
                e.windows(),
                e.windowsAvailable(),
                e.length(),
                words(e.bos()),
                words(e.sha256()),
                e.denseFromCache());
    }

    private static String words(String text) {
        return text == null ? "" : text;
    }

    private static <T> List<T> list(List<T> list) {
        return list == null ? List.of() : list;
    }
}
