package dev.pollard.prune.method;

import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.Sweep.Capture;
import dev.pollard.prune.Sweep.Flow;
import dev.pollard.prune.Sweep.Start;
import dev.pollard.prune.Texts;
import dev.pollard.prune.solver.Adam;
import dev.pollard.prune.solver.Coordinates;
import dev.pollard.prune.solver.LeastSquares;
import dev.pollard.stats.Tokens;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Sparse-Dense-Sparse: prune, rebuild a dense model that stays near the sparse one, prune that,
/// and adjust the weights that are left (Li et al.: Enhancing One-shot Pruned Pre-trained Language
/// Models through Sparse-Dense-Sparse Mechanism, arXiv 2408.10473).
///
/// 1. sparse: `W_s`, by any other method of the catalogue, after the passes that it needs;
/// 2. dense: [Redense], from W_s towards the dense layer's outputs, all entries free;
/// 3. sparse: the rebuilt weights are pruned, and [Adjust] moves them towards the outputs of the
///    *original* dense layer.
///
/// Steps 2 and 3 may be repeated. Without them, with the adjustment alone, it is the *control*:
/// what SDS is worth is the difference to it.
///
/// @param base prunes first
/// @param second prunes what was rebuilt
/// @param schedule whether all steps are taken in one block before the next, or each in the whole
///     model
/// @param rounds of dense and sparse; 0 is the control
/// @param tokens how much each counts in all steps
public record Sds(
        Base base,
        LayerPruner second,
        Schedule schedule,
        int rounds,
        Tokens tokens,
        Redense redense,
        Adjust adjust)
        implements Method {
    static final Setting.Choice PRESET =
            new Setting.Choice(
                    "preset",
                    "default",
                    List.of("default", "paper", "rounds"),
                    "other defaults: default is what measured best, paper the paper's own");
    static final Setting.Choice BASE =
            new Setting.Choice(
                    "base",
                    "sparsegpt",
                    List.of("magnitude", "wanda", "sparsegpt", "taylor", "dpruner"),
                    "prunes first, by its own defaults; taylor and dpruner take gradients first");
    static final Setting.Choice SECOND =
            new Setting.Choice(
                    "second",
                    "wanda",
                    List.of("base", "magnitude", "wanda", "sparsegpt"),
                    "prunes what was rebuilt; wanda in the groups of the base");
    static final Setting.Choice SCHEDULE =
            new Setting.Choice(
                    "schedule",
                    "block",
                    List.of("block", "model"),
                    "all steps in one block before the next, or each through the whole model");
    static final Setting.Whole ROUNDS =
            new Setting.Whole(
                    "rounds", 1, 0, 100, "of dense and sparse; 0 leaves adjustment alone");
    static final Setting.Choice DATA =
            new Setting.Choice(
                    "data",
                    "sd",
                    List.of("sd", "dd", "kd", "cross"),
                    "inputs that layers are rebuilt on: of the sparse, the dense, the rebuilt model, or of the sparse with the dense as teacher");
    static final Setting.Choice TOKENS =
            new Setting.Choice(
                    "tokens",
                    "even",
                    List.of("even", "plain"),
                    "in the statistics: all alike, or by the square of their length");
    static final Setting.Choice SOLVER =
            new Setting.Choice(
                    "solver",
                    "alternating",
                    List.of("alternating", "gradient", "adam"),
                    "rebuilds: by alternating between a minimum and the pattern, by proximal"
                            + " gradient steps, or by mini-batches: slow, and with all inputs in"
                            + " memory, for small models and to compare readings of the paper");
    static final Setting.Whole STEPS =
            new Setting.Whole("steps", 24, 1, 100_000, "of the solver: how far it goes");
    static final Setting.Real PULL =
            new Setting.Real(
                    "pull", 0.1, 1e-9, 1e9, "of the pattern at first, for solver=alternating");
    static final Setting.Real GROWTH =
            new Setting.Real(
                    "growth", 2.0, 1, 1e3, "of the pull every 6 steps, for solver=alternating");
    static final Setting.Whole EPOCHS =
            new Setting.Whole(
                    "epochs",
                    20,
                    1,
                    100_000,
                    "over the tokens, for solver=adam; the paper has 200");
    static final Setting.Real RATE =
            new Setting.Real(
                    "rate",
                    0.1,
                    1e-9,
                    1e3,
                    "for solver=adam: how far a first step moves every weight, in mean absolute weights");
    static final Setting.Whole BATCH =
            new Setting.Whole("batch", 2048, 1, 1 << 20, "tokens of a step, for solver=adam");
    static final Setting.Choice COORDINATES =
            new Setting.Choice(
                    "coordinates",
                    "scaled",
                    List.of("scaled", "raw"),
                    "weights times the root mean square of their inputs, or as they are");
    static final Setting.Choice REDUCTION =
            new Setting.Choice(
                    "reduction",
                    "mean",
                    List.of("mean", "sum"),
                    "of the error over tokens, which l1 and l2 are weighed against");
    static final Setting.Real L1 =
            new Setting.Real("l1", 0.0, 0, 1e6, "regularisation, times the mean absolute weight");
    static final Setting.Real L2 = new Setting.Real("l2", 0.0, 0, 1e6, "regularisation");
    static final Setting.Whole SOFT =
            new Setting.Whole("soft", 10, 0, 100_000, "adjustment steps with a soft mask");
    static final Setting.Whole EXACT =
            new Setting.Whole(
                    "exact", 10, 0, 100_000, "conjugate gradient steps on the mask that came out");
    static final Setting.Real DAMPING =
            new Setting.Real(
                    "damping",
                    0.01,
                    0,
                    1,
                    "added to the diagonal of the inputs' Gram matrix, as a fraction of its mean");
    static final Setting.Choice KEEP =
            new Setting.Choice(
                    "keep",
                    "best",
                    List.of("best", "last"),
                    "of a layer's sparse steps, by the error on calibration text held out");

    private static final double MOST_PULL = 1e30; // float32 must hold its products

    static final List<Setting> SETTINGS =
            List.of(
                    PRESET,
                    BASE,
                    SECOND,
                    SCHEDULE,
                    ROUNDS,
                    DATA,
                    TOKENS,
                    SOLVER,
                    STEPS,
                    PULL,
                    GROWTH,
                    EPOCHS,
                    RATE,
                    BATCH,
                    COORDINATES,
                    REDUCTION,
                    L1,
                    L2,
                    SOFT,
                    EXACT,
                    DAMPING,
                    KEEP);

    /// What a preset sets in place of the defaults.
    static final Map<String, Map<String, String>> PRESETS =
            Map.of(
                    "paper",
                    Map.ofEntries(
                            Map.entry("second", "base"),
                            Map.entry("schedule", "model"),
                            Map.entry("rounds", "1"),
                            Map.entry("solver", "gradient"),
                            Map.entry("steps", "200"),
                            Map.entry("coordinates", "raw"),
                            Map.entry("tokens", "plain"),
                            Map.entry("reduction", "sum"),
                            Map.entry("l1", "0.1"),
                            Map.entry("l2", "0.1"),
                            Map.entry("soft", "200"),
                            Map.entry("exact", "0"),
                            Map.entry("damping", "0")),
                    "rounds",
                    Map.of("rounds", "2"));

    /// What SDS takes of another method.
    ///
    /// @param before passes that it needs, which leave the weights as they are
    /// @param pruner the step that prunes
    /// @param part of the texts that it sees, and all steps after it
    record Base(List<Pass> before, LayerPruner pruner, Texts.Part part) {
        public Base {
            before = List.copyOf(before);
        }

        /// The last pass of a method begins with the step that prunes.
        static Base of(Method method) {
            var passes = method.passes();
            var pruning = (Sweep) passes.getLast();
            return new Base(
                    passes.subList(0, passes.size() - 1),
                    pruning.steps().getFirst(),
                    pruning.part());
        }

        Base onFit() {
            return new Base(before, new OnFit(pruner), part);
        }
    }

    /// @throws IllegalArgumentException if the settings do not go together
    static Sds of(Settings settings) {
        var base = Base.of(Methods.byDefault(settings.get(BASE)));
        var groups = base.pruner().comparison();
        var second =
                switch (settings.get(SECOND)) {
                    case "base" -> base.pruner();
                    // In the groups in which the mask will be adjusted.
                    case "wanda" -> new Wanda(groups);
                    case String other -> (LayerPruner) Methods.byDefault(other);
                };
        var coordinates = settings.get(COORDINATES, Coordinates.class);
        boolean weighed = settings.get(L1) > 0 || settings.get(L2) > 0;
        double damping = settings.get(DAMPING);
        boolean keepBest = settings.get(KEEP).equals("best");
        var solver =
                switch (settings.get(SOLVER)) {
                    case "gradient" -> new Redense.Solver.Gradient(settings.get(STEPS));
                    case "adam" ->
                            new Redense.Solver.Batches(
                                    new Adam(
                                            settings.get(EPOCHS),
                                            settings.get(RATE),
                                            settings.get(BATCH)));
                    default ->
                            new Redense.Solver.Alternating(
                                    settings.get(STEPS), settings.get(PULL), settings.get(GROWTH));
                };
        return new Sds(
                keepBest ? base.onFit() : base,
                keepBest ? new OnFit(second) : second,
                settings.get(SCHEDULE, Schedule.class),
                settings.get(ROUNDS),
                settings.get(TOKENS, Tokens.class),
                new Redense(
                        groups,
                        settings.get(DATA, Redense.Data.class),
                        solver,
                        coordinates,
                        weighed
                                ? settings.get(REDUCTION, Redense.Reduction.class)
                                : Redense.Reduction.MEAN,
                        settings.get(L1),
                        settings.get(L2),
                        damping,
                        keepBest),
                new Adjust(
                        groups,
                        settings.get(SOFT),
                        settings.get(EXACT),
                        coordinates,
                        damping,
                        keepBest,
                        settings.get(SCHEDULE).equals("block")));
    }

    /// @throws IllegalArgumentException if the data are those of rebuilt blocks and there are none,
    ///     or the pull grows beyond what float32 holds
    public Sds {
        if (rounds > 0 && redense.solver() instanceof Redense.Solver.Alternating solver) {
            checkPull(solver);
        }
        if (rounds > 0 && redense.data() == Redense.Data.KD && schedule == Schedule.BLOCK) {
            throw new IllegalArgumentException(
                    "data=kd needs schedule=model: block by block, nothing before a layer is rebuilt");
        }
    }

    private static void checkPull(Redense.Solver.Alternating solver) {
        int growths = (solver.steps() - 1) / LeastSquares.SAME_RHO;
        double last = solver.rho() * Math.pow(solver.growth(), growths);
        if (!(last <= MOST_PULL)) {
            throw new IllegalArgumentException(
                    "pull=%s times growth=%s every %d of steps=%d ends at %.0e, more than %.0e"
                            .formatted(
                                    solver.rho(),
                                    solver.growth(),
                                    LeastSquares.SAME_RHO,
                                    solver.steps(),
                                    last,
                                    MOST_PULL));
        }
    }

    /// Adjustment without rebuilding, by as many steps.
    @Override
    public Optional<Control> control() {
        if (rounds == 0) {
            return Optional.empty();
        }
        var alone = new Sds(base, second, schedule, 0, tokens, redense, adjust.times(rounds));
        return Optional.of(
                new Control(
                        "adjustment alone",
                        "the first pruning and the adjustment, without rebuilding between them",
                        alone));
    }

    /// In which order steps and blocks are gone through.
    enum Schedule {
        /// All steps in a block, on inputs captured once, then the next block.
        BLOCK,
        /// Every step through the whole model, then the next step: the paper's.
        MODEL
    }

    @Override
    public List<Pass> passes() {
        var passes = new ArrayList<>(base.before());
        switch (schedule) {
            case BLOCK -> passes.add(sweep(steps(), Flow.LEFT));
            case MODEL -> {
                passes.add(sweep(List.of(base.pruner()), Flow.LEFT));
                for (int round = 0; round < rounds; round++) {
                    // Inputs of the sparse model throughout, or of the one rebuilt so far.
                    var flow = redense.data() == Redense.Data.KD ? Flow.LEFT : Flow.ENTERED;
                    passes.add(sweep(List.of(redense), flow));
                    passes.add(sweep(List.of(second, adjust), Flow.LEFT));
                }
                if (rounds == 0) {
                    passes.add(sweep(List.of(adjust), Flow.LEFT));
                }
            }
        }
        return List.copyOf(passes);
    }

    private Sweep sweep(List<LayerPruner> steps, Flow flow) {
        return new Sweep(steps, Capture.ONCE, flow, tokens, Start.AS_LEFT, base.part());
    }

    /// The paper's early exit, for the model: it is left as the first pruning left it if nothing
    /// that came after is better. Block by block there is no such model; there the choice is made
    /// layer by layer only, see [Adjust].
    @Override
    public List<Integer> candidates() {
        int first = base.before().size();
        int last = passes().size() - 1;
        return adjust.keepBest() && last > first ? List.of(first, last) : List.of(last);
    }

    private List<LayerPruner> steps() {
        var steps = new ArrayList<LayerPruner>();
        steps.add(base.pruner());
        for (int round = 0; round < rounds; round++) {
            boolean judged = round < rounds - 1; // by the same tokens, once more
            steps.addAll(List.of(redense, second, judged ? adjust.withoutRelearning() : adjust));
        }
        if (rounds == 0) {
            steps.add(adjust);
        }
        return steps;
    }
}
