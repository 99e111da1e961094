package dev.pollard.cli;

import dev.pollard.recipe.PruningRun;
import dev.pollard.report.Figures;
import dev.pollard.train.GradientPass.Activations;

/// What `run --dry-run` shows.
final class PlanView {
    private PlanView() {}

    static void print(Console console, PruningRun run) {
        var plan = run.plan();
        var layers = new Table("LAYER", ">ROWS", ">COLUMNS", ">GRAM");
        for (var layer : plan.layers()) {
            layers.row(
                    layer.name(),
                    Long.toString(layer.rows()),
                    Long.toString(layer.columns()),
                    layer.gramBytes() == 0 ? "-" : Figures.bytes(layer.gramBytes()));
        }
        layers.print(console);
        console.raw("");
        console.raw(
                "Sparsity %s, allocation %s".formatted(run.sparsity(), run.allocation().summary()));
        console.raw("");
        var memory = plan.memory();
        var needs = new Table("NEEDS", ">", "");
        row(needs, "base", memory.base(), "Java, libtorch, pages of the model");
        row(needs, "block", memory.block(), "weights of one block, dense and after every step");
        row(
                needs,
                "activations",
                memory.activations(),
                plan.spill() ? "kept in a file, memory is short" : "of all calibration sequences");
        row(
                needs,
                "Grams",
                memory.grams(),
                "of one block, or of one turn if memory is short, and inputs that are kept; shared ones count once");
        row(needs, "solver", memory.solver(), "");
        row(needs, "forward", memory.forward(), "");
        row(needs, "evaluation", memory.evaluation(), "instead of activations, Grams and solver");
        if (memory.gradients() > 0) {
            row(
                    needs,
                    "gradients",
                    memory.gradients(),
                    plan.activations() == Activations.KEPT
                            ? "all weights and two numbers for each of a domain, instead of what is above"
                            : "the same, activations computed again on the way back");
        }
        row(needs, "peak memory", memory.peak(), "");
        row(
                needs,
                "disk",
                plan.diskBytes(),
                "output and work folder, every pass and the control in it");
        double seconds = run.estimatedSeconds();
        needs.row(
                "time",
                "about " + Figures.seconds(Math.ceil(seconds)),
                "pruning and control, from the speed measured just now; evaluation comes on top");
        needs.print(console);
    }

    private static void row(Table table, String name, long bytes, String remark) {
        table.row(name, Figures.bytes(bytes), remark);
    }
}
