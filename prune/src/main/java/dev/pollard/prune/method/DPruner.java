package dev.pollard.prune.method;

import dev.pollard.prune.ComparisonGroup;
import dev.pollard.prune.DomainPass;
import dev.pollard.prune.DomainPass.Penalty;
import dev.pollard.prune.DomainPass.Tuning;
import dev.pollard.prune.LayerPruner;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.Sweep.Capture;
import dev.pollard.prune.Sweep.Flow;
import dev.pollard.prune.Sweep.Start;
import dev.pollard.prune.Texts;
import dev.pollard.prune.method.DualScore.Terms;
import dev.pollard.prune.solver.Coordinates;
import dev.pollard.stats.Tokens;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Pruning for a domain by a dual score (Nan Zhang, Yanchi Liu, Xujiang Zhao, Wei Cheng, Runxue
/// Bao, Rui Zhang, Prasenjit Mitra, Haifeng Chen, "Pruning as a Domain-specific LLM Extractor",
/// arXiv 2405.06275), in three passes:
///
/// 1. [GeneralImportance] of every weight, on open-domain text;
/// 2. gradients of the domain's loss, sample by sample, after steps down that loss if asked for;
/// 3. the mask by [DualScore], on the model's own weights or the tuned ones, and, if asked for, the
///    best weights under that mask, which is ours.
///
/// @param general how G is taken; empty if nothing asks for it
/// @param domains empty if G alone decides
/// @param tuned whether the mask goes on the tuned weights
/// @param adjust the best weights under the mask
/// @param part of the texts, to which the adjustment fits; without one nothing is read of it
public record DPruner(
        Optional<LayerPruner> general,
        Optional<DomainPass> domains,
        LayerPruner score,
        boolean tuned,
        Optional<LayerPruner> adjust,
        Texts.Part part)
        implements Method {
    static final Setting.Choice PRESET =
            new Setting.Choice(
                    "preset",
                    "default",
                    List.of("default", "paper"),
                    "other defaults: default is what measured best, paper the paper's formulas");
    static final Setting.Choice SCORE =
            new Setting.Choice(
                    "score",
                    "dual",
                    List.of("dual", "domain", "general"),
                    "what decides: both, or one of the two alone");
    static final Setting.Choice TERMS =
            new Setting.Choice(
                    "terms",
                    "second",
                    List.of("second", "both", "first"),
                    "of the domain's score: ½ F W², |½ F W² - g W| as in the paper, or |g W|");
    static final Setting.Choice GENERAL =
            new Setting.Choice(
                    "general",
                    "plain",
                    List.of("plain", "sequential"),
                    "general importance of the dense model, or as a run of SparseGPT sees it");
    static final Setting.Choice PENALTY =
            new Setting.Choice(
                    "penalty",
                    "mix",
                    List.of("none", "paper", "ewc", "mix"),
                    "holds generally important weights: not at all, by the paper's formula, by their"
                            + " distance from the dense ones, or by adding both scores (ours)");
    static final Setting.Real LAMBDA =
            new Setting.Real("lambda", 0.1, 0, 1e9, "how much the penalty paper or ewc counts");
    static final Setting.Real MIX =
            new Setting.Real(
                    "mix", 1.0, 0, 1e9, "how much general importance counts, for penalty=mix");
    static final Setting.Real ALPHA =
            new Setting.Real("alpha", 0.03, 0, 1e3, "the learning rate in the paper's penalty");
    static final Setting.Choice IMPORTANCE =
            new Setting.Choice(
                    "importance",
                    "normalised",
                    List.of("normalised", "raw"),
                    "general importance divided by its mean over the matrix, or as it is");
    static final Setting.Choice SIGN =
            new Setting.Choice(
                    "sign",
                    "minus",
                    List.of("minus", "plus"),
                    "of the gradient's term: minus is that of removal, plus the paper's");
    static final Setting.Choice GROUP =
            new Setting.Choice(
                    "group",
                    "matrix",
                    List.of("matrix", "row", "columns"),
                    "which weights compete: of a matrix, of a row, or of 128 columns");
    static final Setting.Whole TUNE =
            new Setting.Whole("tune", 0, 0, 100_000, "steps down the domain's loss beforehand");
    static final Setting.Whole BATCH =
            new Setting.Whole("batch", 8, 1, 4096, "samples of such a step");
    static final Setting.Real RATE =
            new Setting.Real("rate", 0.03, 1e-9, 1e3, "highest learning rate of such a step");
    static final Setting.Real CLIP =
            new Setting.Real("clip", 1.0, 1e-9, 1e9, "largest gradient norm of such a step");
    static final Setting.Choice WEIGHTS =
            new Setting.Choice(
                    "weights",
                    "base",
                    List.of("base", "tuned"),
                    "what is pruned: the model's own weights, or those after the steps");
    static final Setting.Whole EXACT =
            new Setting.Whole(
                    "exact",
                    20,
                    0,
                    100_000,
                    "conjugate gradient steps towards the dense layer's outputs, under the mask");
    static final Setting.Choice FIT =
            new Setting.Choice(
                    "fit",
                    "both",
                    List.of("both", "domains", "calibration"),
                    "text on whose outputs those steps are taken");
    static final Setting.Real DAMPING =
            new Setting.Real(
                    "damping",
                    0.01,
                    0,
                    1,
                    "added to the diagonal of the inputs' Gram matrix, as a fraction of its mean");

    static final List<Setting> SETTINGS =
            List.of(
                    PRESET,
                    SCORE,
                    TERMS,
                    GENERAL,
                    PENALTY,
                    LAMBDA,
                    MIX,
                    ALPHA,
                    IMPORTANCE,
                    SIGN,
                    GROUP,
                    TUNE,
                    BATCH,
                    RATE,
                    CLIP,
                    WEIGHTS,
                    EXACT,
                    FIT,
                    DAMPING);

    static final Map<String, Map<String, String>> PRESETS =
            Map.of(
                    "paper",
                    Map.of(
                            "terms", "both",
                            "general", "sequential",
                            "penalty", "paper",
                            "importance", "raw",
                            "sign", "plus",
                            "exact", "0"));

    static final int COLUMNS = 128;

    /// @throws IllegalArgumentException if tuned weights are asked for, and no steps
    static DPruner of(Settings settings) {
        boolean byDomain = !settings.get(SCORE).equals("general");
        String held = settings.get(SCORE).equals("dual") ? settings.get(PENALTY) : "none";
        double mixed = held.equals("mix") ? settings.get(MIX) : 0;
        double lambda = settings.get(LAMBDA);
        boolean normalised = settings.get(IMPORTANCE).equals("normalised");
        var penalty =
                switch (held) {
                    case "paper" ->
                            new Penalty(
                                    Penalty.Form.PAPER, lambda, settings.get(ALPHA), normalised);
                    case "ewc" -> new Penalty(Penalty.Form.EWC, lambda, 0, normalised);
                    default -> Penalty.none();
                };
        boolean byGeneral = !byDomain || mixed > 0 || penalty.form() != Penalty.Form.NONE;
        boolean tuned = settings.get(WEIGHTS).equals("tuned");
        var tuning = tuning(settings, penalty);
        if (tuned && (tuning.isEmpty() || !byDomain)) {
            throw new IllegalArgumentException(
                    "weights=tuned needs steps down the domain's loss: set tune=N, and score=dual or"
                            + " score=domain");
        }
        double damping = settings.get(DAMPING);
        var group = group(settings);
        var general =
                new GeneralImportance(settings.get(GENERAL, GeneralImportance.Form.class), damping);
        var terms = byDomain ? settings.get(TERMS, Terms.class) : Terms.NONE;
        boolean plus = terms == Terms.BOTH && settings.get(SIGN).equals("plus");
        int exact = settings.get(EXACT);
        var fit = new Adjust(group, 0, exact, Coordinates.SCALED, damping, false, false);
        return new DPruner(
                byGeneral ? Optional.of(general) : Optional.empty(),
                byDomain ? Optional.of(new DomainPass(tuning, false)) : Optional.empty(),
                new DualScore(terms, plus, penalty, mixed, group),
                tuned,
                exact == 0 ? Optional.empty() : Optional.of(fit),
                exact == 0 ? Texts.Part.CALIBRATION : settings.get(FIT, Texts.Part.class));
    }

    private static Optional<Tuning> tuning(Settings settings, Penalty penalty) {
        int steps = settings.get(TUNE);
        return steps == 0
                ? Optional.empty()
                : Optional.of(
                        new Tuning(
                                steps,
                                settings.get(BATCH),
                                settings.get(RATE),
                                settings.get(CLIP),
                                penalty));
    }

    /// Which weights compete, by [#GROUP].
    static ComparisonGroup group(Settings settings) {
        return switch (settings.get(GROUP)) {
            case "row" -> new ComparisonGroup.Row();
            case "columns" -> new ComparisonGroup.Columns(COLUMNS);
            default -> new ComparisonGroup.Matrix();
        };
    }

    @Override
    public List<Pass> passes() {
        var passes = new ArrayList<Pass>();
        // Weights that a pass changes are seen by the blocks behind, and by no later pass.
        general.ifPresent(step -> passes.add(new Sweep(step)));
        domains.ifPresent(passes::add);
        var steps = new ArrayList<LayerPruner>(List.of(score));
        adjust.ifPresent(steps::add);
        passes.add(
                new Sweep(
                        steps,
                        Capture.ONCE,
                        Flow.LEFT,
                        Tokens.PLAIN,
                        tuned ? Start.TUNED : Start.DENSE,
                        part));
        return List.copyOf(passes);
    }
}
